"""Words that go with a class in the data, by log-odds with an informative prior.

A word's frequency near words of a class is held against that near the others, both smoothed by its
frequency in all, and the difference of log-odds is divided by its standard deviation, so that rare
words do not win by chance (Monroe, Colaresi and Quinn 2008, "Fightin' Words", sec. 3.5.1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordlab.inspection.units.layers import Floats

Ids = NDArray[np.int64]

PRIOR = 0.1
"""The prior weighs as much as this share of the words that are counted."""


@dataclass(frozen=True)
class ClassCounts:
    """How often each word stands at a position from a place of each class.

    Attributes:
        every: at places of any class, or none. [W]
        of_class: at places of each. [K, W]
    """

    every: Ids
    of_class: Ids

    @classmethod
    def of(cls, rows: Ids, labels: Ids, *, words: int, classes: int) -> "ClassCounts":
        """Count places.

        Args:
            rows: the word at each place, -1 for none. [N]
            labels: the class of each place; from `classes` on, none. [N]
        """
        there = rows >= 0
        table = np.zeros((classes, words), dtype=np.int64)
        inside = there & (labels < classes)
        np.add.at(table, (labels[inside], rows[inside]), 1)
        return cls(np.bincount(rows[there], minlength=words), table)

    def share(self, number: int) -> Floats:
        """Of the places with each word, the share that is of a class; 0 where there is none. [W]"""
        share: Floats = self.of_class[number] / np.maximum(self.every, 1)
        return share

    def z(self, number: int) -> Floats:
        """Log-odds of each word with a class less those without, over the deviation of that. [W]"""
        own = self.of_class[number].astype(np.float64)
        rest = self.every - own
        prior = PRIOR * np.maximum(self.every, 1e-9)
        odds = _log_odds(own + prior) - _log_odds(rest + prior)
        z: Floats = odds / np.sqrt(1 / (own + prior) + 1 / (rest + prior))
        return np.where(self.every > 0, z, 0.0)


def _log_odds(counts: Floats) -> Floats:
    odds: Floats = np.log(counts) - np.log(counts.sum() - counts)
    return odds


def neighbours(rows: Ids, sentences: Ids, position: int) -> Ids:
    """The word at a position from each place, -1 where its sentence has none. [N]

    Args:
        rows: the word at each place. [N]
        sentences: number of the sentence of each place. [N]

    >>> neighbours(np.array([5, 6, 7]), np.array([0, 0, 1]), -1).tolist()
    [-1, 5, -1]
    """
    places = np.arange(len(rows)) + position
    inside = (places >= 0) & (places < len(rows))
    places = np.where(inside, places, 0)
    inside &= sentences[places] == sentences
    return np.where(inside, rows[places], -1)
