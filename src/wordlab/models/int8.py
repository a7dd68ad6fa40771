"""Matrices of eight bits a number: a quarter of float32's room, and products of whole numbers."""

from dataclasses import dataclass
from functools import cache
from typing import Self

import torch
from torch import Tensor

from wordlab.models.operands import Operand

LARGEST = 127
"""Whole numbers go from minus this to this."""

BLOCK_PRODUCTS = 1 << 18
"""Numbers of a product that are scaled at a time: 1 MiB, which stays in the processor's cache."""


@dataclass(frozen=True)
class Int8Matrix(Operand):
    """W = scale * values, a scale for each row; only for products without a gradient.

    Attributes:
        values: int8 [V, F].
        scale: float32 [V].
    """

    values: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        """Round each row to whole numbers, its largest element to LARGEST. [V, F]"""
        wide = weight.detach().float()
        scale = wide.abs().amax(dim=1) / LARGEST
        return cls(_rounded(wide, scale[:, None]), scale)

    def widened(self) -> Tensor:
        """The matrix in float32. [V, F]"""
        return self.values.float().mul_(self.scale[:, None])

    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return x W' + bias, each row of x rounded as those of W are. [B, F] -> [B, V]"""
        result = x.new_empty(len(x), len(self.values))
        step = max(1, BLOCK_PRODUCTS // max(1, len(self.values)))
        across = self.values.t()
        for first in range(0, len(x), step):
            rows = x[first : first + step]
            scale = rows.abs().amax(dim=1, keepdim=True) / LARGEST
            block = torch._int_mm(_rounded(rows, scale), across).float()
            block.mul_(self.scale).mul_(scale)
            result[first : first + step] = block if bias is None else block.add_(bias)
        return result

    @property
    def shape(self) -> torch.Size:
        """[V, F]"""
        return self.values.shape

    @property
    def serves(self) -> bool:
        """Whether this machine multiplies whole numbers of eight bits natively."""
        return int8_serves()

    def __getitem__(self, rows: slice) -> "Int8Matrix":
        return Int8Matrix(self.values[rows], self.scale[rows])


def _rounded(x: Tensor, scale: Tensor) -> Tensor:
    """Whole numbers nearest to x / scale; a row of zeros stays one."""
    return (x / scale.clamp_min(torch.finfo(torch.float32).tiny)).round_().to(torch.int8)


@cache
def int8_serves() -> bool:
    """Whether this machine multiplies whole numbers of eight bits natively."""
    try:
        if not torch.cpu._is_vnni_supported():
            return False
        one = torch.ones(2, 2, dtype=torch.int8)
        return int(torch._int_mm(one, one)[0, 0]) == 2
    except (AttributeError, RuntimeError):  # an operator of this build only: others do without
        return False
