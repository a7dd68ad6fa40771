"""The softmax layer's loss and gradients by the compiled kernel."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordlab.native.library import MOST_THREADS, SETS, Kernels
from wordlab.native.workspace import workspace


class _Problem(ctypes.Structure):
    """`Problem` of kernels.cpp, field by field."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("rows", "features", "classes")),
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "targets")),
        *((name, ctypes.c_void_p) for name in ("unigram", "feature_sums")),
        *((name, ctypes.c_float) for name in ("share", "scale")),
        *((name, ctypes.c_int) for name in ("add", "threads")),
        *((name, ctypes.c_void_p) for name in ("nats", "target_logits")),
        *((name, ctypes.c_void_p) for name in ("d_features", "d_weight", "d_bias")),
    )


@dataclass(frozen=True)
class Layer:
    """A softmax layer, its operands float32, contiguous and on the CPU.

    Attributes:
        weight, bias: [V, F] and [V].
        dtype: of the products' operands; sums are float32.
        unigram: u [V], where a share of each target's mass, `smoothing`, goes to it.
        scale: what all gradients are multiplied by.
    """

    weight: Tensor
    bias: Tensor
    dtype: torch.dtype
    unigram: Tensor | None = None
    smoothing: float = 0.0
    scale: float = 1.0


def softmax(
    kernels: Kernels,
    layer: Layer,
    x: Tensor,
    targets: Tensor,
    into: Sequence[Tensor] | None,
    add: bool,
) -> tuple[Tensor, Tensor] | None:
    """Work out the loss of each row, and the gradients of the sum of them if they are wanted.

    The loss is of the target itself; of the gradient of the features, the share of the unigram
    distribution is left out.

    Args:
        x, targets: [B, F], int64 [B].
        into: what the gradients of features, weight and bias are written to.
        add: to what the last two hold already.

    Returns:
        nats and logits of the targets, each [B]; None where the kernel cannot: for losses of 78
        nats and more, numbers that are none, and targets that are no class.
    """
    library = kernels.library
    assert library is not None
    sums = None if layer.unigram is None else x.sum(dim=0)
    targets = targets.contiguous()
    nats, logits = x.new_empty(len(x)), x.new_empty(len(x))
    arrays = (x, layer.weight, layer.bias, targets, layer.unigram, sums)
    problem = _Problem(
        len(x),
        x.shape[1],
        len(layer.weight),
        *(None if array is None else array.data_ptr() for array in arrays),
        1.0 if layer.unigram is None else 1.0 - layer.smoothing,
        layer.scale,
        int(add),
        min(torch.get_num_threads(), MOST_THREADS),
        *(array.data_ptr() for array in (nats, logits, *(into or ()))),
    )
    how = SETS.index(kernels.instructions), int(layer.dtype == torch.bfloat16)
    size = library.wordlab_softmax_bytes(*how, ctypes.byref(problem))
    memory = workspace.array("softmax", torch.Size([size]), torch.uint8, x.device)
    done = library.wordlab_softmax(*how, ctypes.byref(problem), ctypes.c_void_p(memory.data_ptr()))
    return (nats, logits) if done == 0 else None
