"""The products and look-ups of a computation, counted as it runs."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from wordlab.native.library import without_kernels


@dataclass(frozen=True)
class Product:
    """A product of two matrices, [rows, inner] and [inner, columns].

    Attributes:
        numbers: that it takes and gives.
    """

    rows: int
    inner: int
    columns: int
    dtype: torch.dtype
    numbers: int

    @classmethod
    def of(cls, rows: int, inner: int, columns: int, dtype: torch.dtype) -> "Product":
        """A product whose matrices are taken as they are."""
        numbers = rows * inner + inner * columns + rows * columns
        return cls(rows, inner, columns, dtype, numbers)

    @property
    def flops(self) -> int:
        """Operations, a multiply-add counted as two."""
        return 2 * self.rows * self.inner * self.columns

    @property
    def bytes(self) -> int:
        """Of the numbers that it takes and gives."""
        return self.numbers * self.dtype.itemsize


@dataclass
class Work:
    """What was counted.

    Attributes:
        products: how often each was done.
        looked_up: bytes of rows that were looked up in tables, and of the tables' gradients.
    """

    products: Counter[Product] = field(default_factory=Counter)
    looked_up: int = 0

    @property
    def flops(self) -> int:
        """Operations of all products."""
        return sum(product.flops * times for product, times in self.products.items())

    @property
    def bytes(self) -> int:
        """Of all products and look-ups."""
        return self.looked_up + sum(p.bytes * times for p, times in self.products.items())

    def less(self, other: "Work") -> "Work":
        """What this has beyond another."""
        products = Counter(self.products)
        products.subtract(other.products)
        return Work(+products, self.looked_up - other.looked_up)


def count(computation: Callable[[], object]) -> Work:
    """Run a computation and count what it does, in PyTorch and in arrays made of its tensors.

    Compiled kernels, which cannot be looked into, stand aside.
    """
    work = Work()
    with without_kernels(), _Arrays(work), _Tensors(work):
        computation()
    return work


class _Tensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what PyTorch's kernels are called with."""

    def __init__(self, work: Work) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._work = work

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        kernel = _KERNELS.get(func.overloadpacket._qualified_op_name)
        if kernel is not None:
            kernel(self._work, args, result)
        return result


def _linear(work: Work, args: Any, result: Tensor) -> None:
    x, weight = args[:2]
    work.products[Product.of(x.numel() // x.shape[-1], x.shape[-1], len(weight), x.dtype)] += 1


def _mm(work: Work, args: Any, result: Tensor) -> None:
    a, b = args[-2:]
    work.products[Product.of(len(a), a.shape[1], b.shape[1], a.dtype)] += 1


def _convolution(work: Work, args: Any, result: Tensor) -> None:
    """Each place of each filter is a row's product with a column."""
    x, weight = args[:2]
    product = _of_filters(x, weight, result, 1)
    work.products[product] += 1


def _convolution_backward(work: Work, args: Any, result: Any) -> None:
    d, x, weight = args[:3]
    wanted = sum(part is not None for part in result[:2])
    work.products[_of_filters(x, weight, d, 1)] += wanted


def _of_filters(x: Tensor, weight: Tensor, y: Tensor, times: int) -> Product:
    numbers = x.numel() + weight.numel() + y.numel()
    return Product(y.numel() // len(weight), weight[0].numel(), len(weight), x.dtype, numbers)


def _embedding(work: Work, args: Any, result: Tensor) -> None:
    work.looked_up += 2 * result.numel() * result.element_size()


def _embedding_backward(work: Work, args: Any, result: Tensor) -> None:
    work.looked_up += (args[0].numel() + result.numel()) * result.element_size()


_KERNELS: Mapping[str, Callable[[Work, Any, Any], None]] = {
    "mkldnn::_linear_pointwise": _linear,
    "aten::mm": _mm,
    "aten::addmm": _mm,
    "aten::convolution": _convolution,
    "aten::convolution_backward": _convolution_backward,
    "aten::embedding": _embedding,
    "aten::embedding_dense_backward": _embedding_backward,
}


class _Arrays(TorchFunctionMode):
    """Lets arrays made of tensors count their products: chains of tags are worked out in NumPy."""

    def __init__(self, work: Work) -> None:
        super().__init__()

        class Counting(np.ndarray[Any, np.dtype[Any]]):
            def __matmul__(self, other: Any) -> Any:
                of_matrix = other.shape[1] if other.ndim == 2 else 1
                rows = math.prod(self.shape[:-1])
                work.products[Product.of(rows, self.shape[-1], of_matrix, torch.float64)] += 1
                plain: NDArray[Any] = np.matmul(np.asarray(self), np.asarray(other))
                return plain.view(Counting)

        self._kind = Counting

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        is_floats = func is Tensor.numpy and result.dtype == np.float64
        return result.view(self._kind) if is_floats else result
