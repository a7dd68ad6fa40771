"""A layer of LSTM cells over packed sequences by the compiled kernel."""

import ctypes
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wordlab.native.library import MOST_THREADS, SETS, Kernels
from wordlab.native.workspace import workspace

LEAST_LANES = 4
"""Sequences that a thread has at least: rows of a product share what is read for it."""


class _Lstm(ctypes.Structure):
    """`Lstm` of kernels.cpp, field by field."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("tokens", "sequences", "units", "times")),
        *((name, ctypes.c_void_p) for name in ("steps", "weight", "h", "c")),
        *((n, ctypes.c_void_p) for n in ("gates", "outputs", "cells", "tanhs", "before")),
        *((n, ctypes.c_void_p) for n in ("d_outputs", "d_cells", "d_gates", "d_h", "d_c")),
        ("threads", ctypes.c_int),
    )


@dataclass(frozen=True)
class Layer:
    """What a layer computes with; float32 on the CPU.

    Attributes:
        weight: of the state, in blocks i, f, o, g. [4 n, n]
        h, c: before the first words. [S, n]
        dtype: of the products' operands; sums are float32.
    """

    weight: Tensor
    h: Tensor
    c: Tensor
    steps: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Walk:
    """What happened at each token.

    Attributes:
        gates: i, f, o and g. [M, 4 n]
        outputs, cells, tanhs, before: h', c', tanh(c') and h. [M, n]
    """

    gates: Tensor
    outputs: Tensor
    cells: Tensor
    tanhs: Tensor
    before: Tensor

    @property
    def arrays(self) -> tuple[Tensor, ...]:
        """In the kernel's order."""
        return self.gates, self.outputs, self.cells, self.tanhs, self.before


def forward(kernels: Kernels, layer: Layer, a: Tensor) -> Walk:
    """Go forward in time.

    Args:
        a: what the inputs add to each block; the walk keeps it as its gates. [M, 4 n]
    """
    walk = Walk(a, *(a.new_empty(len(a), a.shape[1] // 4) for _ in range(4)))
    _run(kernels, layer, walk, (None,) * 5, back=False)
    return walk


def backward(
    kernels: Kernels, layer: Layer, walk: Walk, d_outputs: Tensor | None, d_cells: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Go back in time; return the gradients of `a`, h and c."""
    given = [None if d is None else d.contiguous() for d in (d_outputs, d_cells)]
    found = torch.empty_like(walk.gates), torch.empty_like(layer.h), torch.empty_like(layer.c)
    _run(kernels, layer, walk, (*given, *found), back=True)
    return found


def _run(
    kernels: Kernels,
    layer: Layer,
    walk: Walk,
    gradients: tuple[Tensor | None, ...],
    back: bool,
) -> None:
    library = kernels.library
    assert library is not None
    steps = np.array(layer.steps, dtype=np.int64)
    assert steps.sum() == len(walk.gates)
    assert len(layer.h) == len(layer.c) >= steps[0]
    lanes = int(steps[0])
    arrays = (layer.weight, layer.h, layer.c, *walk.arrays, *gradients)
    assert all(array is None or array.is_contiguous() for array in arrays)
    problem = _Lstm(
        len(walk.gates),
        lanes,
        layer.h.shape[1],
        len(steps),
        steps.ctypes.data,
        *(None if array is None else array.data_ptr() for array in arrays),
        max(1, min(torch.get_num_threads(), lanes // LEAST_LANES, MOST_THREADS)),
    )
    how = SETS.index(kernels.instructions), int(layer.dtype == torch.bfloat16)
    size = library.wordlab_lstm_bytes(*how, ctypes.byref(problem))
    memory = workspace.array("lstm", torch.Size([size]), torch.uint8, layer.h.device)
    address = ctypes.c_void_p(memory.data_ptr())
    if library.wordlab_lstm(*how, ctypes.byref(problem), address, int(back)):
        problem.threads = 1  # OpenMP gave fewer than were asked for, and nothing was done yet
        library.wordlab_lstm(*how, ctypes.byref(problem), address, int(back))
