"""Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000)."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import Function

from wordlab.models.language_model import MODELS
from wordlab.models.operands import Matrix
from wordlab.models.products import linear, weight_gradient
from wordlab.models.recurrent.cell import Biases, Cell, State, rows_of_steps, wide
from wordlab.models.recurrent.encoder import RecurrentSettings
from wordlab.native import lstm as native
from wordlab.native.library import kernels

COMPILED_STEPS = 4
"""Of fewer steps, arranging the weights for the kernel takes longer than it saves."""


@MODELS.register("lstm")
class LstmSettings(RecurrentSettings):
    """f, i, o = sigmoid(W x + U h + b); c' = f c + i tanh(W x + U h + b); h' = o tanh(c')."""

    type: Literal["lstm"] = "lstm"
    biases: Biases = 1
    """1: the textbook's, 4 (m n + n^2 + n) parameters a layer; 2: torch's, 4 (m n + n^2 + 2 n)."""
    forget_bias: float = Field(default=1.0)
    """Where the forget gate's bias begins (Jozefowicz et al. 2015)."""

    def cell(self, inputs: int, units: int) -> "LstmCell":
        """Make a layer."""
        cell = LstmCell(
            inputs,
            units,
            biases=self.biases,
            **self.cell_options,
        )
        if cell.bias is not None:
            nn.init.constant_(cell.bias.detach()[units : 2 * units], self.forget_bias)
        return cell


class LstmCell(Cell):
    """The state is h and c."""

    parts = 2
    products = ("input gate", "forget gate", "output gate", "candidate")

    def recur(self, a: Tensor, hidden: Matrix, steps: Sequence[int], state: State) -> State:
        """See `Cell.recur`; a second bias is added to the first."""
        if self.bias_hidden is not None:
            a = a + self.bias_hidden
        weight = hidden if isinstance(hidden, Tensor) else hidden.exact
        function: type[Function] = _Lstm
        if weight is not None and _compiled(a, weight, steps, state):
            function, hidden = _CompiledLstm, weight
        outputs: State = function.apply(a, hidden, *state, steps)  # type: ignore[no-untyped-call]
        return outputs


def _compiled(a: Tensor, weight: Tensor, steps: Sequence[int], state: State) -> bool:
    """Whether the compiled kernel is to go through the steps."""
    return len(steps) >= COMPILED_STEPS and kernels().serve(a.dtype, weight, *state)


class _CompiledLstm(Function):
    """The same as `_Lstm`, by the compiled kernel."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, hidden: Tensor, h: Tensor, c: Tensor, steps: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Go forward in time; `a` [M, 4 n] becomes the gates."""
        ctx.set_materialize_grads(False)
        weight, h, c = (x.detach().contiguous() for x in (hidden, h, c))
        layer = native.Layer(weight, h, c, tuple(steps), a.dtype)
        walk = native.forward(kernels(), layer, wide(a).contiguous())
        ctx.save_for_backward(layer.weight, layer.h, layer.c, *walk.arrays)
        ctx.steps, ctx.dtype = layer.steps, layer.dtype
        return walk.outputs, walk.cells

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        """Go back in time."""
        weight, h, c, *arrays = ctx.saved_tensors
        layer = native.Layer(weight, h, c, ctx.steps, ctx.dtype)
        walk = native.Walk(*arrays)
        d_gates, dh, dc = native.backward(kernels(), layer, walk, *upstream)
        d_all = d_gates.to(ctx.dtype)
        d_weight = weight_gradient(d_all, walk.before.to(ctx.dtype)).to(weight.dtype)
        return d_all, d_weight, dh, dc, None


class _Lstm(Function):
    """h and c after each token, with the gradient in closed form.

    With gates i, f, o, candidate g and k = tanh(c'):

        dc' += dh' o (1 - k^2)        df = dc' c f (1 - f)      di = dc' g i (1 - i)
        do = dh' k o (1 - o)          dg = dc' i (1 - g^2)      dc = dc' f,   dh = U' [di df do dg]

    The gates' gradients are kept for all tokens, so that the gradient of U is one product.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, hidden: Matrix, h: Tensor, c: Tensor, steps: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Go forward in time; `a` [M, 4 n] becomes the gates."""
        n = hidden.shape[1]
        gates, weight = wide(a), hidden.detach().to(a.dtype)
        outputs, cells, tanhs = (gates.new_empty(len(a), n) for _ in range(3))
        before = a.new_empty(len(a), n)
        first_cell = c
        for first, count in rows_of_steps(steps):
            here = slice(first, first + count)
            before[here] = h[:count]
            gate = gates[here]
            gate += linear(before[here], weight)
            gate[:, : 3 * n].sigmoid_()
            gate[:, 3 * n :].tanh_()
            i, f, o, g = gate.chunk(4, dim=1)
            cell = torch.mul(f, c[:count], out=cells[here]).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(cell, out=tanhs[here]), out=outputs[here])
            c = cell
        ctx.save_for_backward(gates, cells, tanhs, before, weight, first_cell)
        ctx.steps = tuple(steps)
        ctx.set_materialize_grads(False)
        return outputs, cells

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        """Go back in time."""
        gates, cells, tanhs, before, weight, first_cell = ctx.saved_tensors
        d_outputs, d_cells = upstream
        n = weight.shape[1]
        d_all = before.new_empty(gates.shape)
        scratch = gates.new_empty(ctx.steps[0], 4 * n)
        back = weight.t().contiguous()
        dh = gates.new_zeros(ctx.steps[0], n)
        dc = torch.zeros_like(dh)
        rows = list(rows_of_steps(ctx.steps))
        for time in range(len(rows) - 1, -1, -1):
            first, count = rows[time]
            here = slice(first, first + count)
            i, f, o, g = gates[here].chunk(4, dim=1)
            k = tanhs[here]
            earlier = cells[rows[time - 1][0] :][:count] if time else first_cell[:count]
            dh_here, dc_here = dh[:count], dc[:count]
            if d_outputs is not None:
                dh_here += d_outputs[here]
            if d_cells is not None:
                dc_here += d_cells[here]
            d_gates = scratch[:count]
            d_i, d_f, d_o, d_g = d_gates.chunk(4, dim=1)
            dk = torch.mul(dh_here, o, out=d_g)
            dc_here += dk.addcmul_(torch.mul(dk, k, out=d_o), k, value=-1)
            torch.mul(dh_here, k, out=d_o)
            torch.mul(dc_here, g, out=d_i)
            torch.mul(dc_here, earlier, out=d_f)
            sigmoids, values = d_gates[:, : 3 * n], gates[here, : 3 * n]
            sigmoids *= values
            sigmoids.addcmul_(sigmoids, values, value=-1)
            torch.mul(dc_here, i, out=d_g)
            d_g.addcmul_(d_g * g, g, value=-1)
            dc_here *= f
            d_all[here] = d_gates
            dh_here.copy_(linear(d_all[here], back))
        return d_all, weight_gradient(d_all, before).to(gates.dtype), dh, dc, None
