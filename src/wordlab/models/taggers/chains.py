"""Linear chains of tags: their total, their most probable path, and exact marginals.

Sequences are packed by time, longest first, as everywhere. Scores are natural logarithms. The
recursions run in float64 on probabilities that are scaled at each step (Rabiner 1989, sec. V.A).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from wordlab.batching.packing import Packing

Floats = NDArray[np.float64]

NEVER = -1e4
"""The score of what is not allowed; e to it is 0."""


@dataclass(frozen=True)
class Chains:
    """Forward and backward probabilities of some chains.

    Attributes:
        forward: of each tag given the words up to its own, [M, L].
        backward: how well each tag goes with the words after its own, scaled so that
            forward x backward sums to 1. [M, L]
        boost: e to each score, less the largest of its word. [M, L]
        links: e to the score of each pair of neighbours. [L, L]
        ends: e to the score of each last tag. [L]
        scale: what each step was divided by. [M]
        log_total: natural log of the sum over all paths, of each sequence. [S]
    """

    packing: Packing
    forward: Floats
    backward: Floats
    boost: Floats
    links: Floats
    ends: Floats
    scale: Floats
    log_total: Floats

    @classmethod
    def of(
        cls, scores: Floats, links: Floats, begins: Floats, ends: Floats, steps: Sequence[int]
    ) -> "Chains":
        """Run both recursions. [M, L], [L, L], [L], [L]"""
        packing = Packing.from_steps(steps)
        tops = scores.max(axis=1)
        boost = np.exp(scores - tops[:, None])
        link_top, begin_top, end_top = links.max(), begins.max(), ends.max()
        weights, begin, end = (
            np.exp(links - link_top),
            np.exp(begins - begin_top),
            np.exp(ends - end_top),
        )
        forward, scale = _forward(boost, weights, begin, packing)
        closing = forward[packing.lasts] @ end
        backward = _backward(boost, weights, end, scale, closing, packing)
        size = len(packing.lengths)
        by_sequence = np.bincount(packing.sequence, np.log(scale) + tops, minlength=size)
        log_total: Floats = by_sequence.astype(np.float64)
        log_total += (packing.lengths - 1) * link_top + begin_top + end_top + np.log(closing)
        return cls(packing, forward, backward, boost, weights, end, scale, log_total)

    def marginals(self) -> Floats:
        """The probability of each tag of each word. [M, L]"""
        marginals: Floats = self.forward * self.backward
        return marginals

    def link_counts(self) -> Floats:
        """How often each pair of neighbours is expected. [L, L]"""
        later = np.flatnonzero(self.packing.time > 0)
        earlier = later - self.packing.steps[self.packing.time[later] - 1]
        after = self.boost[later] * self.backward[later] / self.scale[later, None]
        counts: Floats = self.links * (self.forward[earlier].T @ after)
        return counts

    def path_probability(
        self, rows: Sequence[int], tags: Sequence[int], joined: NDArray[np.bool_]
    ) -> float:
        """The probability that an entity is just these words with these tags.

        Args:
            rows: packed places of its words, one after another in one sequence.
            joined: whether a tag goes on with the entity of the one before; the tags before and
                after must not. [L, L]
        """
        first, last = rows[0], rows[-1]
        sequence, time = self.packing.sequence[first], self.packing.time[first]
        if time:
            before = self.packing.firsts[time - 1] + sequence
            free = ~joined[:, tags[0]]
            into = self.forward[before] @ (self.links[:, tags[0]] * free)
            value = into * self.boost[first, tags[0]] / self.scale[first]
        else:
            value = self.forward[first, tags[0]]
        for row, (tag, after) in zip(rows[1:], itertools.pairwise(tags), strict=True):
            value *= self.links[tag, after] * self.boost[row, after] / self.scale[row]
        time = self.packing.time[last]
        if time + 1 == self.packing.lengths[sequence]:
            return float(value * self.backward[last, tags[-1]])
        row = self.packing.firsts[time + 1] + sequence
        free = ~joined[tags[-1]]
        after_it = self.links[tags[-1]] * free * self.boost[row] * self.backward[row]
        return float(value * after_it.sum() / self.scale[row])


def _forward(
    boost: Floats, links: Floats, begin: Floats, packing: Packing
) -> tuple[Floats, Floats]:
    forward, scale = np.empty_like(boost), np.empty(len(boost))
    firsts = packing.firsts
    for time, count in enumerate(packing.steps):
        here = slice(firsts[time], firsts[time] + count)
        if time:
            before = forward[firsts[time - 1] : firsts[time - 1] + count]
            value = (before @ links) * boost[here]
        else:
            value = begin * boost[here]
        scale[here] = value.sum(axis=1)
        forward[here] = value / scale[here, None]
    return forward, scale


def _backward(
    boost: Floats,
    links: Floats,
    end: Floats,
    scale: Floats,
    closing: Floats,
    packing: Packing,
) -> Floats:
    backward = np.empty_like(boost)
    backward[packing.lasts] = end / closing[:, None]
    firsts, steps = packing.firsts, packing.steps
    for time in range(len(steps) - 2, -1, -1):
        count = steps[time + 1]  # those that have a next word
        after = slice(firsts[time + 1], firsts[time + 1] + count)
        value = (boost[after] * backward[after] / scale[after, None]) @ links.T
        backward[firsts[time] : firsts[time] + count] = value
    return backward


def best_paths(
    scores: Floats, links: Floats, begins: Floats, ends: Floats, steps: Sequence[int]
) -> NDArray[np.int64]:
    """The most probable tags of each sequence (Viterbi 1967). [M, L] -> [M]"""
    packing = Packing.from_steps(steps)
    firsts = packing.firsts
    came_from = np.zeros(scores.shape, dtype=np.int64)
    best = np.empty(scores.shape)
    best[: steps[0]] = begins + scores[: steps[0]]
    for time in range(1, len(steps)):
        here = slice(firsts[time], firsts[time] + steps[time])
        ways = best[firsts[time - 1] : firsts[time - 1] + steps[time], :, None] + links
        came_from[here] = ways.argmax(axis=1)
        best[here] = ways.max(axis=1) + scores[here]
    tags = np.empty(len(scores), dtype=np.int64)
    tags[packing.lasts] = (best[packing.lasts] + ends).argmax(axis=1)
    for time in range(len(steps) - 2, -1, -1):
        count = steps[time + 1]
        after = slice(firsts[time + 1], firsts[time + 1] + count)
        places = np.arange(after.start, after.stop)
        tags[firsts[time] : firsts[time] + count] = came_from[places, tags[after]]
    return tags


def chain_nats(
    scores: Tensor, links: Tensor, begins: Tensor, ends: Tensor, tags: Tensor, steps: Sequence[int]
) -> Tensor:
    """Return -ln p(tags) summed over the sequences, with its gradient.

    p = exp(score of the path) / sum over all paths (Lafferty et al. 2001). The gradient of each
    score is its expected less its actual use. [M, L], [L, L], [L], [L], [M] -> scalar
    """
    result: Tensor = _ChainNats.apply(  # type: ignore[no-untyped-call]
        scores, links, begins, ends, tags, tuple(steps)
    )
    return result


class _ChainNats(Function):
    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        links: Tensor,
        begins: Tensor,
        ends: Tensor,
        tags: Tensor,
        steps: tuple[int, ...],
    ) -> Tensor:
        values, pairs, firsts, lasts = (
            x.detach().double().cpu().numpy() for x in (scores, links, begins, ends)
        )
        chains = Chains.of(values, pairs, firsts, lasts, steps)
        packing = chains.packing
        path = tags.cpu().numpy()
        later = np.flatnonzero(packing.time > 0)
        earlier = later - packing.steps[packing.time[later] - 1]
        rows = np.arange(len(path))
        first, last = path[: steps[0]], path[packing.lasts]
        of_path = (
            values[rows, path].sum()
            + pairs[path[earlier], path[later]].sum()
            + firsts[first].sum()
            + lasts[last].sum()
        )
        size = values.shape[1]
        d_scores = chains.marginals()
        d_begins = d_scores[: steps[0]].sum(axis=0) - np.bincount(first, minlength=size)
        d_ends = d_scores[packing.lasts].sum(axis=0) - np.bincount(last, minlength=size)
        d_scores[rows, path] -= 1
        d_links = chains.link_counts()
        np.subtract.at(d_links, (path[earlier], path[later]), 1)
        ctx.gradients = tuple(
            torch.from_numpy(d).to(x)
            for d, x in zip(
                (d_scores, d_links, d_begins, d_ends), (scores, links, begins, ends), strict=True
            )
        )
        return scores.new_tensor(chains.log_total.sum() - of_path)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return (*(upstream[0] * d for d in ctx.gradients), None, None)
