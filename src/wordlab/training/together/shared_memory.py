"""Memory of each rank that all ranks of a machine map."""

import mmap
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LINE = 64
"""Bytes that a processor moves at a time; memory that is handed out begins at one."""


@dataclass(frozen=True)
class RankMemory:
    """The memory of one rank.

    Attributes:
        process: its number.
        bytes: uint8.
    """

    process: int
    bytes: Tensor


@dataclass(frozen=True)
class _Address:
    """Where a process has its memory.

    Attributes:
        token: what it begins with, which tells it from another machine's of the same numbers.
    """

    process: int
    descriptor: int
    size: int
    token: bytes


def shared_memory(size: int, tell: Callable[[Any], list[Any]]) -> list[RankMemory] | None:
    """So many bytes of each rank, in their order, zeros at first; all ranks read and write them.

    The memory has no name in a file system: it is gone with the processes, however they end.

    Args:
        size: 0 if this rank cannot take part.
        tell: tells all ranks something, and returns what each told.

    Returns:
        None, on all ranks, where one has no such memory or does not reach another's.
    """
    own = _create(LINE + size) if size else None
    try:
        found = [_mapped(address) if address else None for address in tell(own)]
        reached = tell(all(memory is not None for memory in found))
    finally:
        if own is not None:
            os.close(own.descriptor)
    return [memory for memory in found if memory is not None] if all(reached) else None


def _create(size: int) -> _Address | None:
    """Make memory, its token first; None where the system has none to give."""
    if not hasattr(os, "memfd_create"):
        return None
    token = uuid.uuid4().bytes
    try:
        descriptor = os.memfd_create("wordlab")
    except OSError:
        return None
    try:
        os.ftruncate(descriptor, size)
        os.write(descriptor, token)
    except OSError:
        os.close(descriptor)
        return None
    return _Address(os.getpid(), descriptor, size, token)


def _mapped(address: _Address) -> RankMemory | None:
    """The memory of a process, after its token; None where it is out of reach."""
    try:
        with open(f"/proc/{address.process}/fd/{address.descriptor}", "r+b") as file:
            mapped = mmap.mmap(file.fileno(), address.size)
    except (OSError, ValueError):
        return None
    if mapped[: len(address.token)] != address.token:
        return None
    return RankMemory(address.process, torch.frombuffer(mapped, dtype=torch.uint8)[LINE:])
