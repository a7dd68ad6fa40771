"""What each unit is good for: it is held, and the figures of each class are taken anew.

Everything up to the last hidden layer is worked out once; for each unit only the output is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.tagging import TagBatch, TagStore
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.evaluation.bands import band_names, bands_of
from wordlab.evaluation.tagging.reading import BATCH_WORDS
from wordlab.evaluation.tagging.tallies import Counts, f1_of
from wordlab.inspection.units.layers import (
    Floats,
    count_of_units,
    outgoing_weights,
    require_units,
)
from wordlab.inspection.units.switching import MEAN, OFF, fixed_value
from wordlab.inspection.units.texts import (
    TARGETS_AT_ONCE,
    ModelText,
    TaggerText,
    mean_values,
    unit_values,
)
from wordlab.models.language_model import LanguageModel, OutputLayer, State
from wordlab.models.softmax_output import SoftmaxOutput
from wordlab.models.taggers.outputs import ScoredTags
from wordlab.models.taggers.tagger import TagOutput
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table, Value

Ids = NDArray[np.int64]

ROWS_AT_ONCE = 32
"""Targets whose logits are held at a time: few, so that they stay in the processor's cache."""

WORDS, ENTITIES, NATS = "F1 of words", "F1 of entities", "nats a token"
LOG_ODDS = "log-odds"
ALL, WEIGHTED = "all", "mean, weighted"


@dataclass(frozen=True)
class Effects:
    """What holding each unit does to a figure of each class, or of each band of words.

    Attributes:
        figure: what is measured.
        text: name of the text.
        held: at what units are held, in words.
        classes: the last one is all together.
        counts: true words or entities of each class, targets of each band. [K]
        whole: the figure with all units on. [K]
        units: those that were held, one at a time. [U]
        changes: the figure with the unit held, less that with all on. [U, K]
    """

    figure: str
    text: str
    held: str
    classes: tuple[str, ...]
    counts: Ids
    whole: Floats
    units: tuple[int, ...]
    changes: Floats

    @property
    def harm(self) -> Floats:
        """How much worse the figures get. [U, K]"""
        return self.changes if self.figure == NATS else -self.changes

    def column(self, name: str) -> Column:
        """A column of values of the figure."""
        if self.figure in (WORDS, ENTITIES):
            return Column(name, 2, percent=True)
        return Column(name, 4 if self.figure == NATS else 2)

    def table(self, most: int = 10) -> Table:
        """The units that matter most to all classes together."""
        order = np.argsort(-self.harm[:, -1], kind="stable")[:most]
        columns = [self.column(name) for name in self.classes]
        rows: list[Sequence[Value]] = [("all on", *map(float, self.whole))]
        rows += [(f"unit {self.units[at]}", *map(float, self.changes[at])) for at in order]
        better = "lower" if self.figure == NATS else "higher"
        return Table.of(
            f"{self.figure[0].upper()}{self.figure[1:]}, and the change with a unit held",
            ("", *columns),
            rows,
            note=f"Last hidden layer, on {self.text}. Each unit on its own is held at {self.held} "
            f"where the output reads it; {better} figures are better. The {len(order)} of "
            f"{len(self.units)} units that matter most in the last column.",
        )

    def records(self) -> list[dict[str, Value]]:
        """A row for each unit and class."""
        return [
            {
                "figure": self.figure,
                "unit": unit,
                "class": name,
                "count": int(self.counts[at]),
                "all_on": float(self.whole[at]),
                "change": float(row[at]),
            }
            for unit, row in zip(self.units, self.changes, strict=True)
            for at, name in enumerate(self.classes)
        ]


@dataclass(frozen=True)
class _Held:
    """Units that are held one at a time, each at a value of its own."""

    units: tuple[int, ...]
    values: Floats
    name: str

    @classmethod
    def of(cls, run: Run | TaggerRun, units: Sequence[int] | None, at: str | float) -> "_Held":
        """All units of the last hidden layer, or some."""
        count = count_of_units(run.model if isinstance(run, TaggerRun) else run.network)
        chosen = tuple(range(count) if units is None else units)
        require_units(chosen, count)
        if at == MEAN:
            return cls(chosen, mean_values(run)[list(chosen)], "its mean over the training text")
        value = fixed_value(at)
        return cls(chosen, np.full(len(chosen), value), f"{value:g}")


