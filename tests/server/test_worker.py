"""What waits together is answered together, and no question harms another."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from wordlab.server.worker import Call, Inquiry, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(gather_seconds=0.05, threads=1)
    made.start()
    yield made
    made.stop()


def asked_once(question: object) -> Inquiry[object]:
    return (yield question)


class Doubling:
    """Doubles numbers, notes what it was asked together, and can be held up."""

    def __init__(self, most: int = 100, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.call = Call(self.answer, abs, most)

    def answer(self, questions: Sequence[int]) -> list[int]:
        self.may_go_on.wait(10)
        time.sleep(self.seconds)
        self.asked.append(list(questions))
        if 13 in questions:
            raise ValueError("13")
        return [2 * question for question in questions]


def behind_a_first(
    doubling: Doubling, worker: Worker, asking: Callable[[], Sequence[Awaitable[object]]]
) -> list[object]:
    """Ask while the worker is held up by a question of its own."""

    async def all_of_them() -> list[object]:
        doubling.may_go_on.clear()
        first = asyncio.ensure_future(worker.ask(doubling.call, asked_once(0)))
        await asyncio.sleep(0.02)
        others = asyncio.gather(*asking(), return_exceptions=True)
        await asyncio.sleep(0.02)
        doubling.may_go_on.set()
        await first
        return await others

    return asyncio.run(all_of_them())


def test_questions_that_wait_are_asked_together(worker: Worker) -> None:
    doubling = Doubling()
    found = behind_a_first(
        doubling,
        worker,
        lambda: [worker.ask(doubling.call, asked_once(number)) for number in range(1, 9)],
    )
    assert found == [2, 4, 6, 8, 10, 12, 14, 16]
    assert doubling.asked == [[0], [1, 2, 3, 4, 5, 6, 7, 8]]


def test_a_call_takes_no_more_than_it_may(worker: Worker) -> None:
    doubling = Doubling(most=10)
    found = behind_a_first(
        doubling,
        worker,
        lambda: [worker.ask(doubling.call, asked_once(number)) for number in (50, 6, 5, 4)],
    )
    assert found == [100, 12, 10, 8]
    assert sorted(map(sorted, doubling.asked)) == [[0], [4, 6], [5], [50]]


def test_a_question_that_fails_harms_no_other(worker: Worker) -> None:
    doubling = Doubling()
    one, bad, three = behind_a_first(
        doubling,
        worker,
        lambda: [worker.ask(doubling.call, asked_once(number)) for number in (1, 13, 3)],
    )
    assert (one, three) == (2, 6)
    assert isinstance(bad, ValueError)


def test_inquiries_of_several_questions_go_on_side_by_side(worker: Worker) -> None:
    doubling = Doubling()

    def adding(number: int, times: int) -> Inquiry[int]:
        total = 0
        for _ in range(times):
            total += yield number
        return total

    found = behind_a_first(
        doubling,
        worker,
        lambda: [worker.ask(doubling.call, adding(number, number)) for number in (1, 2, 3)],
    )
    assert found == [2, 8, 18]
    assert doubling.asked == [[0], [1, 2, 3], [2, 3], [3]]


def test_who_comes_later_joins_in_between_two_questions(worker: Worker) -> None:
    doubling = Doubling()

    def long(times: int) -> Inquiry[None]:
        for _ in range(times):
            yield 50

    async def ask() -> object:
        doubling.may_go_on.clear()
        slow = asyncio.ensure_future(worker.ask(doubling.call, long(4)))
        await asyncio.sleep(0.02)
        quick = asyncio.ensure_future(worker.ask(doubling.call, asked_once(1)))
        await asyncio.sleep(0.02)
        doubling.may_go_on.set()
        await slow
        return await quick

    assert asyncio.run(ask()) == 2
    assert doubling.asked == [[50], [50, 1], [50], [50]]


def test_clients_that_were_asked_for_in_parts_come_together(worker: Worker) -> None:
    doubling = Doubling(seconds=0.01)

    async def client(number: int) -> None:
        for _ in range(12):
            await worker.ask(doubling.call, asked_once(number))

    async def all_of_them() -> None:
        doubling.may_go_on.clear()
        early = [asyncio.ensure_future(client(number)) for number in range(4)]
        await asyncio.sleep(0.02)
        late = [asyncio.ensure_future(client(number)) for number in range(4, 8)]
        await asyncio.sleep(0.02)
        doubling.may_go_on.set()
        await asyncio.gather(*early, *late)

    asyncio.run(all_of_them())
    assert len(doubling.asked[0]) < 5
    assert [len(questions) for questions in doubling.asked].count(8) >= 9


def test_who_does_not_come_again_is_not_waited_for_each_time() -> None:
    worker = Worker(gather_seconds=0.2, threads=1)
    worker.start()
    doubling = Doubling()

    async def some_and_then_one() -> float:
        await asyncio.gather(*(worker.ask(doubling.call, asked_once(n)) for n in range(4)))
        await worker.ask(doubling.call, asked_once(4))
        began = time.perf_counter()
        for number in range(6):
            await worker.ask(doubling.call, asked_once(number))
        return time.perf_counter() - began

    assert asyncio.run(some_and_then_one()) < 0.2
    worker.stop()


def test_an_event_loop_that_ends_before_its_answer_leaves_the_worker_whole(worker: Worker) -> None:
    doubling = Doubling()
    doubling.may_go_on.clear()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(worker.ask(doubling.call, asked_once(3)), 0.02))
    doubling.may_go_on.set()
    time.sleep(0.05)
    assert asyncio.run(asyncio.wait_for(worker.ask(doubling.call, asked_once(4)), 5)) == 8


def test_who_gives_up_is_not_answered(worker: Worker) -> None:
    doubling = Doubling()

    def impatient() -> Sequence[Awaitable[object]]:
        waiting = asyncio.wait_for(worker.ask(doubling.call, asked_once(7)), 0.001)
        return [waiting, worker.ask(doubling.call, asked_once(8))]

    gone, there = behind_a_first(doubling, worker, impatient)
    assert isinstance(gone, TimeoutError)
    assert there == 16
    assert doubling.asked == [[0], [8]]


def test_stopping_answers_what_was_asked() -> None:
    worker = Worker(gather_seconds=0.0, threads=1)
    worker.start()
    doubling = Doubling()

    async def ask_and_stop() -> int:
        waiting = asyncio.ensure_future(worker.ask(doubling.call, asked_once(4)))
        await asyncio.sleep(0)
        await asyncio.to_thread(worker.stop)
        return await waiting

    assert asyncio.run(ask_and_stop()) == 8
