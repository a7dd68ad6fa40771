"""Word vectors from the words that stand near: where embeddings may begin."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.store import TokenStore

if TYPE_CHECKING:
    from scipy import sparse

REACH = 5
"""Words so far apart still count, one at distance d as 1 / d."""
CONTEXT_POWER = 0.75
"""Contexts are taken for more even than they are, as word2vec draws them."""
POWER_ITERATIONS = 3


def cooccurrence_vectors(
    store: TokenStore, types: int, dimensions: int, *, seed: int
) -> NDArray[np.float32]:
    """Return a vector for each word of the vocabulary, of root mean square 1 over all. [V, E]

    They are U sqrt(S) of the singular value decomposition U S V' of the positive pointwise mutual
    information max(0, ln(p(w, c) / (p(w) p(c)))) of words w and c up to REACH apart, end markers
    among them (Levy and Goldberg 2014). Words that the text lacks, and dimensions beyond those
    of the matrix, are 0.

    Args:
        types: V; dimensions: E.
    """
    counts = _counts(store, types)
    information = _positive_information(counts)
    rank = min(dimensions, types - 1)
    vectors = np.zeros((types, dimensions), dtype=np.float32)
    if information.nnz == 0 or rank < 1:
        return vectors
    from sklearn.utils.extmath import randomized_svd  # slow to load

    left, singular, _ = randomized_svd(
        information, rank, n_iter=POWER_ITERATIONS, random_state=seed % 2**32
    )
    vectors[:, :rank] = left * np.sqrt(singular)
    vectors[np.diff(information.indptr) == 0] = 0  # exactly: rounding leaves crumbs
    size = float(np.sqrt(np.mean(np.square(vectors))))
    return vectors / size if size else vectors


def _counts(store: TokenStore, types: int) -> "sparse.csr_matrix":
    """How often words stand near each other, weighted by nearness, in either order. [V, V]"""
    from scipy import sparse  # slow to load

    total = sparse.csr_matrix((types, types), dtype=np.float32)
    for _, ids in store.chunks():
        here = ids.astype(np.int64)
        for distance in range(1, min(REACH, len(here) - 1) + 1):
            weights = np.full(len(here) - distance, 1 / distance, dtype=np.float32)
            pairs = here[:-distance], here[distance:]
            total = total + sparse.csr_matrix((weights, pairs), shape=(types, types))
    return (total + total.T).tocsr()


def _positive_information(counts: "sparse.csr_matrix") -> "sparse.csr_matrix":
    """The positive pointwise mutual information of each pair that occurs. [V, V]"""
    from scipy import sparse

    entries = counts.tocoo()
    words = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    contexts = words**CONTEXT_POWER
    share = contexts / max(float(contexts.sum()), 1e-300)
    information = np.log(entries.data / (words[entries.row] * share[entries.col]))
    kept = information > 0
    places = entries.row[kept], entries.col[kept]
    return sparse.csr_matrix((information[kept], places), shape=counts.shape)
