"""The cost of a model's parts: formulas, counts and seconds side by side."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wordlab.inspection.work.counting import Work
from wordlab.inspection.work.going_back import GoingBack, back_in_time
from wordlab.inspection.work.parts import Workload
from wordlab.inspection.work.passes import CountedPart, counted_parts
from wordlab.inspection.work.timing import SQUARE, Limits, Seconds, TimedPart, Timing
from wordlab.models.cost import LETTERS, evaluate
from wordlab.table import Column, Table, Value
from wordlab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Direction:
    """A part's way forward or back with a whole batch."""

    part: str
    name: str
    rows: int
    work: Work
    flops: int
    bytes: int
    seconds: Seconds


@dataclass(frozen=True)
class CostReport:
    """What each part of a model does, and how long it takes.

    Attributes:
        counted: operations and bytes, by formula and counted.
        timed: seconds of the same parts.
        update: seconds of the optimiser and the averaging of weights.
        limits: what the machine can do.
        back: what going back in time costs; None where nothing goes back.
    """

    workload: Workload
    counted: tuple[CountedPart, ...]
    timed: tuple[TimedPart, ...]
    update: Seconds
    limits: Limits
    back: GoingBack | None

    @property
    def directions(self) -> list[Direction]:
        """All parts, each forward and back."""
        found = []
        for c, t in zip(self.counted, self.timed, strict=True):
            forward = c.forward, c.forward_flops, c.forward_bytes, t.forward
            backward = c.backward, c.backward_flops, c.backward_bytes, t.backward
            found.append(Direction(c.name, "forward", c.rows, *forward))
            found.append(Direction(c.name, "backward", c.rows, *backward))
        return found

    @property
    def step(self) -> Seconds:
        """Of a step of training: all parts, both ways, and the update."""
        total = self.update
        for direction in self.directions:
            total = total.plus(direction.seconds)
        return total

    def tables(self) -> list[Table]:
        """Sizes, formulas, counts, seconds, limits and, where there is any, going back in time."""
        found = [self._sizes(), self._formulas(), self._bytes(), self._counts()]
        found += [self._times(), self._limits()]
        return found + (self.back.tables() if self.back else [])

    def _sizes(self) -> Table:
        rows = [(letter, value, meaning(letter)) for letter, value in self.workload.sizes.items()]
        return Table.of("Sizes", ("letter", "size", "of"), rows, note=self.workload.protocol)

    def _formulas(self) -> Table:
        return Table.of(
            "Operations by formula",
            ("part", "layer", "forward", "forward value", "backward", "backward value"),
            self._layers(lambda x: x.forward, lambda x: x.backward),
            note="A row, which is one of M, in the output layer one of N. Matrix products only, a "
            "multiply-add counted as two.",
        )

    def _bytes(self) -> Table:
        return Table.of(
            "Bytes by formula",
            ("part", "layer", "forward", "forward value", "backward", "backward value"),
            self._layers(lambda x: x.forward_bytes, lambda x: x.backward_bytes),
            note="A row. Of the numbers that products and look-ups take and give, each matrix "
            "once a product; the recurrent matrix is taken T times.",
        )

    def _layers(
        self, forward: Callable[[Any], str], backward: Callable[[Any], str]
    ) -> Iterator[tuple[Value, ...]]:
        sizes = self.workload.sizes
        for layer in self.workload.layers:
            formulas = forward(layer), backward(layer)
            if formulas != ("0", "0"):
                first, second = (float(evaluate(formula, sizes)) for formula in formulas)
                yield (
                    *(layer.part, layer.name),
                    *(formulas[0], _whole(first), formulas[1], _whole(second)),
                )

    def _counts(self) -> Table:
        rows = [
            (
                *(x.part, x.name, x.flops, x.work.flops, x.bytes, x.work.bytes),
                (x.flops, x.bytes) == (x.work.flops, x.work.bytes),
            )
            for x in self.directions
        ]
        heads = ("part", "way", "operations, formula", "counted", "bytes, formula", "counted bytes")
        return Table.of(
            "A batch: formula and count",
            (*heads, "agree"),
            rows,
            note="Counted on a real forward and backward pass through each part.",
        )

    def _times(self) -> Table:
        words, step = self.workload.batch["M"], self.step
        named = [(x.part, x.name, x.seconds) for x in self.directions]
        named += [("update", "", self.update), ("step", "", step)]
        rows: list[tuple[Value, ...]] = []
        for part, way, seconds in named:
            each = [1e6 * s / words for s in (seconds.median, seconds.least, seconds.most)]
            rows.append((part, way, *each, seconds.median / step.median))
        heads = [Column(name, 2) for name in ("us a word", "least", "most")]
        return Table.of(
            "Where the time goes",
            ("part", "way", *heads, Column("share", 1, percent=True)),
            rows,
            note=f"Median of {len(step.rounds)} rounds, microseconds a word that is read; "
            "backward is both ways less forward; update is the optimiser's and the average's. "
            f"A step's words a second: {words / step.median:,.0f}.",
        )

    def _limits(self) -> Table:
        rows: list[tuple[Value, ...]] = []
        for x in self.directions:
            least, took = self.limits.seconds(x.work), x.seconds.median
            rows.append(
                (
                    *(x.part, x.name),
                    x.work.flops / took / 1e9 if took and x.work.flops else None,
                    x.work.flops / least / 1e9 if x.work.flops else None,
                    x.work.bytes / took / 1e9 if took else None,
                    least / took if took else None,
                )
            )
        heads = [Column(name, 1) for name in ("GFLOP/s", "bare products", "GB/s")]
        return Table.of(
            "Against the machine's limit",
            ("part", "way", *heads, Column("of the limit", 1, percent=True)),
            rows,
            note="The limit is the time of nothing but the products, at the same shapes and "
            "types, and of look-ups at the speed of a copy; the rest goes to activations, the "
            "softmax, dropout, copies and calls. Above 100 %: the rows were still near the "
            "processor. Here a float32 product of "
            f"{SQUARE:,} by {SQUARE:,} makes {self.limits.square / 1e9:.1f} GFLOP/s, a copy "
            f"{self.limits.copied / 1e9:.1f} GB/s, read and written.",
        )

    def as_json(self) -> dict[str, Any]:
        """All figures, raw."""
        found: dict[str, Any] = {
            "protocol": self.workload.protocol,
            "agree": all(part.agrees for part in self.counted),
            "tables": {table.title: table.records() for table in self.tables()},
            "square_flops_per_second": self.limits.square,
            "copied_bytes_per_second": self.limits.copied,
            "seconds_a_step": self.step.rounds,
        }
        return found


def _whole(value: float) -> Value:
    """A whole number as such."""
    return int(value) if value.is_integer() else value


def meaning(letter: str) -> str:
    """What a letter stands for; digits behind it number layers and features."""
    return LETTERS.get(letter) or LETTERS[re.sub(r"\d+(\)?)$", r"\1", letter)]


def measure(
    workload: Workload,
    training: TrainingSettings,
    rounds: int,
    *,
    on_round: Callable[[], None] = lambda: None,
) -> CostReport:
    """Count and time a model's parts.

    Args:
        training: says how weights are updated.
        on_round: called after each round, of which there is one more to warm up.
    """
    counted = counted_parts(workload)
    works = [work for part in counted for work in (part.forward, part.backward)]
    timing = Timing(workload, training, list({p for work in works for p in work.products}))
    back = back_in_time(workload.model)
    for _ in range(rounds + 1):
        timing.round()
        if back is not None:
            back.round()
        on_round()
    return CostReport(
        workload,
        tuple(counted),
        tuple(timing.parts()),
        timing.update,
        timing.limits(),
        back.found() if back is not None else None,
    )
