"""Gradients added up through torch's process group, also over a network."""

from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn

from wordlab.training.together.gradient_sums import (
    Floats,
    GradientSums,
    Rows,
    add_up_rows,
    tables_of,
)

LARGE = 1 << 15
"""Gradients of so many numbers are sent on their own, smaller ones together."""


class SumsByMessages(GradientSums):
    """Sends gradients through torch's process group."""

    def __init__(self, model: nn.Module) -> None:
        self._sparse = tables_of(model)
        others = [p for p in model.parameters() if p not in self._sparse]
        self._parameters: list[Tensor] = [*self._sparse, *others]

    def tell(self, numbers: Sequence[float]) -> Floats:
        """Tell all ranks some numbers, as many as they tell, and return those of each. [R, n]"""
        return torch.stack(_gathered(torch.tensor(numbers, dtype=torch.float64))).numpy()

    def close(self) -> None:
        """What sends the messages lets no other rank wait."""

    def add_up(self, nats: float) -> float:
        """Add up all gradients, in place, and return the sum of the ranks' nats."""
        tables = {weight: Rows.of(weight) for weight in self._sparse}
        said = [nats, *(len(own.rows) for own in tables.values())]
        said += [p.grad is not None for p in self._parameters]
        heads = self.tell(said)
        counts = heads[:, 1 : 1 + len(tables)].astype(int).T.tolist()
        has_gradient = heads[:, 1 + len(tables) :].max(axis=0).tolist()
        wanted = {p: None for p, has in zip(self._parameters, has_gradient, strict=True) if has}
        in_rows = {
            weight: lengths
            for weight, lengths in zip(tables, counts, strict=True)
            if weight in wanted and (self._sparse[weight] or 2 * sum(lengths) < len(weight))
        }
        whole = _Whole([p for p in wanted if p not in in_rows])
        for weight, lengths in in_rows.items():
            of_ranks = _gathered_rows(tables[weight], lengths)
            add_up_rows(weight, self._sparse[weight], tables[weight], of_ranks)
        whole.finish()
        return float(heads[:, 0].sum())


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


def _gathered_rows(own: Rows, lengths: list[int]) -> list[Rows]:
    """The rows of each rank, of which there are so many."""
    most = max(lengths)
    rows = own.rows.new_zeros(most)
    values = own.values.new_zeros(most, own.values.shape[1])
    rows[: len(own.rows)], values[: len(own.rows)] = own.rows, own.values
    return [
        Rows(row[:length], value[:length])
        for row, value, length in zip(_gathered(rows), _gathered(values), lengths, strict=True)
    ]


def _gathered(value: Tensor) -> list[Tensor]:
    """What each rank has for a tensor of one shape."""
    found = [torch.empty_like(value) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, value)
    return found
