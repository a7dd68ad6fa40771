"""Weights in another form, for products without a gradient: what scoring multiplies by."""

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn


class Operand(ABC):
    """A matrix W [V, F] that takes a tensor's place where rows are multiplied by it."""

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """[V, F]"""

    @property
    @abstractmethod
    def serves(self) -> bool:
        """Whether its products are quicker than a tensor's on this machine."""

    @property
    def exact(self) -> Tensor | None:
        """The weight itself, where the form gives the same products."""
        return None

    @abstractmethod
    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return x W' + bias. [B, F] -> [B, V]"""

    @abstractmethod
    def __getitem__(self, rows: slice) -> "Matrix":
        """Some rows."""

    def detach(self) -> Self:
        """Itself: it has no gradient."""
        return self

    def to(self, dtype: torch.dtype) -> Self:
        """Itself: its products take and give float32."""
        return self


Matrix = Tensor | Operand


def attach(weight: nn.Parameter, form: Operand) -> None:
    """Have `operand` find a form in a weight's place, until the weight is changed or copied."""
    weight.__dict__["form"] = (form, weight.data_ptr(), weight._version)


def operand(weight: Tensor, x: Tensor) -> Matrix:
    """What to multiply x by: another form of a weight if it has one that will do, else itself.

    It will do where no gradient is wanted, for x in float32 on the processor, and if the weight
    was not changed since.
    """
    found = weight.__dict__.get("form")
    if found is None or torch.is_grad_enabled() or x.dtype != torch.float32 or x.is_cuda:
        return weight
    form, address, version = found
    assert isinstance(form, Operand)
    unchanged = (weight.data_ptr(), weight._version) == (address, version)
    return form if unchanged and form.serves else weight
