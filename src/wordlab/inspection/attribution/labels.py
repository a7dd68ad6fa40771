"""Which words, and which features of its own, made a tagger give a word its label."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.tagging import TagStore, WordTable
from wordlab.corpus.labelled.lexicon import MARKERS, UNKNOWN, Lexicon
from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.text import Sentence
from wordlab.evaluation.tagging.reading import Tagged, read_store
from wordlab.models.taggers.features import WordVectors
from wordlab.models.taggers.tagger import PREPARED_AT_ONCE, Tagger

By = Literal["unknown", "mean"]

WAYS: dict[By, str] = {
    "unknown": "all that the tagger sees of it is that of an unknown word",
    "mean": "its vector is the mean over the words of the training text",
}
"""What is put in the place of a word or feature, in words."""

AT_ONCE = 1 << 16
"""Words of edited sentences that are tagged at a time."""

LEAST = 1e-300
"""A probability."""

LEAST_NATS = 0.005
"""What changes less is not named in the table."""

Floats = NDArray[np.float64]
Edit = tuple[int, Sequence[slice]]
"""The place of a word in its sentence, and the parts of its vector that are replaced."""


@dataclass(frozen=True)
class Neighbour:
    """What another word of the sentence did to a label.

    Attributes:
        offset: how many words after the labelled one; below 0, before it.
        word: as the text spells it.
        nats: ln p(label) less the same without this word; above 0, the word spoke for the label.
    """

    offset: int
    word: str
    nats: float


@dataclass(frozen=True)
class LabelExplanation:
    """A word, its label, and what that came from.

    Attributes:
        position: in its sentence, from 1.
        tag: of the best path.
        label: the type of entity that the tag is of, or the outside tag.
        probability: of the label: the tags of one label added up, each a marginal under a CRF.
        itself: nats, as those of neighbours, of the word with all its features.
        features: nats of each feature of the word, taken away from all; where others say the same,
            this is little.
        alone: nats that each adds to ln p(label) where the word's other features are away.
        neighbours: all other words of the sentence, in order.
    """

    position: int
    word: str
    tag: str
    label: str
    probability: float
    itself: float
    features: Mapping[str, float]
    alone: Mapping[str, float]
    neighbours: tuple[Neighbour, ...]

    def at(self, offset: int) -> float | None:
        """What the word at an offset did; None outside the sentence."""
        return next((each.nats for each in self.neighbours if each.offset == offset), None)

    def strongest_beyond(self, radius: int) -> str:
        """The word farther away than this that did most, if it did anything to speak of."""
        far = [each for each in self.neighbours if abs(each.offset) > radius]
        most = max(far, key=lambda each: abs(each.nats), default=None)
        if most is None or abs(most.nats) < LEAST_NATS:
            return ""
        return f"{most.offset:+d} {most.word} {most.nats:+.2f}"


@dataclass(frozen=True)
class SentenceLabels:
    """A sentence with what its labels came from.

    Attributes:
        line: of the text where it begins, from 1.
        words: all of them, as they are spelled.
        labels: of the words that were asked for.
    """

    line: int
    words: tuple[str, ...]
    labels: tuple[LabelExplanation, ...]


class LabelExplainer:
    """Explains the labels of one tagger.

    Args:
        model: in its mode for use.
        by: what is put in the place of a word or feature; see `WAYS`.
        training: sentences of the training text, for the mean over their words.
    """

    def __init__(
        self,
        model: Tagger,
        lexicon: Lexicon,
        tags: TagSet,
        *,
        by: By = "unknown",
        training: Iterable[Sequence[str]] = (),
    ) -> None:
        self._model, self._lexicon, self._tags = model, lexicon, tags
        self._parts = parts_of(model.words, lexicon)
        self._kinds = np.array([kind or OUTSIDE for kind in tags.kinds])
        self._markers = _vectors(model, [], lexicon)
        mean = by == "mean"
        self._blank = mean_vector(model, lexicon, training) if mean else self._markers[UNKNOWN]

    def explain(self, sentence: Sentence, *, every: bool = False) -> SentenceLabels:
        """Explain the words that have a label, or all."""
        words = sentence.words
        size = len(words)
        x = _vectors(self._model, words, self._lexicon)[MARKERS:]
        as_it_is = self._read(x, [])
        tags = as_it_is.tags
        labels = self._kinds[tags]
        of_label = self._kinds == labels[:, None]
        own = _log((as_it_is.marginals * of_label).sum(axis=1))
        chosen = [at for at in range(size) if every or tags[at] != 0]
        every_part = list(self._parts.values())
        edits: list[Edit] = [(at, every_part) for at in range(size)]
        for at in chosen:
            edits += [(at, [part]) for part in every_part]
            edits += [(at, [other for other in every_part if other != part]) for part in every_part]
        changes = own - self._of_labels(x, edits if chosen else [], of_label)
        features = changes[size:].reshape(len(chosen), 2, len(every_part), size)
        return SentenceLabels(
            sentence.line,
            tuple(words),
            tuple(
                LabelExplanation(
                    at + 1,
                    words[at],
                    self._tags.tags[tags[at]],
                    str(labels[at]),
                    float(np.exp(own[at])),
                    float(changes[at, at]),
                    self._named(features[number, 0, :, at]),
                    self._named(changes[at, at] - features[number, 1, :, at]),
                    tuple(
                        Neighbour(other - at, words[other], float(changes[other, at]))
                        for other in range(size)
                        if other != at
                    ),
                )
                for number, at in enumerate(chosen)
            ),
        )

    def _named(self, nats: Floats) -> dict[str, float]:
        """A number for each feature."""
        return dict(zip(self._parts, nats.tolist(), strict=True))

    def _of_labels(self, x: Tensor, edits: Sequence[Edit], of_label: NDArray[np.bool_]) -> Floats:
        """Ln p of each word's label (columns) in each edited sentence (rows). [E, n]"""
        size = len(x)
        found = np.empty((len(edits), size))
        at_once = max(1, AT_ONCE // size)
        for first in range(0, len(edits), at_once):
            some = edits[first : first + at_once]
            marginals = self._read(x, some).marginals.reshape(len(some), size, -1)
            found[first : first + len(some)] = _log((marginals * of_label).sum(axis=2))
        return found

    @torch.no_grad()
    def _read(self, x: Tensor, edits: Sequence[Edit]) -> Tagged:
        """Tag a sentence with each edit; without one, as it is. [n, D]"""
        size = len(x)
        rows = np.tile(np.arange(size) + MARKERS, (max(len(edits), 1), 1))
        edited = x[[place for place, _ in edits]]
        for number, (place, parts) in enumerate(edits):
            for part in parts:
                edited[number, part] = self._blank[part]
            rows[number, place] = MARKERS + size + number
        vectors = torch.cat([self._markers, x, edited])
        project = self._model.encoder.project
        prepared = torch.cat([project(some) for some in torch.split(vectors, PREPARED_AT_ONCE)])
        store = TagStore(
            WordTable(torch.empty(0, 0)),
            rows.ravel(),
            np.full(rows.size, -1, dtype=np.int64),
            np.arange(len(rows) + 1) * size,
        )
        return read_store(
            self._model, store, self._tags, prepared=prepared, probabilities=False, marginals=True
        )


def parts_of(words: WordVectors, lexicon: Lexicon) -> dict[str, slice]:
    """Which numbers of a word's vector each feature has."""
    tables = [words.word, *words.features]
    lengths = [table.embedding_dim for table in tables if isinstance(table, nn.Embedding)]
    names = list(lexicon.columns)
    if words.filters is not None:
        lengths.append(words.filters.out_channels)
        names.append("characters")
    ends = np.cumsum(lengths).tolist()
    return {
        name: slice(end - length, end)
        for name, length, end in zip(names, lengths, ends, strict=True)
    }


def mean_vector(model: Tagger, lexicon: Lexicon, sentences: Iterable[Sequence[str]]) -> Tensor:
    """The mean of the words' vectors over all words of a text. [D]"""
    counts = Counter(word for sentence in sentences for word in sentence)
    vectors = _vectors(model, list(counts), lexicon)[MARKERS:].double()
    weights = torch.tensor(list(counts.values()), dtype=torch.float64)
    return ((weights @ vectors) / weights.sum()).float()


@torch.no_grad()
def _vectors(model: Tagger, words: Sequence[str], lexicon: Lexicon) -> Tensor:
    """The vectors of the three markers, then of words. [3 + N, D]"""
    table = WordTable.of(words, lexicon)
    rows = torch.arange(len(table.columns))
    return torch.cat([model.words(table, some) for some in torch.split(rows, PREPARED_AT_ONCE)])


def _log(p: Floats) -> Floats:
    """The natural logarithm, finite also where a float holds no such small probability."""
    logs: Floats = np.log(np.maximum(p, LEAST))
    return logs
