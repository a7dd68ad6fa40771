"""How sure a figure is: the bootstrap over sentences."""

import numpy as np
from numpy.typing import NDArray

from wordlab.evaluation.cross_entropy import perplexity

LEVEL = 0.95
"""Of the intervals that are printed."""


def sentence_totals(
    values: NDArray[np.float64], sentences: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum the values of each sentence that has one, and count them."""
    _, numbers = np.unique(sentences, return_inverse=True)
    totals = np.bincount(numbers, weights=values).astype(np.float64)
    return totals, np.bincount(numbers).astype(np.int64)


def bootstrap_perplexity(
    nats: NDArray[np.float64],
    sentences: NDArray[np.int64],
    *,
    resamples: int = 1000,
    level: float = LEVEL,
    seed: int = 1,
) -> tuple[float, float]:
    """Percentile interval of the perplexity when sentences are drawn anew with replacement.

    Tokens of one sentence stand or fall together, so the sentence is the unit that is drawn
    (Efron and Tibshirani 1993, ch. 13).

    Args:
        nats: surprisal of each target.
        sentences: the sentence that each target stands in.
    """
    totals, counts = sentence_totals(nats, sentences)
    if not len(totals):
        return float("nan"), float("nan")
    draw = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):
        drawn = draw.integers(len(totals), size=len(totals))
        means[index] = totals[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return perplexity(float(low)), perplexity(float(high))


def drawn_means(
    totals: NDArray[np.float64], counts: NDArray[np.float64], *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Means a target when sentences are drawn anew with replacement. [resamples, K]

    All K figures see the same draws, so what is drawn for two models is paired.

    Args:
        totals: of each of S sentences, for each of K figures. [S, K]
        counts: the targets that each total is of. [S, K]

    A figure whose targets a draw misses altogether is NaN in that draw.
    """
    size, figures = totals.shape
    sums = np.concatenate([totals, counts], axis=1)
    draw = np.random.default_rng(seed)
    drawn = np.empty((resamples, 2 * figures))
    for index in range(resamples):
        times = np.bincount(draw.integers(size, size=size), minlength=size)
        drawn[index] = times.astype(np.float64) @ sums
    with np.errstate(invalid="ignore"):
        return np.divide(drawn[:, :figures], drawn[:, figures:])


def percentile_interval(drawn: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The middle of what was drawn; draws without a value are passed over. [resamples]"""
    values = drawn[~np.isnan(drawn)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(drawn: NDArray[np.float64], observed: float) -> float:
    """How often chance alone draws a figure as far from 0 as the observed one.

    The draws scatter about the observed value; moved to scatter about 0, as they would if there
    were no difference, they are `drawn - observed`. p = (1 + draws with |drawn - observed| >=
    |observed|) / (1 + draws): two-sided, never 0, and 1 where there is no difference at all
    (Efron and Tibshirani 1993, ch. 16; Noreen 1989 for the ones).
    """
    far = int((np.abs(drawn - observed) >= abs(observed)).sum())
    return (1 + far) / (1 + len(drawn))
