"""The evaluation of a tagger on a labelled text: every figure with what it takes to read it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.splitting import Leaks, leaks
from wordlab.evaluation.tagging.calibration import Calibration
from wordlab.evaluation.tagging.errors import (
    FAMILIARITIES,
    EntityError,
    confusion_table,
    entity_errors,
    familiarity,
    kinds_table,
    names_in,
)
from wordlab.evaluation.tagging.significance import bootstrap_f1
from wordlab.evaluation.tagging.tallies import (
    Counts,
    Means,
    Tally,
    entity_counts,
    label_counts,
    macro,
    micro,
    tally,
    weighted,
    word_labels,
)
from wordlab.table import Column, Table, Value

_SCORES = (
    Column("precision", 2, percent=True),
    Column("recall", 2, percent=True),
    Column("F1", 2, percent=True),
)


@dataclass(frozen=True)
class TaggingEvaluation:
    """What a tagger finds in a labelled text.

    Attributes:
        text: name of the text.
        types: of entities, in the order of the counts.
        entities: right, predicted and true entities by sentence and type. [S, T, 3]
        labels: right, predicted and true words by type, and those outside last. [T + 1, 3]
        words: of the text.
        interval: 95 % interval of the F1, bootstrap over sentences.
        type_intervals: that of each type.
        recall_by_name: how many entities there are, and how many are found, by whether training
            has the name.
        errors: each wrong entity.
        leaks: what the text shares with the training text; None where that is not at hand.
        unleaked: the F1 without sentences of the training text.
        calibration: of the probabilities, where they are known.
    """

    text: str
    types: tuple[str, ...]
    entities: Counts
    labels: Counts
    words: int
    interval: tuple[float, float]
    type_intervals: tuple[tuple[float, float], ...]
    recall_by_name: Mapping[str, Tally]
    errors: tuple[EntityError, ...]
    confusion: Table
    leaks: Leaks | None
    unleaked: float | None
    calibration: Calibration | None

    @property
    def total(self) -> Tally:
        """All entities."""
        return tally(self.entities.sum(axis=(0, 1)))

    @property
    def by_type(self) -> Counts:
        """Counts of each type. [T, 3]"""
        counts: Counts = self.entities.sum(axis=0)
        return counts

    @property
    def token_weighted(self) -> Means:
        """Over the types of words, each weighted by its true words; `OUTSIDE` is left out."""
        return weighted(self.labels[:-1])

    @property
    def accuracy(self) -> float:
        """Share of the words whose type, or none, is right."""
        return float(self.labels[:, 0].sum() / max(self.words, 1))

    @property
    def note(self) -> str:
        """The protocol."""
        return (
            "An entity is right if its words and its type are (strict, as conlleval counts). "
            f"{len(self.entities):,} sentences, {self.words:,} words of {self.text}. Intervals: "
            "95 %, bootstrap over sentences."
        )

    def tables(self) -> list[Table]:
        """All figures."""
        tables = [self.entity_table(), self.token_table(), self.name_table(), self.confusion]
        true, predicted = self.total.true, self.total.predicted
        tables.append(kinds_table(self.errors, true, predicted))
        if self.leaks is not None:
            tables.append(self.leaks.table(self.text))
        return tables

    def entity_table(self) -> Table:
        """Entities: each type, and all together."""
        rows = [
            _row(kind, tally(counts), low, high)
            for kind, counts, (low, high) in zip(
                self.types, self.by_type, self.type_intervals, strict=True
            )
        ]
        rows.append(_row("all (micro)", self.total, *self.interval))
        mean = macro(self.by_type)
        nothing = (None,) * 5
        rows.append(("mean of the types (macro)", mean.precision, mean.recall, mean.f1, *nothing))
        if self.unleaked is not None:
            note = ("all, without sentences of training", None, None, self.unleaked, *nothing)
            rows.append(note)
        columns = (
            "entities",
            *_SCORES,
            Column("from", 2, percent=True),
            Column("to", 2, percent=True),
            "right",
            "predicted",
            "true",
        )
        return Table.of("Entities", columns, rows, note=self.note)

    def token_table(self) -> Table:
        """Words: each type, and the means."""
        rows: list[tuple[Value, ...]] = [
            (label, *_scores(tally(counts)), int(counts[2]))
            for label, counts in zip((*self.types, OUTSIDE), self.labels, strict=True)
        ]
        for name, mean in (
            ("mean, weighted by true words", self.token_weighted),
            ("mean of the types (macro)", macro(self.labels[:-1])),
            ("all (micro)", micro(self.labels[:-1])),
        ):
            rows.append((name, mean.precision, mean.recall, mean.f1, None))
        return Table.of(
            "Words",
            ("words", *_SCORES, "true"),
            rows,
            note=f"Word by word, not comparable with entities; means without {OUTSIDE}. Right: "
            f"{100 * self.accuracy:.2f} % of all words.",
        )

    def name_table(self) -> Table:
        """Recall by whether training has the name."""
        return Table.of(
            "Recall by name",
            ("the name is, in training,", Column("recall", 2, percent=True), "found", "true"),
            [(k, t.recall, t.right, t.true) for k, t in self.recall_by_name.items()],
            note="seen: with this type only; ambiguous: with others too; unseen: no entity there.",
        )

    def error_table(self, sentences: Sequence[LabelledSentence], most: int = 50) -> Table:
        """Errors in their sentences, grouped by kind and types, the most confident first."""

        def group(error: EntityError) -> tuple[str, str, str]:
            left = error.gold.type if error.gold else ""
            return error.kind, left, error.predicted.type if error.predicted else ""

        sizes = Counter(map(group, self.errors))
        ordered = sorted(
            self.errors, key=lambda e: (-sizes[group(e)], group(e), -(e.probability or 0.0))
        )
        rows = [
            (
                error.kind,
                _shown(sentences[error.sentence], error.gold),
                _shown(sentences[error.sentence], error.predicted),
                error.probability,
                sentences[error.sentence].line,
                _in_context(sentences[error.sentence], error),
            )
            for error in ordered[:most]
        ]
        columns = ("kind", "true", "predicted", Column("probability", 3), "line", "sentence")
        more = len(self.errors) - len(rows)
        return Table.of(
            "Errors", columns, rows, note=f"{more:,} more are left out." if more > 0 else ""
        )

    def as_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        low, high = self.interval
        means = {
            "token_f1_weighted": self.token_weighted.f1,
            "token_precision_weighted": self.token_weighted.precision,
            "token_recall_weighted": self.token_weighted.recall,
        }
        return {
            "text": self.text,
            "sentences": len(self.entities),
            "words": self.words,
            "entity_f1": self.total.f1,
            "entity_f1_low": low,
            "entity_f1_high": high,
            "entity_precision": self.total.precision,
            "entity_recall": self.total.recall,
            "entity_f1_macro": macro(self.by_type).f1,
            "entity_f1_without_leaks": self.unleaked,
            "accuracy": self.accuracy,
            **means,
            "types": {
                kind: {**_named(tally(counts)), "f1_low": low, "f1_high": high}
                for kind, counts, (low, high) in zip(
                    self.types, self.by_type, self.type_intervals, strict=True
                )
            },
            "labels": {
                label: _named(tally(counts))
                for label, counts in zip((*self.types, OUTSIDE), self.labels, strict=True)
            },
            "recall_by_name": {k: _named(t) for k, t in self.recall_by_name.items()},
        }


def _scores(of: Tally) -> tuple[float, float, float]:
    return of.precision, of.recall, of.f1


def _row(name: str, of: Tally, low: float, high: float) -> tuple[Value, ...]:
    return (name, *_scores(of), low, high, of.right, of.predicted, of.true)


def _named(of: Tally) -> dict[str, float | int]:
    p, r, f = _scores(of)
    return {"precision": p, "recall": r, "f1": f, **of._asdict()}


def _shown(sentence: LabelledSentence, span: Span | None) -> str:
    return f"{sentence.text_of(span)} ({span.type})" if span else ""


def _in_context(sentence: LabelledSentence, error: EntityError, reach: int = 6) -> str:
    """The words around an error, the entity in brackets."""
    span = error.gold or error.predicted
    if span is None:
        return ""
    words = sentence.words
    left = " ".join(words[max(0, span.start - reach) : span.start])
    right = " ".join(words[span.end : span.end + reach])
    return f"{left} [{sentence.text_of(span)}] {right}".strip()


def evaluate_tagging(
    gold: Sequence[LabelledSentence],
    predicted: Sequence[Sequence[Span]],
    *,
    text: str,
    types: Sequence[str],
    probabilities: Sequence[Sequence[float]] | None = None,
    train: Sequence[LabelledSentence] | None = None,
) -> TaggingEvaluation:
    """Hold what was predicted against what is true.

    Args:
        types: those that the tagger knows; others of the text are added.
        probabilities: of the predicted entities.
        train: the training text, for names and leaks.
    """
    own = {span.type for sentence in gold for span in sentence.spans}
    every = (*types, *sorted(own - set(types)))
    true = [sentence.spans for sentence in gold]
    counts = entity_counts(true, predicted, every)
    whole = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    *of_types, of_all = bootstrap_f1(whole)
    labels = [
        [label for s, spans in zip(gold, rows, strict=True) for label in _labels(s, spans)]
        for rows in (true, predicted)
    ]
    errors = entity_errors(true, predicted, probabilities)
    shared = None if train is None else leaks(train, gold)
    unleaked = None
    if shared is not None and shared.known:
        kept = np.setdiff1d(np.arange(len(gold)), shared.known)
        unleaked = micro(counts[kept].sum(axis=(0, 1))[None]).f1
    return TaggingEvaluation(
        text=text,
        types=every,
        entities=counts,
        labels=label_counts(labels[0], labels[1], (*every, OUTSIDE)),
        words=len(labels[0]),
        interval=of_all,
        type_intervals=tuple(of_types),
        recall_by_name=_recall_by_name(gold, predicted, train),
        errors=tuple(errors),
        confusion=confusion_table(true, errors, every),
        leaks=shared,
        unleaked=unleaked,
        calibration=Calibration.of(true, predicted, probabilities)
        if probabilities is not None
        else None,
    )


def _labels(sentence: LabelledSentence, spans: Sequence[Span]) -> list[str]:
    return word_labels(spans, len(sentence.words))


def _recall_by_name(
    gold: Sequence[LabelledSentence],
    predicted: Sequence[Sequence[Span]],
    train: Sequence[LabelledSentence] | None,
) -> dict[str, Tally]:
    if train is None:
        return {}
    known = names_in(train)
    right, true = Counter[str](), Counter[str]()
    for sentence, found in zip(gold, predicted, strict=True):
        for span in sentence.spans:
            kind = familiarity(sentence.text_of(span), span.type, known)
            true[kind] += 1
            right[kind] += span in found
    return {kind: Tally(right[kind], 0, true[kind]) for kind in FAMILIARITIES}
