"""What ranks tell each other through memory: nothing is lost, and nobody waits for the dead."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wordlab.training.together.board import Board
from wordlab.training.together.shared_memory import shared_memory

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such memory here")


def boards(ranks: int, processes: list[int] | None = None) -> list[Board]:
    memories = [torch.zeros(Board.size_of(5), dtype=torch.uint8) for _ in range(ranks)]
    return [Board(memories, processes or [os.getpid()] * ranks, rank) for rank in range(ranks)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_all_hear_what_each_tells(ranks: int) -> None:
    """In a thousand turns, in which now this rank and now that one comes late."""
    heard: list[list[Any]] = [[] for _ in range(ranks)]

    def talk(rank: int, board: Board) -> None:
        draw = np.random.default_rng(rank)
        for turn in range(1000):
            if draw.random() < 0.01:
                threading.Event().wait(0.003)
            count = 1 + turn % 5
            heard[rank].append(board.tell([rank + turn / (1 + at) for at in range(count)]))

    threads = [
        threading.Thread(target=talk, args=(rank, board))
        for rank, board in enumerate(boards(ranks))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for turn in range(1000):
        count = 1 + turn % 5
        expected = [[rank + turn / (1 + at) for at in range(count)] for rank in range(ranks)]
        assert all(of_rank[turn].tolist() == expected for of_rank in heard)


def test_a_rank_that_ended_is_not_waited_for() -> None:
    """Nor one that nobody has buried yet."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        board, _ = boards(2, [os.getpid(), process.pid])
        with pytest.raises(RuntimeError, match=f"process {process.pid} ended"):
            board.tell([1.0])
    board, _ = boards(2, [os.getpid(), process.pid])
    with pytest.raises(RuntimeError, match="ended"):
        board.tell([1.0])


def test_a_rank_that_left_is_not_waited_for_but_heard() -> None:
    first, second = boards(2)
    heard: list[Any] = []
    talking = threading.Thread(target=lambda: heard.append(first.tell([1.0])))
    talking.start()
    second.tell([2.0])
    second.close()
    talking.join()
    assert heard[0].tolist() == [[1.0], [2.0]]

    def ask() -> None:
        with pytest.raises(RuntimeError, match="left"):
            first.tell([3.0])
        heard.append("left")

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(10)
    assert heard[1:] == ["left"]


def test_memory_is_zeros_and_shared() -> None:
    told: list[Any] = []

    def tell(what: Any) -> list[Any]:
        told.append(what)
        return [what, what]  # two ranks that are one process

    found = shared_memory(1000, tell)
    assert found is not None
    one, other = (memory.bytes for memory in found)
    assert len(one) == 1000
    assert not one.any()
    one[7] = 3
    assert other[7] == 3
    assert [memory.process for memory in found] == [os.getpid()] * 2
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(told[0].descriptor)


@pytest.mark.parametrize(
    "change", [{"token": b"x" * 16}, {"process": 2**22 + 1}, {"size": 1 << 20}]
)
def test_memory_out_of_reach_is_refused_by_all(change: dict[str, Any]) -> None:
    """As where a rank is on another machine."""

    def tell(what: Any) -> list[Any]:
        return [what, what if isinstance(what, bool) else replace(what, **change)]

    assert shared_memory(1000, tell) is None


def test_a_rank_without_memory_is_heard() -> None:
    assert shared_memory(0, lambda what: [what]) is None
