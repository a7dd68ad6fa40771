"""Precision, recall and F1 from counts that add: of entities, and of single words' labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.labelled.spans import Span

Counts = NDArray[np.int64]
"""Right, predicted and true ones, in the last dimension."""

RIGHT, PREDICTED, TRUE = 0, 1, 2


class Tally(NamedTuple):
    """Right, predicted and true ones; precision, recall and F1 are 0 where they are undefined."""

    right: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """Share of what was predicted that is right."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of what is true that was predicted."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, 2 right / (predicted + true)."""
        both = self.predicted + self.true
        return 2 * self.right / both if both else 0.0


def tally(counts: Counts) -> Tally:
    """Counts of one kind as a tally. [3]"""
    return Tally(*(int(count) for count in counts))


def f1_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of many counts; 0 where nothing is predicted and nothing true. [..., 3] -> [...]"""
    both = counts[..., PREDICTED] + counts[..., TRUE]
    return np.where(both > 0, 2 * counts[..., RIGHT] / np.maximum(both, 1), 0.0)


def entity_counts(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], types: Sequence[str]
) -> Counts:
    """Count entities by sentence and type. -> [S, T, 3]

    A predicted entity is right if a true one has the same first word, last word and type.
    """
    number = {kind: at for at, kind in enumerate(types)}
    counts = np.zeros((len(gold), len(types), 3), dtype=np.int64)
    for row, true, found in zip(counts, gold, predicted, strict=True):
        for span in true:
            row[number[span.type], TRUE] += 1
        for span in found:
            row[number[span.type], PREDICTED] += 1
        for span in set(true) & set(found):
            row[number[span.type], RIGHT] += 1
    return counts


def word_labels(spans: Sequence[Span], length: int) -> list[str]:
    """The type of each word's entity, `OUTSIDE` for those in none."""
    labels = [OUTSIDE] * length
    for start, end, kind in spans:
        labels[start:end] = [kind] * (end - start)
    return labels


def label_counts(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Counts:
    """Count words by label. -> [L, 3]"""
    number = {label: at for at, label in enumerate(labels)}
    true = np.array([number[label] for label in gold], dtype=np.int64)
    found = np.array([number[label] for label in predicted], dtype=np.int64)
    size = len(labels)
    counts = np.empty((size, 3), dtype=np.int64)
    counts[:, RIGHT] = np.bincount(true[true == found], minlength=size)
    counts[:, PREDICTED] = np.bincount(found, minlength=size)
    counts[:, TRUE] = np.bincount(true, minlength=size)
    return counts


@dataclass(frozen=True)
class Means:
    """Precision, recall and F1 over several labels."""

    precision: float
    recall: float
    f1: float


def micro(counts: Counts) -> Means:
    """Of all labels together, each word or entity counting alike. [L, 3]"""
    total = tally(counts.sum(axis=0))
    return Means(total.precision, total.recall, total.f1)


def macro(counts: Counts) -> Means:
    """The plain mean over the labels. [L, 3]"""
    return _mean(counts, np.ones(len(counts)))


def weighted(counts: Counts) -> Means:
    """The mean over the labels, each weighted by how often it is true (CS224d's figure). [L, 3]

    The F1 is the mean of the labels' F1, which is not that of the mean precision and recall.
    """
    return _mean(counts, counts[:, TRUE].astype(np.float64))


def _mean(counts: Counts, weights: NDArray[np.float64]) -> Means:
    if not weights.sum():
        return Means(0.0, 0.0, 0.0)
    tallies = [tally(row) for row in counts]
    shares = weights / weights.sum()
    return Means(
        float(sum(s * t.precision for s, t in zip(shares, tallies, strict=True))),
        float(sum(s * t.recall for s, t in zip(shares, tallies, strict=True))),
        float(sum(s * t.f1 for s, t in zip(shares, tallies, strict=True))),
    )
