"""Steps of gradient descent on a window tagger by the compiled kernel."""

import ctypes
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.native.library import SETS, Kernels
from wordlab.native.workspace import workspace


class _Window(ctypes.Structure):
    """`Window` of kernels.cpp, field by field."""

    _fields_ = (
        *((n, ctypes.c_long) for n in ("words", "places", "length", "hidden", "tags", "batch")),
        *((name, ctypes.c_void_p) for name in ("rows", "gold", "rates")),
        ("l2", ctypes.c_float),
        ("mean", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("table", "w", "b", "u", "c", "nats")),
    )


@dataclass(frozen=True)
class WindowNet:
    """h = tanh(W [L(w_1) .. L(w_P)] + b), p = softmax(U h + c).

    Attributes:
        table, w, b, u, c: L [V, E], W [H, P E], b [H], U [T, H] and c [T]; float32, contiguous and
            on the CPU. Training changes them in place.
    """

    table: Tensor
    w: Tensor
    b: Tensor
    u: Tensor
    c: Tensor

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """In the kernel's order."""
        return self.table, self.w, self.b, self.u, self.c

    def is_served(self, kernels: Kernels) -> bool:
        """Whether the kernel takes it."""
        is_laid_out = all(x.is_contiguous() for x in self.weights)
        return is_laid_out and kernels.serve(torch.float32, *self.weights)


@dataclass(frozen=True)
class Descent:
    """How weights are changed.

    Attributes:
        batch: words of a step.
        l2: l of the penalty l / 2 |w|^2 on W and U.
        mean: divide the nats of a batch by its words.
    """

    batch: int
    l2: float
    mean: bool


def train(
    kernels: Kernels,
    net: WindowNet,
    descent: Descent,
    rows: Tensor,
    gold: Tensor,
    rates: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Take a step for each batch in turn, and return the nats that each had before it.

    Args:
        rows: of the table, window after window, int64 [N, P].
        gold: int64 [N]; -1 where it is not known.
        rates: of each step. [ceil(N / batch)]
    """
    library = kernels.library
    assert library is not None
    words, places = rows.shape
    steps = -(-words // descent.batch)
    assert rates.shape == (steps,)
    assert int(rows.min()) >= 0
    assert int(rows.max()) < len(net.table)
    assert int(gold.max()) < len(net.u)
    rows, gold, rates = rows.contiguous(), gold.contiguous(), np.ascontiguousarray(rates)
    nats = np.zeros(steps)
    problem = _Window(
        words,
        places,
        net.table.shape[1],
        *reversed(net.u.shape),
        descent.batch,
        rows.data_ptr(),
        gold.data_ptr(),
        rates.ctypes.data,
        descent.l2,
        int(descent.mean),
        *(weight.data_ptr() for weight in net.weights),
        nats.ctypes.data,
    )
    instructions = SETS.index(kernels.instructions)
    size = library.wordlab_window_bytes(instructions, ctypes.byref(problem))
    memory = workspace.array("window", torch.Size([size]), torch.uint8, rows.device)
    library.wordlab_window(instructions, ctypes.byref(problem), ctypes.c_void_p(memory.data_ptr()))
    return nats
