"""One thread that asks the models: what several requests want is worked out in one call."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

Made = TypeVar("Made")

Inquiry = Generator[Any, Any, Made]
"""Yields questions, is sent the answer to each, and returns what it makes of them."""

MOST_TAKEN = 64
"""Inquiries that are gathered at a time."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a model that answers several questions at once.

    Attributes:
        answer: questions -> an answer to each; the same as if each were asked alone.
        size: how much work a question is.
        most: the work of one call; a larger question is asked alone.
    """

    answer: Callable[[Sequence[Any]], Sequence[Any]]
    size: Callable[[Any], int]
    most: int


@dataclass(eq=False)
class _Task:
    """An inquiry under way, and the question that it waits for an answer to."""

    call: Call
    inquiry: Inquiry[Any]
    future: Future[Any] = field(default_factory=Future)
    question: Any = None

    def go_on(self, answer: Any = None) -> bool:
        """Hand over an answer; whether there is another question."""
        try:
            self.question = self.inquiry.send(answer)
        except StopIteration as end:
            self._settle(self.future.set_result, end.value)
            return False
        except Exception as error:
            self.fail(error)
            return False
        return True

    def fail(self, error: Exception) -> None:
        """Tell whoever waits."""
        self._settle(self.future.set_exception, error)

    def _settle(self, settle: Callable[[Any], None], value: object) -> None:
        try:
            settle(value)
        except InvalidStateError:  # nobody waits any longer
            self.inquiry.close()


class Worker:
    """A thread to which all calls of models are left.

    It waits for as many inquiries as came together last time, but not for long: who asks alone is
    answered at once.

    Args:
        gather_seconds: the longest wait for further inquiries.
        threads: that a call of a model may use.
    """

    def __init__(self, gather_seconds: float, threads: int) -> None:
        self._gather_seconds = gather_seconds
        self._threads = threads
        self._arriving: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._expected = 1
        self._stopped = False
        self._thread = threading.Thread()

    def start(self) -> None:
        """Begin to answer."""
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End when what was asked is answered."""
        self._arriving.put(None)
        self._thread.join()

    async def ask(self, call: Call, inquiry: Inquiry[Made]) -> Made:
        """Have the questions of an inquiry answered, and return what it made of the answers."""
        task = _Task(call, inquiry)
        self._arriving.put(task)
        made: Made = await asyncio.wrap_future(task.future)
        return made

    def _work(self) -> None:
        torch.set_num_threads(self._threads)  # counts for this thread only
        waiting: list[_Task] = []
        while not (self._stopped and not waiting):
            new = self._arrived(wait=not waiting)
            waiting += [task for task in new if task.go_on()]
            waiting = self._round([task for task in waiting if not task.future.cancelled()])

    def _arrived(self, wait: bool) -> list[_Task]:
        """Take what has arrived; where nothing is under way, wait for it."""
        found: list[_Task] = []
        latest = None if wait else 0.0
        while len(found) < MOST_TAKEN and not self._stopped:
            try:
                left = None if latest is None else max(latest - time.monotonic(), 0.0)
                task = self._arriving.get(timeout=left)
            except queue.Empty:
                break
            if task is None:
                self._stopped = True
                break
            found.append(task)
            if latest is None:
                latest = time.monotonic() + self._gather_seconds
            if wait and len(found) >= self._expected:
                latest = 0.0  # take what is there already, and wait no more
        if wait:
            self._expected = len(found)
        return found

    def _round(self, waiting: Sequence[_Task]) -> list[_Task]:
        """Answer a question of each, as far as they fit into one call; return who waits on."""
        groups: dict[Call, list[_Task]] = {}
        later: list[_Task] = []
        room: dict[Call, int] = {}
        for task in waiting:
            call = task.call
            size = call.size(task.question)
            left = room.get(call, call.most)
            if call in groups and size > left:
                later.append(task)
            else:
                groups.setdefault(call, []).append(task)
                room[call] = left - size
        asked = [task for call, tasks in groups.items() for task in _answered(call, tasks)]
        return later + asked


def _answered(call: Call, tasks: Sequence[_Task]) -> list[_Task]:
    """Ask together, and where that fails each alone; return those with a further question."""
    try:
        answers = call.answer([task.question for task in tasks])
    except Exception as error:
        if len(tasks) == 1:
            tasks[0].fail(error)
            return []
        return [task for one in tasks for task in _answered(call, [one])]
    return [task for task, own in zip(tasks, answers, strict=True) if task.go_on(own)]
