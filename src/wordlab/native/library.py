"""The compiled kernels: whether they are there, and which instructions they use."""

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

InstructionSet = Literal["portable", "avx2", "avx512"]

SETS: tuple[InstructionSet, ...] = ("portable", "avx2", "avx512")
"""As the library numbers them."""
MOST_THREADS = 256
"""Of a kernel."""
VARIABLE = "WORDLAB_NATIVE"
"""Environment variable: 0 for none, or the name of an instruction set."""


@dataclass(frozen=True)
class Kernels:
    """The library, and the instruction set to use.

    Attributes:
        reason: why there is none to use; empty if there is.
    """

    library: ctypes.CDLL | None
    instructions: InstructionSet
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether there are kernels to use."""
        return self.library is not None and not self.reason

    def serve(self, dtype: torch.dtype, *operands: Tensor) -> bool:
        """Whether they take these operands, and products of this type."""
        return (
            self.usable
            and all(x.device.type == "cpu" and x.dtype == torch.float32 for x in operands)
            and dtype in (torch.float32, torch.bfloat16)
            and (dtype == torch.float32 or self.instructions == "avx512")
        )

    def __str__(self) -> str:
        if self.usable:
            return f"compiled, {self.instructions}"
        return f"PyTorch's ({self.reason})"


_allowed: ContextVar[bool] = ContextVar("allowed", default=True)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Let PyTorch do all the work in here."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def kernels() -> Kernels:
    """The kernels, as far as they may be used here."""
    found = _found()
    return found if _allowed.get() else Kernels(None, found.instructions, "not wanted here")


@cache
def _found() -> Kernels:
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "0":
        return Kernels(None, "portable", f"{VARIABLE}=0")
    spec = importlib.util.find_spec("wordlab.native._kernels")
    if spec is None or spec.origin is None:
        return Kernels(None, "portable", "no compiler was found when the package was installed")
    try:
        # PyTorch is loaded by now, and with it the OpenMP whose threads the kernels share.
        library = ctypes.CDLL(spec.origin)
    except OSError as error:
        return Kernels(None, "portable", str(error))
    if not compiled_from(library, Path(spec.origin).parent):
        return Kernels(None, "portable", "compiled from other sources: install the package anew")
    for name in ("softmax", "judge", "lstm", "window"):
        getattr(library, f"wordlab_{name}_bytes").restype = ctypes.c_long
    best = SETS[library.wordlab_best()]
    if wanted in SETS[: SETS.index(best) + 1]:
        return Kernels(library, SETS[SETS.index(wanted)])
    if wanted:
        return Kernels(None, best, f"{VARIABLE}={wanted} is not of this processor")
    if best == "portable":
        # Without wide vectors, PyTorch's own libraries are as fast.
        return Kernels(library, best, "no AVX2 here")
    return Kernels(library, best)


def compiled_from(library: ctypes.CDLL, folder: Path) -> bool:
    """Whether the library was compiled from the sources in this folder, if there are any.

    A checkout's may be newer than the library, which then would read what it is handed by another
    layout.
    """
    sources = sorted(folder.glob("*.?pp"))
    if not sources:
        return True
    try:
        found = library.wordlab_sources
    except AttributeError:
        return False
    found.restype = ctypes.c_char_p
    expected = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return bool(found() == expected.encode())