def effects_of(
    run: Run | TaggerRun,
    text: TaggerText | ModelText,
    *,
    units: Sequence[int] | None = None,
    at: str | float = OFF,
    words: Sequence[str] = (),
) -> tuple[Effects, ...]:
    """Hold units one at a time: `tagger_effects`, or `model_effects`, whichever the run is for.

    Raises:
        WordlabError: for a unit, a value or a word that there is none of.
    """
    if isinstance(run, TaggerRun):
        assert isinstance(text, TaggerText)
        if words:
            raise WordlabError(
                "is of language models; the classes of a tagger are its types", where="--word"
            )
        return tagger_effects(run, text, units=units, at=at)
    assert isinstance(text, ModelText)
    return (model_effects(run, text, units=units, at=at, words=words),)


@torch.no_grad()
def tagger_effects(
    run: TaggerRun,
    text: TaggerText,
    *,
    units: Sequence[int] | None = None,
    at: str | float = OFF,
) -> tuple[Effects, Effects]:
    """Hold units one at a time; the change of each class's F1, of words and of entities.

    Args:
        units: None for all of the last hidden layer.
        at: "zero", "mean" (over the training text), or a number.
    """
    model, held = run.model, _Held.of(run, units, at)
    store = TagStore.of([s.words for s in text.sentences], run.lexicon)
    prepared = torch.cat(list(model.prepare(store.table)))
    paths = np.empty((1 + len(held.units), len(store)), dtype=np.int16)
    for batch in store.batches(BATCH_WORDS):
        packing = batch.packing
        places = store.begins[batch.sentences][packing.sequence] + packing.time
        features = model.encoder.join(prepared, batch.padded(), batch)
        for row, path in enumerate(_paths(model.output, features, batch, held)):
            paths[row, places] = path
    true = _Truth.of(text.sentences, run.tag_set)
    words = np.array([true.words(path) for path in paths])
    entities = np.array([true.entities(path.astype(np.int64)) for path in paths])

    def effects(figure: str, last: str, counts: Counts, every: Floats) -> Effects:
        f1 = np.concatenate([f1_of(counts.astype(np.float64)), every[:, None]], axis=1)
        total = counts[0, :, 2].sum(keepdims=True)
        return Effects(
            figure,
            text.name,
            held.name,
            (*true.types, last),
            np.concatenate([counts[0, :, 2], total]),
            f1[0],
            held.units,
            f1[1:] - f1[0],
        )

    shares = words[..., 2] / np.maximum(words[..., 2].sum(axis=1, keepdims=True), 1)
    weighted = (f1_of(words.astype(np.float64)) * shares).sum(axis=1)
    micro = f1_of(entities.sum(axis=1).astype(np.float64))
    return effects(WORDS, WEIGHTED, words, weighted), effects(ENTITIES, ALL, entities, micro)


@torch.no_grad()
def tagger_log_odds(
    run: TaggerRun, text: TaggerText, *, units: Sequence[int] | None = None, at: str | float = OFF
) -> Effects:
    """Hold units one at a time; the change of the log-odds of each class over its own words.

    That is ln p(class) - ln p(not the class) by a word's own scores, before neighbours have a say,
    on average over the words that are of the class. Unlike F1 it also moves where a unit changes no
    decision, as on a training text that is known by heart.
    """
    model, held = run.model, _Held.of(run, units, at)
    assert isinstance(model.output, ScoredTags)
    values = torch.from_numpy(unit_values(run, text).values)
    true = _Truth.of(text.sentences, run.tag_set)
    inside = torch.from_numpy(np.flatnonzero(true.labels < len(true.types)))
    values, labels = values[inside], torch.from_numpy(true.labels)[inside]
    is_own = torch.from_numpy(true.of_tags)[None] == labels[:, None]
    scores = model.output.scores(values).double() / model.output.temperature
    outgoing = torch.from_numpy(outgoing_weights(model)) / model.output.temperature
    sums = np.zeros((1 + len(held.units), len(true.types) + 1))
    for row in range(1 + len(held.units)):
        moved = scores
        if row:
            unit = held.units[row - 1]
            moves = float(held.values[row - 1]) - values[:, unit].double()
            moved = scores + moves[:, None] * outgoing[:, unit]
        odds = _log_odds(moved, is_own).numpy()
        sums[row, :-1] = np.bincount(labels, odds, minlength=len(true.types))
        sums[row, -1] = odds.sum()
    counts = np.bincount(labels, minlength=len(true.types))
    counts = np.concatenate([counts, counts.sum(keepdims=True)])
    means = sums / np.maximum(counts, 1)
    classes = (*true.types, ALL)
    changes = means[1:] - means[0]
    return Effects(LOG_ODDS, text.name, held.name, classes, counts, means[0], held.units, changes)


