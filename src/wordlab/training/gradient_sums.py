"""The gradients of several ranks, added up."""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

LARGE = 1 << 15
"""Gradients of so many numbers are sent on their own, smaller ones together."""


def add_up_gradients(model: nn.Module, nats: float) -> float:
    """Add up the gradients of all ranks, in place, and return the sum of their nats.

    Of a table of embeddings, each rank sends the rows that its share of the batch read and their
    numbers, unless the ranks together read half of the table; all else is sent whole. Every rank
    ends with the same sums, to the bit.
    """
    tables = {m.weight: _Table.of(m) for m in model.modules() if isinstance(m, nn.Embedding)}
    others = [p for p in model.parameters() if p not in tables]
    parameters: list[Tensor] = [*tables, *others]
    said = [nats, *(len(t.rows) for t in tables.values())]
    said += [p.grad is not None for p in parameters]
    heads = torch.stack(_gathered(torch.tensor(said, dtype=torch.float64)))
    counts = heads[:, 1 : 1 + len(tables)].long().t().tolist()
    has_gradient = heads[:, 1 + len(tables) :].any(dim=0).tolist()
    wanted = {p: None for p, has in zip(parameters, has_gradient, strict=True) if has}
    in_rows = {
        weight: lengths
        for (weight, table), lengths in zip(tables.items(), counts, strict=True)
        if weight in wanted and (table.sparse or 2 * sum(lengths) < len(weight))
    }
    whole = _Whole([p for p in wanted if p not in in_rows])
    for weight, lengths in in_rows.items():
        tables[weight].add_up(lengths)
    whole.finish()
    return float(heads[:, 0].sum())


def _gathered(value: Tensor) -> list[Tensor]:
    """What each rank has for a tensor of one shape."""
    found = [torch.empty_like(value) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, value)
    return found


class _Whole:
    """Dense gradients, sent whole; a rank without one has zeros. Sending begins at once."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self._parameters = parameters
        self._gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        self._small = [gradient for gradient in self._gradients if gradient.numel() < LARGE]
        flat = [gradient.flatten() for gradient in self._small]
        self._together = torch.cat(flat) if flat else torch.empty(0)
        sent = [gradient for gradient in self._gradients if gradient.numel() >= LARGE]
        sent += [self._together] if self._small else []
        self._works = [distributed.all_reduce(gradient, async_op=True) for gradient in sent]

    def finish(self) -> None:
        """Wait for the sums, and put them in place."""
        for work in self._works:
            work.wait()
        sums = torch.split(self._together, [gradient.numel() for gradient in self._small])
        for gradient, total in zip(self._small, sums, strict=True):
            gradient.copy_(total.view_as(gradient))
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient


@dataclass(frozen=True)
class _Table:
    """A table of embeddings, and the rows of it that have a gradient on this rank.

    Attributes:
        sparse: whether gradients name only their rows, also for the optimiser.
    """

    weight: Tensor
    sparse: bool
    rows: Tensor
    values: Tensor

    @classmethod
    def of(cls, table: nn.Embedding) -> "_Table":
        """Look for the rows that are not zero."""
        weight, gradient = table.weight, table.weight.grad
        if gradient is None:
            none = torch.empty(0, dtype=torch.int64, device=weight.device)
            return cls(weight, table.sparse, none, weight.detach()[none])
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            return cls(weight, True, gradient.indices()[0], gradient.values())
        rows = gradient.abs().amax(dim=1).nonzero()[:, 0]
        return cls(weight, False, rows, gradient[rows])

    def add_up(self, lengths: list[int]) -> None:
        """Add up the rows of all ranks, in their order, so that the sums are the same on all."""
        most = max(lengths)
        rows = self.rows.new_zeros(most)
        values = self.values.new_zeros(most, self.values.shape[1])
        rows[: len(self.rows)], values[: len(self.rows)] = self.rows, self.values
        of_ranks = [
            (row[:length], value[:length])
            for row, value, length in zip(_gathered(rows), _gathered(values), lengths, strict=True)
        ]
        if self.sparse:
            all_rows, all_values = (torch.cat(parts) for parts in zip(*of_ranks, strict=True))
            self.weight.grad = torch.sparse_coo_tensor(
                all_rows[None], all_values, self.weight.shape, check_invariants=False
            )
            return
        gradient = torch.zeros_like(self.weight) if self.weight.grad is None else self.weight.grad
        gradient[self.rows] = 0
        for row, value in of_ranks:
            gradient.index_add_(0, row, value)
        self.weight.grad = gradient
