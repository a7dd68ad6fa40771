"""Matrix products by the fastest library at hand.

PyTorch sends float32 products on x86 processors to MKL, which on processors of another maker
than its own may use narrower instructions than the machine has; oneDNN, in the same binary, does
not. `benchmarks/products.py` measures both.
"""

from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from wordlab.models.operands import Matrix, Operand

Precision = Literal["float32", "bfloat16"]

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def product_type(x: Tensor, precision: Precision) -> torch.dtype:
    """The type of a product's operands: the precision asked for, or x's own if that is wider."""
    return x.dtype if x.dtype != torch.float32 else _TYPES[precision]


@cache
def _onednn_serves(dtype: torch.dtype) -> bool:
    """Whether oneDNN is built in and multiplies this type natively here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        one = torch.ones(1, 1, dtype=dtype)
        torch.ops.mkldnn._reorder_linear_weight(one, 1)
        weights = one, torch.ops.mkldnn._reorder_linear_weight(one, 1)
        multiply = torch.ops.mkldnn._linear_pointwise
        return all(bool(multiply(one, w, None, "none", [], "") == 1) for w in weights)
    except (AttributeError, RuntimeError):  # an operator of this build only: others do without
        return False


def linear(x: Tensor, weight: Matrix, bias: Tensor | None = None) -> Tensor:
    """Return x weight' + bias, without a gradient. [B, F], [V, F], [V] -> [B, V]."""
    if isinstance(weight, Operand):
        return weight.product(x, bias)
    if (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.dtype == weight.dtype
        and _onednn_serves(x.dtype)
    ):
        # Of a part of a wider matrix oneDNN makes a walk of single numbers, forty times as slow.
        x = x.contiguous()
        if not (weight.is_contiguous() or weight.t().is_contiguous()):
            weight = weight.contiguous()
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return result
    return functional.linear(x, weight, bias)


class Rearranged(Operand):
    """A weight in the order in which oneDNN reads it, which it else finds anew for each product.

    Of up to 50 rows or so, products are 1.3 to 2.4 times as quick; the results are the same. It is
    arranged when it is first used.
    """

    ROWS = 64
    """For products of about so many."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.detach()
        self._arranged: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """[V, F]"""
        return self._weight.shape

    @property
    def serves(self) -> bool:
        """Whether oneDNN does."""
        return _onednn_serves(torch.float32)

    @property
    def exact(self) -> Tensor:
        """The weight."""
        return self._weight

    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return x W' + bias. [B, F] -> [B, V]"""
        if self._arranged is None:
            weight = self._weight.contiguous()
            self._arranged = torch.ops.mkldnn._reorder_linear_weight(weight, self.ROWS)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.contiguous(), self._arranged, bias, "none", [], ""
        )
        return result

    def __getitem__(self, rows: slice) -> Tensor:
        return self._weight[rows]


def product(
    x: Tensor, weight: Matrix, bias: Tensor | None = None, precision: Precision = "float32"
) -> Tensor:
    """Return x weight' + bias with a gradient. [B, F], [V, F], [V] -> [B, V].

    Operands and result are rounded to `precision`, where it is narrower than theirs; the
    gradients of the weight and the bias are sums in their own type.
    """
    dtype = product_type(x, precision)
    result: Tensor = _Product.apply(x, weight, bias, dtype)  # type: ignore[no-untyped-call]
    return result


class _Product(Function):
    """x W' + b with the gradients d W of x, d' x of W and the sum of d's rows of b."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Matrix, bias: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        if isinstance(weight, Operand):
            return linear(x, weight, bias)
        operands = x.detach().to(dtype), weight.detach().to(dtype)
        ctx.save_for_backward(*operands)
        ctx.types = x.dtype, weight.dtype
        return linear(*operands, None if bias is None else bias.detach().to(dtype))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        x_type, weight_type = ctx.types
        d = upstream[0].to(x.dtype)
        d_x = linear(d, weight.t()).to(x_type) if ctx.needs_input_grad[0] else None
        d_bias = d.sum(dim=0, dtype=weight_type) if ctx.needs_input_grad[2] else None
        return d_x, weight_gradient(d, x).to(weight_type), d_bias, None


def weight_gradient(d: Tensor, x: Tensor) -> Tensor:
    """Return d' x, the gradient of W in x W'. [B, V], [B, F] -> [V, F].

    Only the narrower matrix is copied to be transposed.
    """
    if x.shape[1] < d.shape[1]:
        return linear(x.t().contiguous(), d.t()).t()
    return linear(d.t().contiguous(), x.t())
