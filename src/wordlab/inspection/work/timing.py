"""Seconds of each part, and of the bare products and copies that it cannot be quicker than."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from wordlab.inspection.work.counting import Product, Work
from wordlab.inspection.work.parts import Workload
from wordlab.inspection.work.passes import passes_of
from wordlab.models.products import linear
from wordlab.training.averaging import WeightAverage
from wordlab.training.optimizers import OptimizerSet
from wordlab.training.settings import TrainingSettings

COPIED_BYTES = 1 << 26
"""Of the array whose copy is timed: far more than processors keep near themselves."""
SQUARE = 1024
"""Side of the matrices whose product shows what the machine can do at its best."""
LEAST_SECONDS = 5e-3
"""Shorter things are done again in a round for so long, and the middle one of them is kept."""


@dataclass(frozen=True)
class Seconds:
    """How long something took in each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)

    @property
    def least(self) -> float:
        """The quickest round."""
        return min(self.rounds)

    @property
    def most(self) -> float:
        """The slowest round."""
        return max(self.rounds)

    def less(self, other: "Seconds") -> "Seconds":
        """Round by round, never below 0."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return Seconds(tuple(max(a - b, 0.0) for a, b in pairs))

    def plus(self, other: "Seconds") -> "Seconds":
        """Round by round."""
        return Seconds(tuple(a + b for a, b in zip(self.rounds, other.rounds, strict=True)))


class Stopwatch:
    """Times things by name, in several rounds; what is short is done again and again.

    With one thread the clock is that of the processor, for which other programs' time does not
    count; with several it is that of the wall.
    """

    def __init__(self) -> None:
        one = torch.get_num_threads() == 1
        self._clock = time.process_time if one else time.perf_counter
        self._times: dict[object, int] = {}
        self._found: dict[object, list[float]] = {}

    def time(self, name: object, thing: Callable[[], object], *, once: bool = False) -> None:
        """Do a thing and keep how long it took.

        Args:
            once: it must not be done again and again.
        """
        found = []
        for _ in range(self._times.get(name, 1)):
            began = self._clock()
            thing()
            found.append(self._clock() - began)
        seconds = statistics.median(found)
        if name in self._times:
            self._found.setdefault(name, []).append(seconds)
        else:  # the first time warms up, and says how often it is to be done
            self._times[name] = 1 if once else max(1, round(LEAST_SECONDS / max(seconds, 1e-9)))

    def seconds(self, name: object) -> Seconds:
        """What was found of a thing."""
        return Seconds(tuple(self._found[name]))


@dataclass(frozen=True)
class TimedPart:
    """Seconds of a part with the whole batch; going back is what both ways take beyond one."""

    name: str
    forward: Seconds
    backward: Seconds


@dataclass(frozen=True)
class Limits:
    """What the machine can do: seconds of bare products, and bytes a second of a copy.

    Attributes:
        products: seconds of each.
        square: operations a second of a float32 product of SQUARE rows and columns.
        copied: bytes a second that a copy reads and writes.
    """

    products: Mapping[Product, float]
    square: float
    copied: float

    def seconds(self, work: Work) -> float:
        """The least that some work can take."""
        products = sum(times * self.products[p] for p, times in work.products.items())
        return products + work.looked_up / self.copied


class Timing:
    """Rounds in which each part, its update and the bare products are timed in turn.

    Args:
        products: that the limits are wanted of.
    """

    def __init__(
        self, workload: Workload, training: TrainingSettings, products: Sequence[Product]
    ) -> None:
        self._passes = passes_of(workload)
        self._optimizer = OptimizerSet(training.optimizer, workload.model)
        self._average = WeightAverage(workload.model, training.averaging)
        self._operands = {product: _operands(product) for product in products}
        square = torch.randn(SQUARE, SQUARE)
        self._bare: dict[object, Callable[[], object]] = {
            product: _bare(*operands) for product, operands in self._operands.items()
        }
        self._bare["square"] = _bare(square, square)
        source = torch.zeros(COPIED_BYTES // 4)
        target = torch.empty_like(source)
        self._bare["copy"] = lambda: target.copy_(source)
        self._watch = Stopwatch()

    def round(self) -> None:
        """Do everything once; the first round only warms up."""
        watch = self._watch
        for item in self._passes:
            watch.time((item.part.name, "forward"), item.forward)
            watch.time((item.part.name, "both"), item.both_anew)
        for item in self._passes:
            item.both()  # so that all parts have a gradient
        watch.time("update", self._update, once=True)
        for name, bare in self._bare.items():
            watch.time(name, bare)

    def _update(self) -> None:
        self._optimizer.step(1e-6)  # so small that rounds are alike
        self._average.update()

    def parts(self) -> list[TimedPart]:
        """Of all rounds but the first."""
        found = []
        for item in self._passes:
            name = item.part.name
            forward = self._watch.seconds((name, "forward"))
            both = self._watch.seconds((name, "both"))
            found.append(TimedPart(name, forward, both.less(forward)))
        return found

    @property
    def update(self) -> Seconds:
        """Of the optimiser and the average of the weights."""
        return self._watch.seconds("update")

    def limits(self) -> Limits:
        """The quickest rounds of the bare products and of the copy."""
        return Limits(
            {product: self._watch.seconds(product).least for product in self._operands},
            2 * SQUARE**3 / self._watch.seconds("square").least,
            2 * COPIED_BYTES / self._watch.seconds("copy").least,
        )


def _operands(product: Product) -> tuple[Tensor, Tensor]:
    x = torch.randn(product.rows, product.inner).to(product.dtype)
    return x, torch.randn(product.columns, product.inner).to(product.dtype)


def _bare(x: Tensor, weight: Tensor) -> Callable[[], object]:
    if x.dtype == torch.float64:
        return lambda: functional.linear(x, weight)
    return lambda: linear(x, weight)
