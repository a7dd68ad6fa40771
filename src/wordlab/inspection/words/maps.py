"""Maps: word vectors laid out in the plane."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wordlab.chart import Axis, Chart
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.inspection.words.alignment import Aligned
from wordlab.registry import Registry
from wordlab.table import Column, Table, Value

Projection = Callable[[NDArray[np.float64], int], NDArray[np.float64]]
"""(vectors [N, E], seed) -> places [N, 2]."""

NO_GROUP = "other"
"""Of words that no group was given for."""

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
    groups: Mapping[str, str] | None = None,
) -> Chart:
    """Lay out the most frequent words.

    Args:
        vectors: one row a word of the vocabulary, [V, E].
        words: how many, markers left out.
        method: "pca", "tsne" or "as-is"; empty for as-is in two dimensions, else pca.
        groups: of words, which are coloured by them; see `wordlab.inspection.words.groups`.
    """
    ids = vocabulary.frequent_words(words)
    method = _chosen(method, vectors.shape[1], len(ids))
    places = PROJECTIONS[method](vectors[ids].astype(np.float64), seed)
    data = Table.of(
        f"Word map ({method})",
        ("word", Column("x", 3), Column("y", 3), "rank", "count", *(["group"] if groups else [])),
        [
            (
                *(vocabulary.words[index], float(x), float(y), rank, int(vocabulary.counts[index])),
                *([groups.get(vocabulary.words[index], NO_GROUP)] if groups else []),
            )
            for rank, (index, (x, y)) in enumerate(zip(ids, places, strict=True), start=1)
        ],
    )
    return _chart(
        f"The {len(ids)} most frequent words ({method})",
        f"Map of the embeddings of the {len(ids)} most frequent words, by {method}.",
        data,
        ("rank", "count"),
        bool(groups),
    )


def aligned_map(
    aligned: Aligned,
    *,
    words: int = 500,
    method: str = "",
    seed: int = 1,
    groups: Mapping[str, str] | None = None,
) -> Chart:
    """Lay out the most frequent shared words of two spaces beside each other, by one projection.

    Args:
        aligned: the two spaces, the second turned onto the first.
    """
    shown = aligned.words[:words]
    first, second = aligned.first[: len(shown)], aligned.second[: len(shown)]
    method = _chosen(method, first.shape[1], len(shown))
    places = PROJECTIONS[method](np.concatenate([first, second]), seed)
    distances = aligned.distances()
    rows: list[tuple[Value, ...]] = [
        (
            *(word, float(x), float(y), name, rank, float(distances[rank - 1])),
            *([groups.get(word, NO_GROUP)] if groups else []),
        )
        for name, part in zip(aligned.names, np.split(places, 2), strict=True)
        for rank, (word, (x, y)) in enumerate(zip(shown, part, strict=True), start=1)
    ]
    data = Table.of(
        f"Word maps of {' and '.join(aligned.names)} ({method})",
        (
            *("word", Column("x", 3), Column("y", 3), "run", "rank", Column("moved by", 3)),
            *(["group"] if groups else []),
        ),
        rows,
    )
    chart = _chart(
        f"{' and '.join(aligned.names)}, the second turned onto the first ({method})",
        f"Maps of the {len(shown)} most frequent shared words in both, side by side, by {method}.",
        data,
        ("rank", "moved by"),
        bool(groups),
    )
    return replace(chart, panel="run", width=560, height=520)


def _chosen(method: str, dimensions: int, words: int) -> str:
    """The method that was asked for, or the one that fits.

    Raises:
        WordlabError: where nothing can be laid out.
    """
    if words < 3:
        raise WordlabError("a map needs at least 3 words", where="--words")
    if dimensions < 2:
        raise WordlabError("a map needs vectors of at least 2 dimensions", where="model.embedding")
    return method or ("as-is" if dimensions == 2 else "pca")


def _chart(
    title: str, description: str, data: Table, about: tuple[str, ...], grouped: bool
) -> Chart:
    return Chart(
        title=title,
        mark="word",
        data=data,
        x=Axis("x", "first direction"),
        y=Axis("y", "second direction"),
        label="word",
        series="group" if grouped else "",
        description=description,
        width=760,
        height=620,
        tooltip=("word", *about, *(["group"] if grouped else [])),
    )
