"""How quickly training goes here, and with how many threads: some steps on a copy of the model."""

import statistics
import time
from collections.abc import Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import torch
from torch import Tensor, nn

from wordlab.batching.batch import Order
from wordlab.models.language_model import Loss
from wordlab.models.products import linear
from wordlab.training.averaging import WeightAverage
from wordlab.training.optimizers import OptimizerSet
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Examples, Task

STEPS = 5
"""Of each number of threads, at as many shares of the training, spread evenly."""
LEAST_SECONDS = 0.005
"""Shorter steps are done again and again for so long, and the middle one counts."""
MOST_SECONDS = 0.5
"""After so long there are no further rounds, but for the first."""
WORTH = 0.95
"""More threads are taken only where a step takes at most this share of the time."""
STALLED = 1.5
"""Where products alone take so many times as long as with the fewest threads, none is tried."""
_PRODUCT_FLOPS = 10**8
_PRODUCTS, _ROUNDS = 4, 3


@dataclass(frozen=True)
class Pace:
    """What training was found to do.

    Attributes:
        threads: the number that was quickest, of those tried.
        targets_per_second: of steps with so many threads; scored_per_second: forward alone.
        step_seconds: the median of a step, by number of threads.
        product_seconds: of some products alone, by all numbers that were asked for.
        steps: that were timed, with each.
    """

    threads: int
    targets_per_second: float
    scored_per_second: float
    step_seconds: dict[int, float]
    product_seconds: dict[int, float]
    steps: int


def candidates(offered: int) -> tuple[int, ...]:
    """The numbers of threads that are tried: one, half of those there are, and all."""
    return tuple(sorted({1, max(1, offered // 2), offered}))


def measured_pace(task: Task, settings: TrainingSettings, threads: Sequence[int]) -> Pace:
    """Time some steps with each number of threads in turn; the task and all chance stay as are.

    Args:
        threads: the numbers to try; torch is left at the one that was quickest.
    """
    with torch.random.fork_rng(devices=[]):
        products = _products(task.model, threads)
        fewest = products[min(threads)]
        threads = [number for number in threads if products[number] <= STALLED * fewest]
        trial = _Trial(task, settings)
        found: dict[int, list[float]] = {number: [] for number in threads}
        torch.set_num_threads(min(threads))
        trial.step(0.0)  # what is made at the first step only
        began = time.perf_counter()
        for done in range(STEPS):
            if done and time.perf_counter() - began > MOST_SECONDS:
                break
            for number in threads:
                torch.set_num_threads(number)
                found[number].append(trial.timed((done + 0.5) / STEPS))
        medians = {number: statistics.median(seconds) for number, seconds in found.items()}
        chosen = _chosen(medians)
        torch.set_num_threads(chosen)
        # Not the median: steps at the end of a training may differ from those before.
        rate = 1 / statistics.mean(found[chosen])
        scored = trial.scored()
    steps = {number: seconds * trial.targets for number, seconds in medians.items()}
    return Pace(chosen, rate, scored, steps, products, len(found[chosen]))


def _products(model: nn.Module, threads: Sequence[int]) -> dict[int, float]:
    """Seconds of some products at the shape of the largest matrix, by number of threads.

    Where another program holds a core, threads wait for one another: a step could take seconds.
    """
    if len(threads) == 1:
        return {threads[0]: 0.0}
    matrix = max((p.detach() for p in model.parameters() if p.dim() == 2), key=Tensor.numel)
    x = torch.randn(max(1, _PRODUCT_FLOPS // (2 * matrix.numel())), matrix.shape[1])
    linear(x.to(matrix), matrix)
    found: dict[int, list[float]] = {number: [] for number in threads}
    for _ in range(_ROUNDS):
        for number in threads:
            torch.set_num_threads(number)
            began = time.perf_counter()
            for _ in range(_PRODUCTS):
                linear(x.to(matrix), matrix)
            found[number].append(time.perf_counter() - began)
    return {number: statistics.median(seconds) for number, seconds in found.items()}


def _chosen(seconds: dict[int, float]) -> int:
    """The quickest; of nearly equal ones the fewest."""
    best = min(seconds)
    for number in sorted(seconds)[1:]:
        if seconds[number] < WORTH * seconds[best]:
            best = number
    return best


class _Trial:
    """Steps on a copy of the model, of which nothing remains.

    Attributes:
        targets: of a step, on average.
    """

    def __init__(self, task: Task, settings: TrainingSettings) -> None:
        self._task = copy(task)
        self._task.model = self._model = deepcopy(task.model).train()
        self._steps = self._task.steps(settings)
        if self._steps is not None:
            self._block = next(self._steps.blocks(Order(settings.seed, 0), 0))
        self._optimizer = OptimizerSet(settings.optimizer, self._model)
        self._average = WeightAverage(self._model, settings.averaging)
        self._device = next(self._model.parameters()).device
        feed = task.batches(settings.batch, Order(settings.seed, 0), settings.left_out(0))
        batches = list(islice((batch for batch in feed if len(batch.targets)), STEPS))
        self.targets = statistics.mean(len(batch.targets) for batch in batches)
        self._batches = batches
        self._feed: Iterator[Examples] = cycle(batches)
        self._state: tuple[Tensor, ...] = ()

    def step(self, share: float) -> int:
        """Do what the training does at a share of it; return how many targets it was for."""
        if self._steps is not None:
            self._steps.take(self._block, np.zeros(self._steps.count(self._block)))
            return len(self._block.targets)
        batch = next(self._feed).to(self._device)
        self._task.at(share)
        loss: Loss = self._model(batch, self._state if batch.continues else ())
        self._state = loss.state
        self._optimizer.zero()
        (loss.nats / loss.targets).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step(0.0)
        self._average.update()
        return loss.targets

    def timed(self, share: float) -> float:
        """Seconds a target of steps at a share of the training."""
        found: list[float] = []
        began = time.perf_counter()
        while not found or time.perf_counter() - began < LEAST_SECONDS:
            before = time.perf_counter()
            targets = self.step(share)
            found.append((time.perf_counter() - before) / targets)
        return statistics.median(found)

    @torch.no_grad()
    def scored(self) -> float:
        """Targets a second of the way forward, as between epochs."""
        self._model.eval()
        began, targets = time.perf_counter(), 0
        for batch in self._batches:
            loss: Loss = self._model(batch.to(self._device))
            targets += loss.targets
            if time.perf_counter() - began > MOST_SECONDS / 2:
                break
        return targets / (time.perf_counter() - began)
