"""Sequences packed by time: the geometry that readings and recurrent layers share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Packing:
    """Where the tokens of some sequences lie when they are packed by time, longest first.

    Attributes:
        lengths: of the sequences, falling. [S]
        steps: sequences that have a token at each time. [T]
        sequence: of each packed token, the number of its sequence. [M]
        time: of each packed token, its place in its sequence. [M]

    >>> packing = Packing.of(np.array([3, 1]))
    >>> packing.steps.tolist(), packing.sequence.tolist(), packing.time.tolist()
    ([2, 1, 1], [0, 1, 0, 0], [0, 0, 1, 2])
    """

    lengths: Indices
    steps: Indices
    sequence: Indices
    time: Indices

    @classmethod
    def of(cls, lengths: Indices) -> "Packing":
        """Pack sequences of these lengths, each at least 1 and none longer than the one before."""
        longest = int(lengths[0])
        # How many are longer than t is where t would stand in the rising list, from its end.
        steps = len(lengths) - np.searchsorted(lengths[::-1], np.arange(longest), side="right")
        time = np.repeat(np.arange(longest), steps)
        firsts = np.cumsum(steps) - steps
        sequence = np.arange(len(time)) - firsts[time]
        return cls(lengths, steps, sequence, time)

    @classmethod
    def from_steps(cls, steps: Sequence[int]) -> "Packing":
        """The packing whose `steps` these are.

        >>> Packing.from_steps((2, 1, 1)).lengths.tolist()
        [3, 1]
        """
        falling = -np.asarray(steps, dtype=np.int64)
        return cls.of(np.searchsorted(falling, -np.arange(steps[0]), side="left"))

    @property
    def firsts(self) -> Indices:
        """The packed place where each time begins. [T]"""
        return np.cumsum(self.steps) - self.steps

    @property
    def in_turn(self) -> Indices:
        """The packed places of all tokens, sequence after sequence. [M]

        >>> Packing.of(np.array([3, 1])).in_turn.tolist()
        [0, 2, 3, 1]
        """
        begins = np.cumsum(self.lengths) - self.lengths
        sequence = np.repeat(np.arange(len(self.lengths)), self.lengths)
        time = np.arange(len(self.time)) - begins[sequence]
        return self.firsts[time] + sequence

    def share(self, rank: int, ranks: int) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
        """Deal the sequences out in turn: whether each token is this rank's, and its own steps.

        >>> own, steps = Packing.of(np.array([3, 2, 1])).share(0, 2)
        >>> own.tolist(), steps
        ([True, False, True, True, False, True], (2, 1, 1))
        """
        steps = (self.steps - rank + ranks - 1) // ranks
        return self.sequence % ranks == rank, tuple(steps[steps > 0].tolist())

    @property
    def lasts(self) -> Indices:
        """The packed place of each sequence's last token. [S]"""
        return self.firsts[self.lengths - 1] + np.arange(len(self.lengths))
