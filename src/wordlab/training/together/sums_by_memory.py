"""Gradients added up through memory that all ranks of one machine map."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wordlab.training.together.board import Board
from wordlab.training.together.gradient_sums import (
    Floats,
    GradientSums,
    Rows,
    add_up_rows,
    tables_of,
)
from wordlab.training.together.shared_memory import LINE, shared_memory

X86 = {"x86_64", "AMD64"}
_SPARE = 7
"""Numbers that ranks tell beside one for each parameter."""
NOTHING, WHOLE = -2, -1
"""What a rank has of a gradient, if that is not a number of rows."""


@dataclass(frozen=True)
class _Place:
    """Where each rank puts a parameter's gradient, in one half of its memory.

    Attributes:
        at: its first byte.
        table, sparse: whether it is of a table of embeddings, and of one with sparse gradients.
    """

    parameter: Tensor
    at: int
    table: bool
    sparse: bool

    @property
    def end(self) -> int:
        """Where the next place may begin."""
        return self._numbers_at + (_lines(8 * len(self.parameter)) if self.table else 0)

    @property
    def _numbers_at(self) -> int:
        """Where the numbers of rows begin."""
        return self.at + _lines(self.parameter.numel() * self.parameter.dtype.itemsize)

    def whole(self, half: Tensor) -> Tensor:
        """All that is there, as a gradient."""
        size = self.parameter.numel() * self.parameter.dtype.itemsize
        found = half[self.at : self.at + size].view(self.parameter.dtype)
        return found.view(self.parameter.shape)

    def rows(self, half: Tensor, count: int) -> Rows:
        """So many rows of it."""
        numbers = half[self._numbers_at : self._numbers_at + 8 * count].view(torch.int64)
        return Rows(numbers, self.whole(half)[:count])

    def put(self, half: Tensor, own: Rows | None) -> int:
        """Put this rank's gradient there, and say what of it is there.

        Args:
            own: its rows, where it is of a table.
        """
        gradient = self.parameter.grad
        if gradient is None:
            return NOTHING
        if own is not None and (self.sparse or 2 * len(own.rows) < len(self.parameter)):
            there = self.rows(half, len(own.rows))
            there.rows.copy_(own.rows)
            there.values.copy_(own.values)
            return len(own.rows)
        self.whole(half).copy_(gradient)
        return WHOLE

    def add_up(self, halves: Sequence[Tensor], put: Sequence[int], own: Rows | None) -> None:
        """Make the sum of what the ranks have put there the parameter's gradient."""
        gradient = self.parameter.grad
        told = list(zip(halves, put, strict=True))
        whole = [self.whole(half) for half, what in told if what == WHOLE]
        rows = [self.rows(half, what) for half, what in told if what >= 0]
        if whole:
            total = torch.empty_like(self.parameter) if gradient is None else gradient
            torch.add(whole[0], whole[1], out=total) if whole[1:] else total.copy_(whole[0])
            for more in whole[2:]:
                total.add_(more)
            for part in rows:
                total.index_add_(0, part.rows, part.values)
            self.parameter.grad = total
        elif own is not None and rows:
            add_up_rows(self.parameter, self.sparse, own, rows)


class SumsByMemory(GradientSums):
    """Each rank writes its gradients to memory of its own, and reads all the others'.

    A rank writes to both halves of its memory in turn: once all have told each other that they
    wrote to one half, all are done with the other.
    """

    def __init__(
        self, places: list[_Place], halves: list[tuple[Tensor, Tensor]], rank: int, board: Board
    ) -> None:
        self._places = places
        self._halves = halves
        self._rank = rank
        self._board = board
        self._turn = 0

    @classmethod
    def of(
        cls, model: nn.Module, rank: int, tell: Callable[[Any], list[Any]]
    ) -> "SumsByMemory | None":
        """None where not all ranks reach each other's memory; all must ask together.

        Args:
            tell: tells all ranks something, and returns what each told.
        """
        sparse = tables_of(model)
        places: list[_Place] = []
        end = 0
        for p in model.parameters():
            places.append(_Place(p, end, p in sparse, sparse.get(p, False)))
            end = places[-1].end
        near = platform.machine() in X86 and all(p.device.type == "cpu" for p in model.parameters())
        head = _lines(Board.size_of(_SPARE + len(places)))
        memories = shared_memory(head + 2 * end if near else 0, tell)
        if memories is None:
            return None
        processes = [memory.process for memory in memories]
        board = Board([memory.bytes[:head] for memory in memories], processes, rank)
        parts = [memory.bytes[head:] for memory in memories]
        return cls(places, [(part[:end], part[end:]) for part in parts], rank, board)

    def tell(self, numbers: Sequence[float]) -> Floats:
        """Tell all ranks some numbers, as many as they tell, and return those of each. [R, n]"""
        return self._board.tell(numbers)

    def close(self) -> None:
        """Let no other rank wait for this one."""
        self._board.close()

    def add_up(self, nats: float) -> float:
        """Add up all gradients, in place, and return the sum of the ranks' nats."""
        halves = [of_rank[self._turn] for of_rank in self._halves]
        self._turn = 1 - self._turn
        mine = halves[self._rank]
        own = [Rows.of(place.parameter) if place.table else None for place in self._places]
        put = [place.put(mine, rows) for place, rows in zip(self._places, own, strict=True)]
        heads = self.tell([nats, *put])
        of_ranks = heads[:, 1:].astype(int).T.tolist()
        for place, rows, what in zip(self._places, own, of_ranks, strict=True):
            place.add_up(halves, what, rows)
        return float(heads[:, 0].sum())


def _lines(size: int) -> int:
    """So many bytes, up to the end of a line."""
    return -(-size // LINE) * LINE
