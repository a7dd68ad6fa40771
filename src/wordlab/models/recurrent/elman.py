"""The simple recurrent network (Elman 1990; as a language model, Mikolov et al. 2010)."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor
from torch.autograd import Function

from wordlab.models.language_model import MODELS
from wordlab.models.operands import Matrix
from wordlab.models.products import linear, weight_gradient
from wordlab.models.recurrent.cell import Biases, Cell, State, rows_of_steps, wide
from wordlab.models.recurrent.encoder import RecurrentSettings

ElmanActivation = Literal["sigmoid", "tanh", "relu"]

_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
}
_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h * h,
    "relu": lambda h: (h > 0).to(h.dtype),
}
"""The derivative of each activation as a function of its value."""


@MODELS.register("elman")
class ElmanSettings(RecurrentSettings):
    """h' = f(W x + U h + b)."""

    type: Literal["elman"] = "elman"
    activation: ElmanActivation = "tanh"
    """sigmoid, tanh or relu."""
    biases: Biases = 1
    """0: none; 1: one a layer, m n + n^2 + n parameters; 2: torch's two."""
    direct: bool = False
    """Without W: h' = f(x + U h + b), where x is as wide as h (CS224d, assignment 2)."""

    @model_validator(mode="after")
    def _direct_widths(self) -> Self:
        if self.direct and set(self.hidden) != {self.embedding}:
            raise ValueError("direct needs an embedding as wide as the hidden layers")
        return self

    def cell(self, inputs: int, units: int) -> "ElmanCell":
        """Make a layer."""
        cell = ElmanCell(
            inputs,
            units,
            biases=self.biases,
            **self.cell_options,
            direct=self.direct,
        )
        cell.activation = self.activation
        return cell


class ElmanCell(Cell):
    """The state is h."""

    parts = 1
    products = ("hidden",)
    activation: ElmanActivation = "tanh"

    def recur(self, a: Tensor, hidden: Matrix, steps: Sequence[int], state: State) -> State:
        """See `Cell.recur`; a second bias is added to the first."""
        if self.bias_hidden is not None:
            a = a + self.bias_hidden
        (h,) = state
        return (_Elman.apply(a, hidden, h, steps, self.activation),)  # type: ignore[no-untyped-call]


class _Elman(Function):
    """h after each token; da = dh' f'(a), dh = U' da."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        hidden: Matrix,
        h: Tensor,
        steps: Sequence[int],
        activation: str,
    ) -> Tensor:
        """Go forward in time; `a` [M, n] becomes h."""
        outputs, weight = wide(a), hidden.detach().to(a.dtype)
        before = a.new_empty(a.shape)
        for first, count in rows_of_steps(steps):
            here = slice(first, first + count)
            before[here] = h[:count]
            outputs[here] += linear(before[here], weight)
            h = _IN_PLACE[activation](outputs[here])
        ctx.save_for_backward(outputs, before, weight)
        ctx.steps, ctx.activation = tuple(steps), activation
        return outputs

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Go back in time."""
        outputs, before, weight = ctx.saved_tensors
        (d_outputs,) = upstream
        d_all = torch.empty_like(before)
        slopes = _SLOPES[ctx.activation](outputs)
        back = weight.t().contiguous()
        dh = outputs.new_zeros(ctx.steps[0], outputs.shape[1])
        for first, count in reversed(list(rows_of_steps(ctx.steps))):
            here = slice(first, first + count)
            dh_here = dh[:count]
            dh_here += d_outputs[here]
            dh_here *= slopes[here]
            d_all[here] = dh_here
            dh_here.copy_(linear(d_all[here], back))
        return d_all, weight_gradient(d_all, before).to(outputs.dtype), dh, None, None