def _log_odds(scores: Tensor, is_own: Tensor) -> Tensor:
    """Ln p - ln (1 - p) of the tags that are a word's own, all together. [N, L] -> [N]"""
    own = scores.masked_fill(~is_own, -torch.inf).logsumexp(dim=1)
    return own - scores.masked_fill(is_own, -torch.inf).logsumexp(dim=1)


def _paths(output: TagOutput, features: Tensor, batch: TagBatch, held: _Held) -> Iterator[Ids]:
    """The best tags with all units on, then with each in turn held. Each [M]"""
    yield output.best(features, batch)
    changed = features.clone()
    for unit, value in zip(held.units, held.values.tolist(), strict=True):
        changed[:, unit] = value
        yield output.best(changed, batch)
        changed[:, unit] = features[:, unit]


@dataclass(frozen=True)
class _Truth:
    """The labels of a text, in a form against which many taggings are counted quickly.

    Attributes:
        tag_set: of the tagger.
        types: its own, then others of the text.
        of_tags: number of each tag's type, one past the last for the outside tag. [L]
        labels: the same of each word. [N]
        lengths: of the sentences. [S]
        spans: each entity's first word, one past its last, and its type, as one number. [E]
    """

    tag_set: TagSet
    types: tuple[str, ...]
    of_tags: Ids
    labels: Ids
    lengths: Ids
    spans: Ids

    @classmethod
    def of(cls, sentences: Sequence[LabelledSentence], tag_set: TagSet) -> "_Truth":
        """Number types and entities."""
        own = {span.type for sentence in sentences for span in sentence.spans}
        types = (*tag_set.types, *sorted(own - set(tag_set.types)))
        number = {kind: at for at, kind in enumerate((*types, ""))}
        lengths = np.array([len(sentence.words) for sentence in sentences], dtype=np.int64)
        begins = np.cumsum(lengths) - lengths
        rows = [
            (begin + start, begin + end, number[kind])
            for begin, sentence in zip(begins.tolist(), sentences, strict=True)
            for start, end, kind in sentence.spans
        ]
        start, end, kinds = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        labels = np.full(int(lengths.sum()), len(types), dtype=np.int64)
        for first, last, kind in rows:
            labels[first:last] = kind
        of_tags = np.array([number[kind] for kind in tag_set.kinds], dtype=np.int64)
        spans = _as_numbers(start, end, kinds, len(labels), len(types))
        return cls(tag_set, types, of_tags, labels, lengths, spans)

    def words(self, path: NDArray[np.int16]) -> Counts:
        """Right, predicted and true words of each type. [T, 3]"""
        found = self.of_tags[path]
        size = len(self.types) + 1
        right = np.bincount(found[found == self.labels], minlength=size)
        columns = (
            right,
            np.bincount(found, minlength=size),
            np.bincount(self.labels, minlength=size),
        )
        return np.stack(columns, axis=1)[:-1]

    def entities(self, path: Ids) -> Counts:
        """Right, predicted and true entities of each type. [T, 3]"""
        found = self.tag_set.entities(path, self.lengths)
        begins = (np.cumsum(self.lengths) - self.lengths)[found.sentence]
        kinds = self.of_tags[found.tag]
        size = len(self.types)
        spans = _as_numbers(begins + found.start, begins + found.end, kinds, len(self.labels), size)
        right = np.bincount(kinds[np.isin(spans, self.spans)], minlength=size)
        columns = (
            right,
            np.bincount(kinds, minlength=size),
            np.bincount(self.spans % max(size, 1), minlength=size),
        )
        return np.stack(columns, axis=1)


def _as_numbers(start: Ids, end: Ids, kinds: Ids, words: int, types: int) -> Ids:
    """Entities as one number each, whose remainder by the number of types is the type."""
    return (start * (words + 1) + end) * max(types, 1) + kinds


