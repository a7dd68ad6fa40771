"""How sure an F1 is, and whether two taggers differ: drawing and swapping sentences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordlab.evaluation.intervals import LEVEL, percentile_interval
from wordlab.evaluation.tagging.tallies import Counts, f1_of

DRAWS = 1000
SWAPS = 9999
_AT_ONCE = 256


def bootstrap_f1(
    counts: Counts, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 1
) -> list[tuple[float, float]]:
    """Percentile intervals of F1 when sentences are drawn anew with replacement. [S, K, 3]

    All K figures see the same draws (Efron and Tibshirani 1993, ch. 13).
    """
    size = len(counts)
    if not size:
        return [(float("nan"), float("nan"))] * counts.shape[1]
    draw = np.random.default_rng(seed)
    flat = counts.reshape(size, -1).astype(np.float64)
    drawn = []
    for begin in range(0, draws, _AT_ONCE):
        rows = min(_AT_ONCE, draws - begin)
        times = draw.multinomial(size, np.full(size, 1 / size), size=rows)
        drawn.append(f1_of((times @ flat).reshape(rows, *counts.shape[1:])))
    values = np.concatenate(drawn)
    return [percentile_interval(values[:, at], level) for at in range(values.shape[1])]


@dataclass(frozen=True)
class Comparison:
    """Two taggers on the same sentences.

    Attributes:
        first, second: their F1.
        interval: of first less second, paired bootstrap over sentences.
        p_value: two-sided, approximate randomisation.
    """

    first: float
    second: float
    interval: tuple[float, float]
    p_value: float

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second


def compare_f1(
    first: Counts,
    second: Counts,
    *,
    swaps: int = SWAPS,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 1,
) -> Comparison:
    """Compare the F1 of two taggers by what each did in each sentence. [S, 3] each

    If they were alike, who did what in a sentence would be chance: in each trial the two are
    swapped in every other sentence at random. p = (1 + trials that differ at least as much) /
    (1 + trials) (Noreen 1989; Yeh 2000).
    """
    draw = np.random.default_rng(seed)
    a, b = first.astype(np.float64), second.astype(np.float64)
    observed = _difference(a.sum(axis=0), b.sum(axis=0))
    far = 0
    for begin in range(0, swaps, _AT_ONCE):
        swap = draw.integers(0, 2, size=(min(_AT_ONCE, swaps - begin), len(a))).astype(np.float64)
        moved = swap @ (b - a)
        found = _difference(a.sum(axis=0) + moved, b.sum(axis=0) - moved)
        far += int((np.abs(found) >= abs(float(observed)) - 1e-12).sum())
    drawn = []
    for begin in range(0, draws, _AT_ONCE):
        rows = min(_AT_ONCE, draws - begin)
        times = draw.multinomial(len(a), np.full(len(a), 1 / len(a)), size=rows)
        drawn.append(_difference(times @ a, times @ b))
    interval = percentile_interval(np.concatenate(drawn), level)
    f1 = f1_of(np.stack([a.sum(axis=0), b.sum(axis=0)]))
    return Comparison(float(f1[0]), float(f1[1]), interval, (1 + far) / (1 + swaps))


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = f1_of(a) - f1_of(b)
    return difference
