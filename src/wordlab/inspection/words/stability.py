"""Whether a word has the same neighbours in every run: of other seeds, or of other settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wordlab.errors import WordlabError
from wordlab.inspection.words.neighbours import Metric, nearness
from wordlab.inspection.words.space import WordSpace
from wordlab.table import Column, Table

MOST_WORDS = 1000
"""Over so many words at most the mean is taken."""

CHUNK = 1 << 22
"""Distances that are held at a time."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class WordStability:
    """How far runs agree on the nearest words of one word.

    Attributes:
        word: empty for the mean over many.
        jaccard: of the sets of neighbours: shared by two runs / in either, the mean over pairs.
        overlap: shared by two runs / k, the mean over pairs.
        in_all: neighbours in every run, by the first one's order.
    """

    word: str
    jaccard: float
    overlap: float
    in_all: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stability:
    """How far runs agree on nearest words.

    Attributes:
        runs: their names.
        metric: by which words are near.
        count: k, how many neighbours.
        among: words that can be neighbours: the most frequent that all runs have.
        words: those that were asked for.
        overall: the mean over the most frequent words, at most MOST_WORDS.
        overall_words: how many these are.
        by_chance: what is expected of neighbours drawn at random.
    """

    runs: tuple[str, ...]
    metric: Metric
    count: int
    among: int
    words: tuple[WordStability, ...]
    overall: WordStability
    overall_words: int
    by_chance: WordStability


def neighbour_stability(
    spaces: Sequence[WordSpace],
    words: Sequence[str],
    *,
    count: int = 4,
    among: int = 1000,
    metric: Metric = "cosine",
) -> Stability:
    """Compare the `count` nearest of the `among` most frequent shared words over runs.

    Args:
        spaces: at least two; the first one's counts say which words are frequent.
        words: to be shown one by one.

    Raises:
        WordlabError: where a word is not in every vocabulary, or too few are shared.
    """
    for space in spaces:
        for word in words:
            space.vocabulary.id_of(word)
    candidates = spaces[0].shared_with(*spaces[1:])[:among]
    if len(candidates) <= count:
        raise WordlabError(
            f"the runs share {len(candidates)} words, too few for {count} neighbours",
            where="--beside",
        )
    frequent = candidates[:MOST_WORDS]
    asked = [*frequent, *words]
    nearest = [_nearest(space, asked, candidates, count, metric) for space in spaces]
    shared = np.mean([_shared(a, b) for a, b in combinations(nearest, 2)], axis=0)
    jaccard = np.mean([_jaccard(_shared(a, b), count) for a, b in combinations(nearest, 2)], axis=0)
    first = len(frequent)
    return Stability(
        tuple(space.name for space in spaces),
        metric,
        count,
        len(candidates),
        tuple(
            WordStability(
                word,
                float(jaccard[row]),
                float(shared[row]) / count,
                tuple(
                    candidates[place]
                    for place in nearest[0][row]
                    if all(place in other[row] for other in nearest[1:])
                ),
            )
            for row, word in enumerate(words, start=first)
        ),
        WordStability("", float(jaccard[:first].mean()), float(shared[:first].mean()) / count),
        first,
        chance(count, len(candidates) - 1),
    )


def chance(count: int, among: int) -> WordStability:
    """What is expected where both runs draw their neighbours at random.

    The number that two draws of k among M share is hypergeometric.

    >>> chance(1, 4).jaccard
    0.25
    """
    ways = math.comb(among, count)
    odds = [
        math.comb(count, both) * math.comb(among - count, count - both) / ways
        for both in range(count + 1)
    ]
    jaccard = sum(p * both / (2 * count - both) for both, p in enumerate(odds))
    return WordStability("", jaccard, count / among)


def _nearest(
    space: WordSpace, words: Sequence[str], candidates: Sequence[str], count: int, metric: Metric
) -> Ids:
    """The places of the nearest candidates to each word, the nearest first. [N, k]"""
    table = space.rows(candidates)
    place = {word: at for at, word in enumerate(candidates)}
    found = np.empty((len(words), count), dtype=np.int64)
    at_once = max(1, CHUNK // len(candidates))
    for first in range(0, len(words), at_once):
        some = words[first : first + at_once]
        values = nearness(table, space.rows(some), metric)
        for row, word in enumerate(some):
            if word in place:
                values[row, place[word]] = -np.inf
        found[first : first + len(some)] = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return found


def _shared(one: Ids, other: Ids) -> NDArray[np.int64]:
    """How many neighbours of each word are in both. [N, k], [N, k] -> [N]"""
    shared: Ids = (one[:, :, None] == other[:, None, :]).sum(axis=(1, 2))
    return shared


def _jaccard(shared: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    jaccard: NDArray[np.float64] = shared / (2 * count - shared)
    return jaccard


def stability_table(found: Stability) -> Table:
    """A row a word, the mean over frequent words, and what chance alone gives."""
    rows = [(each.word, each.jaccard, each.overlap, ", ".join(each.in_all)) for each in found.words]
    overall, random = found.overall, found.by_chance
    rows.append((f"(mean of {found.overall_words:,} words)", overall.jaccard, overall.overlap, ""))
    rows.append(("(by chance)", random.jaccard, random.overlap, ""))
    return Table.of(
        f"Stability of the {found.count} nearest words by {found.metric}",
        ("word", Column("Jaccard", 3), Column("overlap", 3), "in every run"),
        rows,
        note=f"Over {len(found.runs)} runs ({', '.join(found.runs)}), the mean over all pairs; "
        f"among the {found.among:,} most frequent words that all have.",
    )
