"""A piece of work that several programs do, and how it is timed: in turn, in one process."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Call = Callable[[int], float]
"""Do the work of a number's data once; return a loss in nats, or nothing's 0."""


@dataclass(frozen=True)
class Workload:
    """The same work by several programs.

    Attributes:
        name: of its ratios, in JSON.
        title: of its table's rows.
        amount: of the unit, that a call does.
        flops: operations of a unit, counted by hand; 0 where none are.
        contenders: by name; the first is what others are compared with.
        calls: in a round.
        losses: calls before the clock starts, whose losses are compared.
    """

    name: str
    title: str
    unit: str
    amount: float
    flops: float
    contenders: dict[str, Call]
    calls: int = 5
    losses: int = 5


@dataclass(frozen=True)
class Timed:
    """How fast one program did it.

    Attributes:
        rates: units a second, of each round.
        ratios: to the first program's of the same round.
        difference: the largest between its losses and the first's, in nats.
    """

    workload: Workload
    program: str
    rates: list[float]
    ratios: list[float] = field(default_factory=list)
    difference: float = 0.0

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)


def timed(workload: Workload, rounds: int) -> list[Timed]:
    """Time all programs in turn, in each of several rounds."""
    losses = {
        name: [call(number) for number in range(workload.losses)]
        for name, call in workload.contenders.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in workload.contenders}
    for number in range(rounds):
        for name, call in workload.contenders.items():
            began = time.perf_counter()
            for index in range(workload.calls):
                call(number * workload.calls + index)
            rates[name].append(workload.amount * workload.calls / (time.perf_counter() - began))
    first = next(iter(workload.contenders))
    return [
        Timed(
            workload,
            name,
            found,
            [a / b for a, b in zip(found, rates[first], strict=True)],
            max(abs(a - b) for a, b in zip(losses[name], losses[first], strict=True)),
        )
        for name, found in rates.items()
    ]
