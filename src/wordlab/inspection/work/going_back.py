"""What it costs to take a target's error back in time, step by step (CS224d, assignment 2, 2.4)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from wordlab.inspection.work.parts import Workload, recurrent_workload
from wordlab.inspection.work.passes import CountedPart, Pass, counted_parts, passes_of
from wordlab.inspection.work.timing import Seconds, Stopwatch
from wordlab.models.language_model import LanguageModel
from wordlab.models.recurrent.encoder import RecurrentEncoder
from wordlab.table import Column, Table

STEPS = (0, 1, 3, 10, 35)
TARGETS = 32
"""Side by side, each alone at the end of a sequence of its own."""


@dataclass(frozen=True)
class StepsBack:
    """The way back of one target's error through so many steps, hidden and output layers.

    Attributes:
        claim: V D + tau D D of the assignment, in multiply-adds, D the widest layer.
        formula, counted: operations.
        of_steps: share of the operations that the hidden layers have.
        seconds: of a target.
    """

    steps: int
    claim: int
    formula: int
    counted: int
    of_steps: float
    seconds: Seconds


@dataclass(frozen=True)
class GoingBack:
    """The same for several numbers of steps.

    Attributes:
        vocabulary, units: V and D.
        output, step: operations of the output layer, and of one step back.
    """

    rows: tuple[StepsBack, ...]
    vocabulary: int
    units: int
    output: int
    step: int

    @property
    def even_by_claim(self) -> float:
        """Steps at which V D = tau D D."""
        return self.vocabulary / self.units

    @property
    def even_by_operations(self) -> float:
        """Steps back, the first one beside the target included, that cost what the output does."""
        return self.output / self.step

    @property
    def even_by_clock(self) -> float | None:
        """Steps that double the seconds of none; None where more steps take no longer."""
        first, last = self.rows[0], self.rows[-1]
        longer = last.seconds.median - first.seconds.median
        each = longer / max(last.steps - first.steps, 1)
        return first.seconds.median / each if each > 0 else None

    def tables(self) -> list[Table]:
        """Growth with the steps, and where they stop being negligible."""
        none = self.rows[0]
        rows = [
            (
                row.steps,
                row.claim,
                row.claim / none.claim,
                row.formula,
                row.counted,
                row.counted / none.counted,
                row.of_steps,
                *(1e6 * s for s in (row.seconds.median, row.seconds.least, row.seconds.most)),
            )
            for row in self.rows
        ]
        growth = Table.of(
            "One target's error, tau steps back in time",
            (
                "tau",
                "V D + tau D D",
                Column("times", 2),
                "operations, formula",
                "counted",
                Column("counted, times", 2),
                Column("of which steps", 1, percent=True),
                Column("us", 1),
                Column("least", 1),
                Column("most", 1),
            ),
            rows,
            note="Gradients of the hidden and output layers, each target's error alone; V D + "
            "tau D D is CS224d's, in multiply-adds, with one matrix D D a step. Where a batch's "
            "errors go back together, as without model.truncation, a word costs one step, however "
            "far they go.",
        )
        even = Table.of(
            "Where the steps cost as much as the output layer",
            ("by", Column("tau", 1), "how"),
            [
                ("V D + tau D D", self.even_by_claim, "V / D"),
                ("operations", self.even_by_operations, "output layer's / one step's"),
                ("clock", self.even_by_clock, "steps that double the time of tau = 0"),
            ],
            note="At a tenth of it they add a tenth; far below it they are negligible.",
        )
        return [growth, even]


def back_in_time(model: nn.Module) -> "BackInTime | None":
    """What counts and times the way back of a recurrent language model; None of others."""
    if isinstance(model, LanguageModel) and isinstance(model.encoder, RecurrentEncoder):
        return BackInTime(model, max(model.encoder.settings.hidden))
    return None


class BackInTime:
    """Counts and times what `GoingBack` holds.

    Args:
        units: of the widest layer.
    """

    def __init__(self, model: LanguageModel, units: int) -> None:
        self._units = units
        self._vocabulary = len(model.encoder.word_vectors())
        self._workloads = {steps: recurrent_workload(model, steps, TARGETS) for steps in STEPS}
        self._counted = {steps: counted_parts(load) for steps, load in self._workloads.items()}
        self._ways = {steps: _way_back(load) for steps, load in self._workloads.items()}
        self._watch = Stopwatch()

    def round(self) -> None:
        """Time each number of steps once; the first round only warms up."""
        for steps, (hidden, output) in self._ways.items():
            self._watch.time((steps, "hidden"), hidden)
            self._watch.time((steps, "forward"), output.forward)
            self._watch.time((steps, "both"), output.both_anew)

    def found(self) -> GoingBack:
        """What was counted and timed."""
        of_target = self._counted[0]
        return GoingBack(
            tuple(self._row(steps, parts) for steps, parts in self._counted.items()),
            self._vocabulary,
            self._units,
            of_target[2].backward_flops // TARGETS,
            of_target[1].backward_flops // TARGETS,
        )

    def _row(self, steps: int, parts: list[CountedPart]) -> StepsBack:
        _, hidden, output = parts
        counted = hidden.backward.flops + output.backward.flops
        units = self._units
        return StepsBack(
            steps,
            self._vocabulary * units + steps * units * units,
            (hidden.backward_flops + output.backward_flops) // TARGETS,
            counted // TARGETS,
            hidden.backward.flops / counted,
            self._seconds(steps),
        )

    def _seconds(self, steps: int) -> Seconds:
        hidden, forward, both = (
            self._watch.seconds((steps, name)) for name in ("hidden", "forward", "both")
        )
        whole = hidden.plus(both.less(forward))
        return Seconds(tuple(seconds / TARGETS for seconds in whole.rounds))


def _way_back(workload: Workload) -> tuple[Callable[[], None], Pass]:
    """The hidden layers' way back, without their way forward; and the output layer's passes."""
    _, hidden, output = passes_of(workload)
    given = hidden.part.run(hidden.taken)

    def back() -> None:
        workload.model.zero_grad()
        given.backward(hidden.gradient, retain_graph=True)  # type: ignore[no-untyped-call]

    return back, output
