"""Numbers that the ranks of one machine tell each other through memory."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from wordlab.training.together.gradient_sums import Floats
from wordlab.training.together.shared_memory import LINE

SPIN_SECONDS = 2e-3
"""How long to look without a pause: ranks are rarely further apart, and waking up takes longer."""
PAUSE_SECONDS = 2e-4
LOOK_SECONDS = 0.5
"""How often to see whether the others live."""


class Board:
    """Where each rank writes numbers and how often it has, and reads what the others wrote.

    Ranks write to two halves in turn: whoever writes to one has read the other. That a rank's count
    reaches memory after its numbers is how x86 processors write; on others it would need a fence.

    Args:
        memories: of each rank, `size_of` bytes that begin as zeros.
        processes: of each rank.
        rank: this process's.
    """

    def __init__(self, memories: Sequence[Tensor], processes: Sequence[int], rank: int) -> None:
        arrays = [memory.numpy() for memory in memories]
        self._counts = [array[:8].view(np.int64) for array in arrays]
        self._gone = [array[8:16].view(np.int64) for array in arrays]
        self._halves = [array[LINE:].view(np.float64).reshape(2, -1) for array in arrays]
        self._processes = processes
        self._rank = rank
        self._turn = 0

    @staticmethod
    def size_of(most: int) -> int:
        """Bytes of each rank's memory, for so many numbers at a time."""
        return LINE + 2 * 8 * most

    def tell(self, numbers: Sequence[float]) -> Floats:
        """Tell all ranks some numbers, as many as they tell, and return those of each. [R, n]

        Raises:
            RuntimeError: where another rank ended or left.
        """
        self._turn += 1
        here = self._turn % 2, slice(len(numbers))
        self._halves[self._rank][here] = numbers
        self._counts[self._rank][0] = self._turn
        for rank in range(len(self._counts)):
            self._wait(rank)
        return np.array([halves[here] for halves in self._halves])

    def close(self) -> None:
        """Tell all who wait for this rank that nothing more will come."""
        self._gone[self._rank][0] = 1

    def _wait(self, rank: int) -> None:
        """Wait until a rank has written."""
        count, gone = self._counts[rank], self._gone[rank]
        began = looked = time.monotonic()
        while count[0] < self._turn:
            # It may have written its last numbers in between.
            if gone[0] and count[0] < self._turn:
                raise RuntimeError("it has left")
            now = time.monotonic()
            if now - began < SPIN_SECONDS:
                os.sched_yield()
                continue
            time.sleep(PAUSE_SECONDS)
            if now - looked > LOOK_SECONDS:
                looked = now
                process = self._processes[rank]
                if not _lives(process) and count[0] < self._turn:
                    raise RuntimeError(f"process {process} ended")


def _lives(process: int) -> bool:
    """Whether a process of this machine has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"
