"""What next-word distributions say of targets: nats, ranks, entropies."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_LOGITS = 1 << 18
"""So many log-probabilities are compared and added up at a time: 1 MiB of float32."""


@dataclass(frozen=True)
class Judgement:
    """Of some pairs of a context and a target; all arrays are [K].

    Attributes:
        nats: -ln p(target).
        ranks: 1 for the most probable word; equally probable words rank by id.
        entropies: of the whole distribution, in nats; NaN where they are not wanted.
    """

    nats: NDArray[np.float64]
    ranks: NDArray[np.int64]
    entropies: NDArray[np.float64]

    @classmethod
    def of(cls, nats: Tensor, ranks: Tensor, entropies: Tensor | None) -> "Judgement":
        """From tensors; None: not wanted."""
        if entropies is None:
            entropies = torch.full_like(nats, math.nan)
        return cls(*(values.numpy(force=True) for values in (nats, ranks, entropies)))


def judgement(log_probs: Tensor, rows: Tensor, targets: Tensor, *, entropies: bool) -> Judgement:
    """Judge targets by log-probabilities, a few rows at a time, which stay in the cache.

    Args:
        log_probs: [N, V].
        rows, targets: of each pair. [K]
    """
    count, device = len(rows), log_probs.device
    at_once = len(log_probs) if device.type != "cpu" else BLOCK_LOGITS // log_probs.shape[1]
    step = max(1, at_once)
    nats = torch.empty(count, dtype=torch.float64, device=device)
    ranks = torch.empty(count, dtype=torch.int64, device=device)
    in_order = torch.equal(rows, torch.arange(len(log_probs), device=device))
    for here in (slice(first, first + step) for first in range(0, count, step)):
        block = log_probs[here] if in_order else log_probs[rows[here]]
        target = targets[here, None]
        of_target = block.gather(1, target)
        nats[here] = -of_target[:, 0].double()
        ranks[here] = ranks_of(block, of_target, target)
    if not entropies:
        return Judgement.of(nats, ranks, None)
    spreads = torch.empty(len(log_probs), dtype=torch.float64, device=device)
    for first in range(0, len(log_probs), step):
        spreads[first : first + step] = _entropies(log_probs[first : first + step])
    return Judgement.of(nats, ranks, spreads[rows])


def ranks_of(log_probs: Tensor, of_target: Tensor, target: Tensor) -> Tensor:
    """1 + words that are more probable, or as probable with a smaller id. [B]

    Args:
        log_probs: of all words, [B, V].
        of_target: the targets' own, [B, 1].
        target: the targets' ids, [B, 1].
    """
    # Written as floats, in which the counts are exact, comparisons and sums are seven times as
    # quick as by way of truth values.
    scratch = torch.empty_like(log_probs)
    above = torch.gt(log_probs, of_target, out=scratch).sum(dim=1).long()
    ties = torch.ge(log_probs, of_target, out=scratch).sum(dim=1).long() > above + 1
    if ties.any():
        level = log_probs[ties] == of_target[ties]
        smaller = torch.arange(log_probs.shape[1], device=target.device)[None, :] < target[ties]
        above[ties] += (level & smaller).count_nonzero(dim=1)
    lost = of_target[:, 0].isnan()  # no comparison holds for NaN, which must not look right
    return torch.where(lost, log_probs.shape[1], above + 1)


def _entropies(log_probs: Tensor) -> Tensor:
    """- sum of p ln p, in nats; a word of probability 0 adds nothing. [B]"""
    # Of log-probabilities the softmax is exp, and a third quicker.
    terms = log_probs.softmax(dim=1).mul_(log_probs).nan_to_num_(nan=0.0)
    return -terms.sum(dim=1).double()
