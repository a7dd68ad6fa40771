"""Changes to a next-word distribution before a word is drawn from it.

Each takes log-probabilities with the vocabulary as the last dimension, whatever stands before it,
and returns log-probabilities that sum to 1 again.
"""

import torch
from torch import Tensor


def without(log_probs: Tensor, ids: list[int]) -> Tensor:
    """Rule words out."""
    if not ids:
        return log_probs
    result = log_probs.clone()
    result[..., ids] = -torch.inf
    return result.log_softmax(dim=-1)


def temperature(log_probs: Tensor, value: float) -> Tensor:
    """p^(1 / value), normalised: below 1 sharper, above 1 flatter."""
    return log_probs if value == 1 else (log_probs / value).log_softmax(dim=-1)


def top_k(log_probs: Tensor, k: int) -> Tensor:
    """Keep the k most probable words; of equally probable ones at the edge, all."""
    if k >= log_probs.shape[-1]:
        return log_probs
    edge = log_probs.topk(k, dim=-1).values[..., -1:]
    return log_probs.masked_fill(log_probs < edge, -torch.inf).log_softmax(dim=-1)


def top_p(log_probs: Tensor, p: float) -> Tensor:
    """Keep the fewest most probable words whose probabilities reach p (Holtzman et al. 2020)."""
    if p >= 1:
        return log_probs
    ordered, ids = log_probs.sort(dim=-1, descending=True, stable=True)
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    kept = torch.where(before < p, ordered, -torch.inf)
    kept[..., 0] = ordered[..., 0]  # the most probable word stays, however small p is
    return torch.empty_like(log_probs).scatter_(-1, ids, kept).log_softmax(dim=-1)