@torch.no_grad()
def model_effects(
    run: Run,
    text: ModelText,
    *,
    units: Sequence[int] | None = None,
    at: str | float = OFF,
    words: Sequence[str] = (),
) -> Effects:
    """Hold units of a language model one at a time; the change of each band's nats a token.

    Args:
        units: None for all of the last hidden layer.
        at: "zero", "mean" (over the training text), or a number.
        words: have these for classes in place of the bands of frequency.

    Raises:
        WordlabError: for a word that is not in the vocabulary.
    """
    model, held = run.network, _Held.of(run, units, at)
    names, class_of = _classes(run.vocabulary, words)
    outgoing = torch.from_numpy(outgoing_weights(model)[:, list(held.units)]).float()
    totals = np.zeros((1 + len(held.units), len(names) + 1))
    counts = np.zeros(len(names) + 1, dtype=np.int64)
    for features, targets in _read(model, text):
        classes = class_of[targets.numpy()]
        counts += np.bincount(classes, minlength=len(names) + 1)
        for row, nats in enumerate(_nats(model.output, features, targets, outgoing, held)):
            totals[row] += np.bincount(classes, nats, minlength=len(names) + 1)
    kept = np.flatnonzero(counts[:-1])
    sums = np.concatenate([totals[:, kept], totals.sum(axis=1, keepdims=True)], axis=1)
    sizes = np.concatenate([counts[kept], counts.sum(keepdims=True)])
    means = sums / np.maximum(sizes, 1)
    return Effects(
        NATS,
        text.name,
        held.name,
        (*(names[at] for at in kept), ALL),
        sizes,
        means[0],
        held.units,
        means[1:] - means[0],
    )


def _classes(vocabulary: Vocabulary, words: Sequence[str]) -> tuple[list[str], Ids]:
    """Names of classes of targets, and the class of each id; one past the last is none. [V]"""
    if not words:
        return band_names(), bands_of(vocabulary)
    class_of = np.full(len(vocabulary), len(words), dtype=np.int64)
    for at, word in enumerate(words):
        class_of[vocabulary.id_of(word)] = at
    return list(words), class_of


def _read(model: LanguageModel, text: ModelText) -> Iterator[tuple[Tensor, Tensor]]:
    """The features of each target, and the targets, a batch at a time."""
    for _, part in text.store.parts():
        state: State = None
        for batch in model.reading.batches(part, TARGETS_AT_ONCE):
            encoded = model.encoder(batch, state if state and batch.continues else ())
            state = encoded.state
            yield encoded.features, batch.targets


def _nats(
    output: OutputLayer, features: Tensor, targets: Tensor, outgoing: Tensor, held: _Held
) -> NDArray[np.float64]:
    """-ln p of each target with all units on, then with each in turn held. [1 + U, N]

    A unit that moves by d moves the logits by d times its outgoing weights. [V, U]
    """
    if not isinstance(output, SoftmaxOutput):  # whose scores are no logits of one softmax
        return _nats_anew(output, features, targets, held)
    found = np.empty((1 + len(held.units), len(features)))
    moves = torch.from_numpy(held.values).float() - features[:, list(held.units)]
    columns = outgoing.T.contiguous()
    for first in range(0, len(features), ROWS_AT_ONCE):
        here = slice(first, first + ROWS_AT_ONCE)
        logits = output.log_probs(features[here])
        target = targets[here, None]
        of_target = logits.gather(1, target)[:, 0].double()
        found[0, here] = -of_target.numpy()
        moved = torch.empty_like(logits)
        for row, column in enumerate(columns):
            move = moves[here, row]
            torch.addr(logits, move, column, out=moved)
            on_target = moved.gather(1, target)[:, 0]
            total = moved.exp_().sum(dim=1).log()
            found[1 + row, here] = (total - on_target).double().numpy()
    return found


def _nats_anew(
    output: OutputLayer, features: Tensor, targets: Tensor, held: _Held
) -> NDArray[np.float64]:
    """The same of any output layer: all probabilities are worked out for each unit. [1 + U, N]"""
    rows = [features]
    for unit, value in zip(held.units, held.values, strict=True):
        moved = features.clone()
        moved[:, unit] = float(value)
        rows.append(moved)
    found = np.empty((len(rows), len(features)))
    for row, given in zip(found, rows, strict=True):
        for first in range(0, len(features), ROWS_AT_ONCE):
            here = slice(first, first + ROWS_AT_ONCE)
            log_probs = output.log_probs(given[here])
            row[here] = -log_probs.gather(1, targets[here, None])[:, 0].double().numpy()
    return found
