"""The gradients of several ranks, added up.

Of a table of embeddings, each rank hands over the rows that its share of the batch read and their
numbers, unless these are most of the table; all else is handed over whole. Every rank ends with the
same sums, to the bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class GradientSums(ABC):
    """Adds up the gradients of one model's ranks."""

    @abstractmethod
    def tell(self, numbers: Sequence[float]) -> Floats:
        """Tell all ranks some numbers, as many as they tell, and return those of each. [R, n]"""

    @abstractmethod
    def close(self) -> None:
        """Let no other rank wait for this one."""

    @abstractmethod
    def add_up(self, nats: float) -> float:
        """Add up all gradients, in place, and return the sum of the ranks' nats."""


@dataclass(frozen=True)
class Rows:
    """The rows of a table of embeddings that have a gradient on one rank.

    Attributes:
        values: [len(rows), width].
    """

    rows: Tensor
    values: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        """Look for the rows that are not zero."""
        gradient = weight.grad
        if gradient is None:
            none = torch.empty(0, dtype=torch.int64, device=weight.device)
            return cls(none, weight.detach()[none])
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            return cls(gradient.indices()[0], gradient.values())
        rows = _not_zero(gradient)
        return cls(rows, gradient[rows])


def tables_of(model: nn.Module) -> dict[Tensor, bool]:
    """The tables of embeddings, and whether the gradients of each name only its rows."""
    return {m.weight: m.sparse for m in model.modules() if isinstance(m, nn.Embedding)}


def _not_zero(gradient: Tensor) -> Tensor:
    """The rows that have a number beside zeros."""
    if gradient.device.type != "cpu":
        return gradient.abs().amax(dim=1).nonzero()[:, 0]
    # As whole numbers, which need no second array to be looked at once.
    bits = gradient.numpy().view(f"u{gradient.itemsize}")
    return torch.from_numpy(np.flatnonzero(np.bitwise_or.reduce(bits, axis=1)))


def add_up_rows(weight: Tensor, sparse: bool, own: Rows, of_ranks: Sequence[Rows]) -> None:
    """Add up the rows of all ranks, in their order, so that the sums are the same on all.

    Args:
        sparse: whether gradients name only their rows, also for the optimiser.
    """
    if sparse:
        rows = torch.cat([part.rows for part in of_ranks])
        values = torch.cat([part.values for part in of_ranks])
        weight.grad = torch.sparse_coo_tensor(
            rows[None], values, weight.shape, check_invariants=False
        )
        return
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    gradient[own.rows] = 0
    for part in of_ranks:
        gradient.index_add_(0, part.rows, part.values)
    weight.grad = gradient
