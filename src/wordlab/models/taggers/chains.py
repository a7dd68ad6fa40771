"""Linear chains of tags: their total, their most probable path, and exact marginals.

Sequences are packed by time, longest first, as everywhere. Scores are natural logarithms. The
recursions run in float64 on probabilities that are scaled at each step (Rabiner 1989, sec. V.A).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from wordlab.batching.packing import Packing
from wordlab.corpus.labelled.tag_set import Entities

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

    def probabilities(
        self, tags: NDArray[np.int64], entities: Entities, joined: NDArray[np.bool_]
    ) -> Floats:
        """The probability of each entity that a path spells: just these words with these tags.

        The sum over all paths through its tags that have no entity go on into or out of it.

        Args:
            tags: of the path. [M]
            joined: whether a tag goes on with the entity of the one before. [L, L]
        """
        packing, free = self.packing, self.links * ~joined
        firsts = packing.firsts[entities.start] + entities.sentence
        first_tags = tags[firsts]
        value: Floats = self.forward[firsts, first_tags]
        inner = np.flatnonzero(entities.start > 0)
        if len(inner):
            rows, own = firsts[inner], first_tags[inner]
            before = packing.firsts[entities.start[inner] - 1] + entities.sentence[inner]
            into = np.einsum("el,le->e", self.forward[before], free[:, own])
            value[inner] = into * self.boost[rows, own] / self.scale[rows]
        lengths = entities.end - entities.start
        row = firsts
        for word in range(1, int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > word)
            here = packing.firsts[entities.start[longer] + word] + entities.sentence[longer]
            step = self.links[tags[row[longer]], tags[here]] * self.boost[here, tags[here]]
            value[longer] *= step / self.scale[here]
            row = row.copy()
            row[longer] = here
        goes_on = entities.end < packing.lengths[entities.sentence]
        value *= np.where(goes_on, 1.0, self.backward[row, tags[row]])
        inner = np.flatnonzero(goes_on)
        if len(inner):
            after = packing.firsts[entities.end[inner]] + entities.sentence[inner]
            out_of = free[tags[row[inner]]] * self.boost[after] * self.backward[after]
            value[inner] *= out_of.sum(axis=1) / self.scale[after]
        return value


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
    best = np.empty(scores.shape)
    best[: steps[0]] = begins + scores[: steps[0]]
    for time in range(1, len(steps)):
        here = slice(firsts[time], firsts[time] + steps[time])
        before = best[firsts[time - 1] : firsts[time - 1] + steps[time]]
        best[here] = (before[:, :, None] + links).max(axis=1) + scores[here]
    tags = np.empty(len(scores), dtype=np.int64)
    tags[packing.lasts] = (best[packing.lasts] + ends).argmax(axis=1)
    for time in range(len(steps) - 2, -1, -1):
        # Which tag each step came from is found again on the way back, for one tag a word.
        count = steps[time + 1]
        after = tags[firsts[time + 1] : firsts[time + 1] + count]
        before = best[firsts[time] : firsts[time] + count]
        tags[firsts[time] : firsts[time] + count] = (before + links.T[after]).argmax(axis=1)
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
