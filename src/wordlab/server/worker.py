"""One thread that asks the models: what several requests want is worked out in one call."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Made = TypeVar("Made")

Inquiry = Generator[Any, Any, Made]
"""Yields questions, is sent the answer to each, and returns what it makes of them."""

MOST_TAKEN = 64
"""Inquiries that are gathered at a time."""

CONTENT = 8
"""Calls after a wait in vain for which as many as came last are enough."""


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
    """An inquiry under way, the question that it waits for an answer to, and who waits for it."""

    call: Call
    inquiry: Inquiry[Any]
    waiter: asyncio.Future[Any]
    question: Any = None
    made: Any = None
    fault: Exception | None = None

    def go_on(self, answer: Any = None) -> bool:
        """Hand over an answer; whether there is another question."""
        try:
            self.question = self.inquiry.send(answer)
        except StopIteration as end:
            self.made = end.value
            return False
        except Exception as error:
            self.fault = error
            return False
        return True

    def settle(self) -> None:
        """Tell whoever waits, if somebody does still."""
        if self.waiter.done():
            return
        if self.fault is None:
            self.waiter.set_result(self.made)
        else:
            self.waiter.set_exception(self.fault)


class Worker:
    """A thread to which all calls of models are left.

    What arrives while it is at work joins in between two calls. A resting thread is woken when as
    many inquiries are there as are likely to come, or soon: those that were answered last, for most
    clients have a next question, and those that had to wait meanwhile. Without the latter clients
    that were once asked for in two halves would be so for ever. Who asks alone is answered at once.
    The thread and the event loop wake each other once for all of them: a wake can cost more
    than all else that a request takes beside its model.

    Args:
        gather_seconds: the longest wait for further inquiries.
        threads: that a call of a model may use.
    """

    def __init__(self, gather_seconds: float, threads: int) -> None:
        self._gather_seconds = gather_seconds
        self._threads = threads
        self._thread = threading.Thread()
        self._reset()

    def _reset(self) -> None:
        self._arrived: deque[_Task] = deque()
        self._answered: list[_Task] = []
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._expected = 1
        self._content = 0
        self._rests = True
        self._stopped = False

    def start(self) -> None:
        """Begin to answer."""
        self._reset()
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End when what was asked is answered."""
        self._stopped = True
        self._bell.put(None)
        self._thread.join()

    async def ask(self, call: Call, inquiry: Inquiry[Made]) -> Made:
        """Have the questions of an inquiry answered, and return what it made of the answers."""
        self._loop = asyncio.get_running_loop()
        task = _Task(call, inquiry, self._loop.create_future())
        self._arrived.append(task)
        if self._rests:
            self._gather()
        made: Made = await task.waiter
        return made

    # These belong to the event loop.

    def _gather(self) -> None:
        """Wake the thread if enough is there, else soon."""
        assert self._loop is not None
        if self._is_enough():
            self._wake()
        elif self._patience is None:
            self._patience = self._loop.call_later(self._gather_seconds, self._wait_no_longer)

    def _wait_no_longer(self) -> None:
        self._content = CONTENT
        self._wake()

    def _wake(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._rests = False
        self._bell.put(None)

    def _settle(self, answered: Sequence[_Task], rests: bool) -> None:
        """Tell who waits; where the thread rests, see to what arrived since it looked."""
        if rests:
            self._rests = True
            if self._arrived:
                self._gather()
        for task in answered:
            task.settle()

    # What follows belongs to the thread.

    def _work(self) -> None:
        torch.set_num_threads(self._threads)  # counts for this thread only
        while not self._stopped:
            self._bell.get()
            self._answer()
        self._answer()  # what came before it heard of the end

    def _answer(self) -> None:
        """Answer what has arrived and what joins in, until there is too little to go on with."""
        going: list[_Task] = []
        goes_on = True
        while goes_on:
            new = self._taken()
            going = self._round([t for t in (*going, *new) if not t.waiter.cancelled()])
            self._expected = max(1, len(new) + (0 if self._content else len(self._arrived)))
            self._content = max(0, self._content - 1)
            goes_on = bool(going) or self._is_enough()
            self._hand_over(rests=not goes_on)

    def _is_enough(self) -> bool:
        """Whether as many have arrived as are likely to come."""
        return len(self._arrived) >= (1 if self._stopped else self._expected)

    def _taken(self) -> list[_Task]:
        """Take what has arrived, and have it put its first questions."""
        count = min(len(self._arrived), MOST_TAKEN)
        new = [self._arrived.popleft() for _ in range(count)]
        return self._with_questions(new, [None] * count)

    def _hand_over(self, rests: bool = False) -> None:
        """Have the event loop tell those who are answered."""
        answered, self._answered = self._answered, []
        try:
            if self._loop is not None and (answered or rests):
                self._loop.call_soon_threadsafe(self._settle, answered, rests)
        except RuntimeError:  # it has ended: nobody waits
            self._rests = self._rests or rests

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
        asked = [task for call, tasks in groups.items() for task in self._asked(call, tasks)]
        return later + asked

    def _asked(self, call: Call, tasks: Sequence[_Task]) -> list[_Task]:
        """Ask together, and where that fails each alone; return those with a further question."""
        self._hand_over()
        try:
            answers = call.answer([task.question for task in tasks])
        except Exception as error:
            if len(tasks) > 1:
                return [task for one in tasks for task in self._asked(call, [one])]
            tasks[0].fault = error
            self._answered += tasks
            return []
        return self._with_questions(tasks, answers)

    def _with_questions(self, tasks: Sequence[_Task], answers: Sequence[Any]) -> list[_Task]:
        """Hand answers over; return the tasks that have a further question."""
        further: list[_Task] = []
        for task, answer in zip(tasks, answers, strict=True):
            (further if task.go_on(answer) else self._answered).append(task)
        return further
