"""Frequency bands: how a figure depends on how common the target is in training."""

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import Score, TokenScores

EDGES = (10, 100, 1000, 10000)


def band_names() -> list[str]:
    """The bands: markers apart, words by their rank in the training text."""
    names, first = ["end marker", "unknown word"], 1
    for edge in EDGES:
        names.append(f"words {first:,}-{edge:,}")
        first = edge + 1
    return [*names, f"words from {first:,}"]


def bands_of(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """The band of each id. int64 [V]."""
    ranks = np.empty(len(vocabulary), dtype=np.int64)
    words = vocabulary.frequent_words(len(vocabulary))
    ranks[words] = np.arange(1, len(words) + 1)
    bands = 2 + np.searchsorted(EDGES, ranks, side="left")
    bands[[vocabulary.end, vocabulary.start]] = 0
    bands[vocabulary.unknown] = 1
    return bands


def score_bands(scores: TokenScores, vocabulary: Vocabulary) -> list[tuple[str, Score]]:
    """Add up the targets of each band that has any."""
    bands = bands_of(vocabulary)[scores.targets]
    return [
        (name, scores.score(bands == number))
        for number, name in enumerate(band_names())
        if (bands == number).any()
    ]
