"""How sure a figure is: the bootstrap over sentences."""

import numpy as np
from numpy.typing import NDArray

from wordlab.evaluation.cross_entropy import perplexity


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
    level: float = 0.95,
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
