"""What a softmax layer says of targets, by the compiled kernel."""

import ctypes

import torch
from torch import Tensor

from wordlab.native.library import MOST_THREADS, SETS, Kernels
from wordlab.native.workspace import workspace


class _Judged(ctypes.Structure):
    """`Judged` of kernels.cpp, field by field."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("rows", "features", "classes")),
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "targets")),
        *((name, ctypes.c_void_p) for name in ("nats", "entropies", "ranks")),
        ("threads", ctypes.c_int),
    )


def judge(
    kernels: Kernels, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, entropies: bool
) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """Work out each target's nats and rank, and each distribution's entropy if it is wanted.

    A row's figures do not depend on the rows beside it, nor on the number of threads.

    Args:
        x, weight, bias: float32 on the CPU. [B, F], [V, F], [V]
        targets: int64. [B]

    Returns:
        float64, int64 and float64, each [B]; a rank of 0, and nothing else, where the kernel cannot
        say: for losses of 78 nats and more, and numbers that are none. None where a target is no
        class, or the system refuses threads.
    """
    library = kernels.library
    assert library is not None
    arrays = [array.contiguous() for array in (x, weight, bias, targets)]
    nats = x.new_empty(len(x), dtype=torch.float64)
    spreads = torch.empty_like(nats) if entropies else None
    ranks = torch.empty_like(targets)
    problem = _Judged(
        len(x),
        x.shape[1],
        len(weight),
        *(None if array is None else array.data_ptr() for array in (*arrays, nats, spreads, ranks)),
        min(torch.get_num_threads(), MOST_THREADS),
    )
    set_ = SETS.index(kernels.instructions)
    size = library.wordlab_judge_bytes(set_, ctypes.byref(problem))
    memory = workspace.array("judge", torch.Size([size]), torch.uint8, x.device)
    done = library.wordlab_judge(set_, ctypes.byref(problem), ctypes.c_void_p(memory.data_ptr()))
    return (nats, ranks, spreads) if done == 0 else None
