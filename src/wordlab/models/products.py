"""Matrix products by the fastest library at hand.

PyTorch sends float32 products on x86 processors to MKL, which on processors of another maker
than its own may use narrower instructions than the machine has; oneDNN, in the same binary, does
not. `benchmarks/products.py` measures both.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional


@cache
def _onednn_serves(dtype: torch.dtype) -> bool:
    """Whether oneDNN is built in and multiplies this type natively here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        one = torch.ones(1, 1, dtype=dtype)
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, None, "none", [], "") == 1)
    except (AttributeError, RuntimeError):  # an operator of this build only: others do without
        return False


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x weight' + bias, without a gradient. [B, F], [V, F], [V] -> [B, V]."""
    if (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.dtype == weight.dtype
        and _onednn_serves(x.dtype)
    ):
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return result
    return functional.linear(x, weight, bias)
