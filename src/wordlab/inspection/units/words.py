"""The exact top words of each unit of the first hidden layer, by position in the window."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore, WordTable
from wordlab.corpus.labelled.lexicon import MARKERS, UNKNOWN, WORD
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.errors import WordlabError
from wordlab.inspection.units.layers import AnyRun, FirstLayer, Floats, position_name
from wordlab.runs.tagger_run import CORPUS, TaggerRun
from wordlab.table import Column, Table

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """The distinct words of a training text, each with the vector that the network reads of it.

    Attributes:
        words: as the network tells them apart: those that it sees alike are one, spelled as most
            often.
        counts: how often each occurs in training. [W]
        vectors: of each. [W, D]
    """

    words: tuple[str, ...]
    counts: Ids
    vectors: Floats

    @property
    def mean(self) -> Floats:
        """The mean vector over all occurrences. [D]"""
        mean: Floats = self.counts @ self.vectors / self.counts.sum()
        return mean

    def at_least(self, count: int) -> Ids:
        """The words that occur so often.

        Raises:
            WordlabError: where there is none.
        """
        found = np.flatnonzero(self.counts >= count)
        if not len(found):
            most = int(self.counts.max(initial=0))
            raise WordlabError(
                f"no word occurs {count:,} times in training; the most frequent does {most:,} "
                "times",
                where="--min-count",
            )
        return found


@dataclass(frozen=True)
class TrainingWords:
    """The words of a tagger's training text, with the place of each in it.

    Attributes:
        table: what the tagger sees of each, behind the markers.
        sentences: the text.
        rows: which of the words stands at each place, sentence after sentence. [N]
    """

    words: Words
    table: WordTable
    sentences: tuple[LabelledSentence, ...]
    rows: Ids


@torch.no_grad()
def training_words(run: TaggerRun) -> TrainingWords:
    """List the words of a tagger's training text.

    Raises:
        WordlabError: where the run's folder does not hold it.
    """
    if not (run.path / CORPUS / "train.jsonl").exists():
        raise WordlabError(
            "holds no training text, whose words and labels are asked for",
            where=str(run.path),
            mend="name the folder that the tagger was trained in",
        )
    sentences = run.sentences("train")
    spelled = list(dict.fromkeys(word for s in sentences for word in s.words))
    store = TagStore.of([s.words for s in sentences], run.lexicon)
    columns = store.table.columns.numpy()[MARKERS:]
    letters = store.table.letters
    keys = columns if letters is None else np.hstack([columns, letters.numpy()[MARKERS:]])
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rows: Ids = group.reshape(-1)[store.words - MARKERS]
    chosen = torch.from_numpy(np.concatenate([np.arange(MARKERS), first + MARKERS]))
    table = WordTable(store.table.columns[chosen], None if letters is None else letters[chosen])
    vectors = run.model.words(table, torch.arange(MARKERS, len(chosen)))
    if len(run.lexicon.columns) == 1 and letters is None:
        names = _forms(run, columns[first, 0])
    else:
        names = _spellings(spelled, Counter((store.words - MARKERS).tolist()), group.reshape(-1))
    words = Words(tuple(names), np.bincount(rows), vectors.double().numpy())
    return TrainingWords(words, table, tuple(sentences), rows)


def _forms(run: TaggerRun, numbers: Ids) -> list[str]:
    """The word forms of numbers."""
    forms = (*run.lexicon.columns[WORD], *run.lexicon.further)
    return ["(unknown)" if at == UNKNOWN else forms[at - MARKERS] for at in numbers]


def _spellings(spelled: Sequence[str], counts: Counter[int], group: Ids) -> list[str]:
    """The most frequent spelling of each group."""
    names: dict[int, str] = {}
    for at, _ in counts.most_common():
        names.setdefault(int(group[at]), spelled[at])
    return [names[number] for number in range(len(names))]


def words_of(run: AnyRun) -> Words:
    """The words of a run's training text with their vectors; markers are left out.

    Raises:
        WordlabError: where they are not at hand, or the run has no vectors.
    """
    if isinstance(run, TaggerRun):
        return training_words(run).words
    ids = run.vocabulary.frequent_words(len(run.vocabulary))
    vectors = run.word_vectors()[ids].astype(np.float64)
    names = tuple(run.vocabulary.words[index] for index in ids)
    return Words(names, run.vocabulary.counts[ids], vectors)


@dataclass(frozen=True)
class ScoredWord:
    """A word, what it adds to a unit or scores for a class, and how often training has it."""

    word: str
    score: float
    count: int


@dataclass(frozen=True)
class UnitWords:
    """The words that move a unit most from a position.

    Attributes:
        outgoing: length of the unit's weights into the next layer.
        top, bottom: words by W[unit, position] . L[word], the highest and the lowest first.
    """

    unit: int
    position: int
    outgoing: float
    top: tuple[ScoredWord, ...]
    bottom: tuple[ScoredWord, ...]


def unit_words(
    layer: FirstLayer,
    words: Words,
    *,
    units: Sequence[int],
    positions: Sequence[int],
    top: int = 10,
    min_count: int = 1,
) -> list[UnitWords]:
    """Rank the words for each unit and position by their exact share of what goes into the unit.

    All words are scored for all units at once, a matrix product for each position.

    Args:
        top: how many words at each end.
        min_count: leave out words that training has less often.
    """
    kept = words.at_least(min_count)
    chosen = list(units)
    found = []
    for position, place in zip(positions, layer.places(positions), strict=True):
        scores = words.vectors[kept] @ layer.weights[chosen, place].T
        highest = np.argsort(-scores, axis=0, kind="stable")[:top]
        lowest = np.argsort(scores, axis=0, kind="stable")[:top]
        for column, unit in enumerate(chosen):
            ends = (
                tuple(
                    ScoredWord(
                        words.words[kept[at]],
                        float(scores[at, column]),
                        int(words.counts[kept[at]]),
                    )
                    for at in order[:, column]
                )
                for order in (highest, lowest)
            )
            found.append(UnitWords(unit, position, float(layer.outgoing[unit]), *ends))
    return found


def unit_words_tables(found: Sequence[UnitWords], words: int, min_count: int) -> list[Table]:
    """A table of the top words and one of the bottom words, for each position.

    Args:
        words: how many were ranked.
    """
    seen = f"seen {min_count} times or more in training" if min_count > 1 else "of training"
    note = (
        "First hidden layer. Ranked by W[unit, position] . L[word], which is exactly what a word "
        f"adds to the unit's input, over {words:,} words {seen}. Outgoing: length of the unit's "
        "weights into the next layer."
    )
    return [
        Table.of(
            f"{end.capitalize()} words by unit, {position_name(position)} (position {position})",
            ("unit", Column("outgoing", 2), f"{end} words"),
            [
                (item.unit, item.outgoing, shown(item.top if end == "top" else item.bottom))
                for item in found
                if item.position == position
            ],
            note=note,
        )
        for position in dict.fromkeys(item.position for item in found)
        for end in ("top", "bottom")
    ]


def shown(words: Sequence[ScoredWord]) -> str:
    """Words as a list, the first first."""
    return ", ".join(item.word for item in words)


def dealt_anew(words: Words, seed: int = 1) -> Words:
    """A control: the same vectors under the names of other words, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(words.words))
    names = tuple(words.words[at] for at in order)
    return Words(names, words.counts[order], words.vectors)
