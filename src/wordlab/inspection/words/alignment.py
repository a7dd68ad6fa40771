"""Two sets of word vectors turned onto each other, and the words that lie elsewhere all the same.

Training fixes vectors only up to a rotation, so two runs can be compared once one of them is
turned: the orthogonal Procrustes problem (Schoenemann 1966) over the words that both have.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordlab.errors import WordlabError
from wordlab.inspection.words.space import WordSpace
from wordlab.table import Column, Table

Floats = NDArray[np.float64]

SHUFFLE_SEED = 1


@dataclass(frozen=True)
class Aligned:
    """Vectors of the words that two spaces share, the most frequent in the first one first.

    Both sets are moved to a mean of 0 and scaled to a mean square length of 1; the narrower has
    zeros behind.

    Attributes:
        names: of the spaces.
        first, second: vectors, the second's turned onto the first's. [N, E]
        explained: share of the first's variance that the turned second's explain.
        by_chance: the same where the second's words are shuffled before they are turned.
    """

    names: tuple[str, str]
    words: tuple[str, ...]
    first: Floats
    second: Floats
    explained: float
    by_chance: float

    def distances(self) -> Floats:
        """How far each word lies from itself, in root mean square lengths of the vectors. [N]"""
        distances: Floats = np.linalg.norm(self.first - self.second, axis=1)
        return distances

    def cosines(self) -> Floats:
        """Of the angle between each word's two vectors; 0 where one of them is zero. [N]"""
        products = (self.first * self.second).sum(axis=1)
        lengths = np.linalg.norm(self.first, axis=1) * np.linalg.norm(self.second, axis=1)
        cosines: Floats = np.zeros_like(products)
        np.divide(products, lengths, out=cosines, where=lengths > 0)
        return cosines


def align(first: WordSpace, second: WordSpace) -> Aligned:
    """Turn the second space onto the first, over all words that both have.

    Raises:
        WordlabError: where they share fewer than 3.
    """
    words = first.shared_with(second)
    if len(words) < 3:
        raise WordlabError(
            f"{first.name} and {second.name} share {len(words)} words, and 3 are needed at least",
            where="--beside",
        )
    width = max(first.vectors.shape[1], second.vectors.shape[1])
    one, other = (_normed(space.rows(words), width) for space in (first, second))
    turned = _turned(other, one)
    shuffled = other[np.random.default_rng(SHUFFLE_SEED).permutation(len(other))]
    second_name = second.name if second.name != first.name else f"{second.name} (2)"
    return Aligned(
        (first.name, second_name),
        tuple(words),
        one,
        turned,
        _explained(one, turned),
        _explained(one, _turned(shuffled, one)),
    )


def _normed(vectors: Floats, width: int) -> Floats:
    """Mean 0, mean square length 1, zeros behind. [N, E]"""
    centred = vectors - vectors.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=1).mean())
    scaled = centred / size if size > 0 else centred
    return np.pad(scaled, ((0, 0), (0, width - vectors.shape[1])))


def _turned(vectors: Floats, onto: Floats) -> Floats:
    """Vectors turned, or mirrored, so that they lie nearest to others."""
    from scipy.linalg import orthogonal_procrustes

    rotation, _ = orthogonal_procrustes(vectors, onto)
    turned: Floats = vectors @ rotation
    return turned


def _explained(one: Floats, other: Floats) -> float:
    """The squared correlation of two sets of equal size, scaled best: (sum of products)^2."""
    together = float((one * other).sum())
    alone = float((one**2).sum() * (other**2).sum())
    return together**2 / alone if alone else 0.0


def alignment_table(aligned: Aligned) -> Table:
    """How well the two spaces fit each other."""
    first, second = aligned.names
    return Table.of(
        f"{second} turned onto {first}",
        (
            *("words that both have", "dimensions"),
            Column("variance explained", 1, percent=True),
            Column("with words shuffled", 1, percent=True),
        ),
        [(len(aligned.words), aligned.first.shape[1], aligned.explained, aligned.by_chance)],
        note="Turned by orthogonal Procrustes over all words that both have.",
    )


def moved_table(aligned: Aligned, words: int, count: int) -> Table:
    """Those of the most frequent shared words that moved most.

    Args:
        words: so many are considered.
        count: so many are shown.
    """
    distances, cosines = aligned.distances()[:words], aligned.cosines()[:words]
    order = np.argsort(-distances, kind="stable")[:count]
    return Table.of(
        "Words that moved most",
        ("word", "rank", Column("moved by", 3), Column("cosine", 3)),
        [
            (aligned.words[at], int(at) + 1, float(distances[at]), float(cosines[at]))
            for at in order
        ],
        note=f"Among the {len(distances):,} most frequent words of {aligned.names[0]} that both "
        "have; distances in root mean square lengths of the vectors, in all dimensions.",
    )
