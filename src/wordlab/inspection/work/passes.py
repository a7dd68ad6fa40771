"""Forward and backward passes through the parts of a model, each part on its own."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordlab.inspection.work.counting import Work, count
from wordlab.inspection.work.parts import PartOfModel, Workload


@dataclass(frozen=True)
class Pass:
    """A part with what it takes and the gradient that comes back to it."""

    model: nn.Module
    part: PartOfModel
    taken: Tensor
    gradient: Tensor

    def forward(self) -> None:
        """Without anything kept for a gradient."""
        with torch.no_grad():
            self.part.run(self.taken)

    def both(self) -> None:
        """Forward, and back to the part's parameters and what it takes."""
        self.part.run(self.taken).backward(self.gradient)  # type: ignore[no-untyped-call]

    def both_anew(self) -> None:
        """The same, without the gradients of before, as each step of training begins."""
        self.model.zero_grad()
        self.both()


def passes_of(workload: Workload) -> list[Pass]:
    """Run the parts one after another, and keep what each takes."""
    found = []
    taken = torch.empty(0)
    for part in workload.parts:
        with torch.no_grad():
            given = part.run(taken)
        found.append(Pass(workload.model, part, taken, torch.ones_like(given)))
        taken = given.detach().requires_grad_()
    return found


@dataclass(frozen=True)
class CountedPart:
    """What a part was counted to do with a batch, beside what the formulas say.

    Attributes:
        rows: of the batch.
        forward, backward: counted.
        forward_flops, backward_flops, forward_bytes, backward_bytes: by formula.
    """

    name: str
    rows: int
    forward: Work
    backward: Work
    forward_flops: int
    backward_flops: int
    forward_bytes: int
    backward_bytes: int

    @property
    def agrees(self) -> bool:
        """Whether count and formulas are the same."""
        return (
            self.forward.flops == self.forward_flops
            and self.backward.flops == self.backward_flops
            and self.forward.bytes == self.forward_bytes
            and self.backward.bytes == self.backward_bytes
        )


def counted_parts(workload: Workload) -> list[CountedPart]:
    """Count what each part does, going forward and going back."""
    found = []
    for item in passes_of(workload):
        item.both_anew()  # the first products of a process try what the machine can do
        forward = count(item.forward)
        backward = count(item.both_anew).less(forward)
        found.append(
            CountedPart(
                item.part.name,
                item.part.rows,
                forward,
                backward,
                workload.of(item.part, lambda layer: layer.forward),
                workload.of(item.part, lambda layer: layer.backward),
                workload.of(item.part, lambda layer: layer.forward_bytes),
                workload.of(item.part, lambda layer: layer.backward_bytes),
            )
        )
    return found
