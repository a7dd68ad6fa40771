"""The words whose vectors lie nearest to a word's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.table import Table

Metric = Literal["cosine", "euclidean"]

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


@dataclass(frozen=True)
class Neighbour:
    """A word near another.

    Attributes:
        value: cosine of the angle (1 is the same direction) or distance (0 is the same place).
    """

    word: str
    metric: Metric
    rank: int
    neighbour: str
    value: float


def nearest(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    words: Sequence[str],
    *,
    count: int = 4,
    among: int = 1000,
    metric: Metric = "cosine",
) -> list[Neighbour]:
    """List the `count` nearest of the `among` most frequent words to each word.

    Args:
        vectors: one row a word of the vocabulary, [V, E].

    Raises:
        WordlabError: where a word is not in the vocabulary.
    """
    candidates = np.array(vocabulary.frequent_words(among), dtype=np.int64)
    table = vectors.astype(np.float64)
    found = []
    for word in words:
        index = vocabulary.id_of(word)
        others = candidates[candidates != index]
        near = nearness(table[others], table[index][None], metric)[0]
        order = np.argsort(-near, kind="stable")[:count]
        values = near if metric == "cosine" else -near
        found += [
            Neighbour(word, metric, rank, vocabulary.words[others[place]], float(values[place]))
            for rank, place in enumerate(order, start=1)
        ]
    return found


def nearness(
    rows: NDArray[np.float64], vectors: NDArray[np.float64], metric: Metric
) -> NDArray[np.float64]:
    """How near rows (columns of the result) are to vectors: cosines, or distances below 0.

    A vector of zeros has no angle: its cosines are 0. [M, E], [N, E] -> [N, M]
    """
    if metric == "euclidean":
        from scipy.spatial.distance import cdist

        distances: NDArray[np.float64] = -cdist(vectors, rows)
        return distances
    products = vectors @ rows.T
    lengths = np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(rows, axis=1)
    cosines: NDArray[np.float64] = np.zeros_like(products)
    np.divide(products, lengths, out=cosines, where=lengths > 0)
    return cosines


def neighbours_table(found: Sequence[Neighbour], among: int) -> Table:
    """One row a word and metric, its neighbours side by side."""
    rows: dict[tuple[str, Metric], list[str]] = {}
    for item in found:
        rows.setdefault((item.word, item.metric), []).append(f"{item.neighbour} {item.value:.2f}")
    most = max((len(cells) for cells in rows.values()), default=0)
    return Table.of(
        "Nearest words",
        ("word", "metric", *(str(rank) for rank in range(1, most + 1))),
        [(*key, *cells, *[None] * (most - len(cells))) for key, cells in rows.items()],
        note=f"Among the {among:,} most frequent words of the training text, by input embeddings.",
    )
