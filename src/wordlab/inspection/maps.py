"""Maps: word vectors laid out in the plane."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wordlab.chart import Axis, Chart
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.registry import Registry
from wordlab.table import Column, Table

Projection = Callable[[NDArray[np.float64], int], NDArray[np.float64]]
"""(vectors [N, E], seed) -> places [N, 2]."""

PROJECTIONS: Registry[Projection] = Registry("map method")


@PROJECTIONS.register("pca")
def principal_components(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The two directions in which the vectors differ most."""
    from sklearn.decomposition import PCA

    places: NDArray[np.float64] = PCA(n_components=2, svd_solver="full").fit_transform(vectors)
    return places


@PROJECTIONS.register("tsne")
def neighbourhoods(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """t-SNE (van der Maaten and Hinton 2008), begun from the principal components."""
    from sklearn.manifold import TSNE

    around = min(30.0, max(1.0, (len(vectors) - 1) / 3))
    places: NDArray[np.float64] = TSNE(
        perplexity=around, init="pca", random_state=seed
    ).fit_transform(vectors)
    return places.astype(np.float64)


@PROJECTIONS.register("as-is")
def as_trained(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Vectors of two dimensions, just as they were trained."""
    if vectors.shape[1] != 2:
        raise WordlabError(
            f"the vectors have {vectors.shape[1]} dimensions, not 2",
            where="--method as-is",
            mend="choose pca or tsne, or train with model.embedding=2",
        )
    return vectors


def word_map(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    *,
    words: int = 500,
    method: str = "",
    seed: int = 1,
) -> Chart:
    """Lay out the most frequent words.

    Args:
        vectors: one row a word of the vocabulary, [V, E].
        words: how many, markers left out.
        method: "pca", "tsne" or "as-is"; empty for as-is in two dimensions, else pca.
    """
    ids = vocabulary.frequent_words(words)
    if len(ids) < 3:
        raise WordlabError("a map needs at least 3 words", where="--words")
    if vectors.shape[1] < 2:
        raise WordlabError("a map needs vectors of at least 2 dimensions", where="model.embedding")
    method = method or ("as-is" if vectors.shape[1] == 2 else "pca")
    places = PROJECTIONS[method](vectors[ids].astype(np.float64), seed)
    data = Table.of(
        f"Word map ({method})",
        ("word", Column("x", 3), Column("y", 3), "rank", "count"),
        [
            (vocabulary.words[index], float(x), float(y), rank, int(vocabulary.counts[index]))
            for rank, (index, (x, y)) in enumerate(zip(ids, places, strict=True), start=1)
        ],
    )
    return Chart(
        title=f"The {len(ids)} most frequent words ({method})",
        mark="word",
        data=data,
        x=Axis("x", "first direction"),
        y=Axis("y", "second direction"),
        label="word",
        description=f"Map of the embeddings of the {len(ids)} most frequent words, by {method}.",
        width=760,
        height=620,
        tooltip=("word", "rank", "count"),
    )
