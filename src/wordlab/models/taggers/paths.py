"""All paths of tags through some sentences: which spell the same entities, and the best others.

Under most schemes each legal path spells entities of its own. Not so under IOB1 and IOE1, where
B, or E, may stand without need, and not where paths are chosen that a scheme does not allow: then
up to two to the power of the words spell the same. So readings are told apart by what they spell,
not by their tags. The best path that spells something else is found in one pass of Viterbi's
recursion over tags and whether the path has left the first reading by then; where each path spells
entities of its own, it is the second of list Viterbi (Seshadri and Sundberg 1994).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordlab.batching.packing import Packing
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.chains import Floats


@dataclass(frozen=True)
class Spelling:
    """The entities of some sentences, word by word as they are packed.

    Two paths spell the same entities if and only if both are the same for all words.

    Attributes:
        types: number of the type of each word's entity, 0 outside. [M]
        joined: whether each word goes on with the entity of the word before. [M]
        of_tags: number of the type of each tag. [L]
        joins: whether a tag goes on with the entity of the one before. [L, L]
    """

    types: NDArray[np.int64]
    joined: NDArray[np.bool_]
    of_tags: NDArray[np.int64]
    joins: NDArray[np.bool_]

    @classmethod
    def of(cls, path: NDArray[np.int64], packing: Packing, tags: TagSet) -> "Spelling":
        """What a path spells. [M]"""
        of_tags = np.unique(tags.kinds, return_inverse=True)[1]
        later = np.flatnonzero(packing.time > 0)
        earlier = later - packing.steps[packing.time[later] - 1]
        joined = np.zeros(len(path), dtype=np.bool_)
        joined[later] = tags.joined[path[earlier], path[later]]
        return cls(of_tags[path], joined, of_tags, tags.joined)

    def only(self, rows: NDArray[np.int64]) -> "Spelling":
        """That of some words."""
        return replace(self, types=self.types[rows], joined=self.joined[rows])

    def fits(self) -> NDArray[np.bool_]:
        """Whether each tag is of each word's type. [M, L]"""
        return np.asarray(self.of_tags == self.types[:, None])

    def meets(self, rows: slice) -> NDArray[np.bool_]:
        """Whether two tags are joined as some words are with the words before. [W, L, L]"""
        return np.asarray(self.joins == self.joined[rows, None, None])


@dataclass(frozen=True)
class Paths:
    """The probability of every path, as natural logs that add up along it.

    Attributes:
        scores: of each tag of each word. [M, L]
        links: of each pair of neighbours. [L, L]
        begins, ends: of each first and last tag. [L]
        log_total: what the sum is too much by, of each sequence. [S]
        packing: of the words.
    """

    scores: Floats
    links: Floats
    begins: Floats
    ends: Floats
    log_total: Floats
    packing: Packing

    def only(self, sequences: NDArray[np.int64]) -> "tuple[Paths, NDArray[np.int64]]":
        """Those of some sequences, in rising order, and the rows of their words. -> [M']"""
        rows = np.flatnonzero(np.isin(self.packing.sequence, sequences))
        packing = Packing.of(self.packing.lengths[sequences])
        own = replace(
            self, scores=self.scores[rows], log_total=self.log_total[sequences], packing=packing
        )
        return own, rows

    def _steps(self) -> list[tuple[slice, slice]]:
        """Of each time but the first: the words of the time before that go on, and its words."""
        firsts, counts = self.packing.firsts.tolist(), self.packing.steps.tolist()
        return [
            (slice(before, before + count), slice(here, here + count))
            for before, here, count in zip(firsts, firsts[1:], counts[1:], strict=False)
        ]

    def log_probability(self, spelling: Spelling) -> Floats:
        """Of just these entities and no others: that of all paths that spell them. [S]"""
        top_link = self.links.max()
        links = np.exp(self.links - top_link)
        apart, joined = links * ~spelling.joins, links * spelling.joins
        value = np.where(spelling.fits(), self.scores, -np.inf)
        value[: self.packing.steps[0]] += self.begins
        for before, here in self._steps():
            # The largest, or where all are nothing a number that can be taken off them.
            top = np.maximum(value[before].max(axis=1, keepdims=True), np.finfo(np.float64).min)
            weights = np.exp(value[before] - top)
            sums = np.where(spelling.joined[here, None], weights @ joined, weights @ apart)
            with np.errstate(divide="ignore"):
                value[here] += np.log(sums) + top + top_link
        total: Floats = np.logaddexp.reduce(value[self.packing.lasts] + self.ends, axis=1)
        return total - self.log_total

    def best_other(self, spelling: Spelling) -> NDArray[np.int64]:
        """The most probable path of each sequence that spells other entities. [M]"""
        # The best paths up to each tag that spell the same so far, and those that do not.
        fits, first = spelling.fits(), slice(0, int(self.packing.steps[0]))
        same, other = np.empty_like(self.scores), np.empty_like(self.scores)
        begun = self.begins + self.scores[first]
        same[first] = np.where(fits[first], begun, -np.inf)
        other[first] = np.where(fits[first], -np.inf, begun)
        for before, here in self._steps():
            ways = same[before, :, None] + self.links
            goes_on = fits[here, None, :] & spelling.meets(here)
            stays = np.where(goes_on, ways, -np.inf).max(axis=1)
            leaves = np.where(goes_on, -np.inf, ways).max(axis=1)
            left = (other[before, :, None] + self.links).max(axis=1)
            same[here] = stays + self.scores[here]
            other[here] = np.maximum(leaves, left) + self.scores[here]
        return self._traced(spelling, same, other)

    def _traced(self, spelling: Spelling, same: Floats, other: Floats) -> NDArray[np.int64]:
        """Go back along the best path that ends in `other`. [M, L], [M, L] -> [M]"""
        size = len(self.ends)
        tags = np.empty(len(self.scores), dtype=np.int64)
        has_left = np.ones(len(self.scores), dtype=np.bool_)
        lasts = self.packing.lasts
        tags[lasts] = (other[lasts] + self.ends).argmax(axis=1)
        for before, here in reversed(self._steps()):
            tag, left = tags[here], has_left[here, None]
            goes_on = spelling.joins.T[tag] == spelling.joined[here, None]
            goes_on &= (spelling.of_tags[tag] == spelling.types[here])[:, None]
            into = self.links.T[tag]
            # Who has left by now did so just now, or before.
            stayed = np.where(goes_on != left, same[before] + into, -np.inf)
            went = np.where(left, other[before] + into, -np.inf)
            chosen = np.concatenate([stayed, went], axis=1).argmax(axis=1)
            tags[before], has_left[before] = chosen % size, chosen >= size
        return tags
