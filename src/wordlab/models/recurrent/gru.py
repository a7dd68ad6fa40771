"""Gated recurrent units (Cho et al. 2014), in both readings of the reset gate."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function

from wordlab.models.language_model import MODELS
from wordlab.models.operands import Matrix
from wordlab.models.products import linear, weight_gradient
from wordlab.models.recurrent.cell import Biases, Cell, State, rows_of_steps, wide
from wordlab.models.recurrent.encoder import RecurrentSettings

Reset = Literal["before", "after"]


@MODELS.register("gru")
class GruSettings(RecurrentSettings):
    """z, r = sigmoid(W x + U h + b); h' = z g + (1 - z) h with a candidate g that r tempers."""

    type: Literal["gru"] = "gru"
    reset: Reset = "before"
    """before: g = tanh(W x + U (r h) + b), as Cho et al.; after: g = tanh(W x + b + r (U h + b')),
    as torch, whose z is 1 - z here."""
    biases: Biases = 1
    """1: the textbook's, 3 (m n + n^2 + n) parameters a layer; 2: torch's, 3 (m n + n^2 + 2 n)."""

    def cell(self, inputs: int, units: int) -> "GruCell":
        """Make a layer."""
        cell = GruCell(
            inputs,
            units,
            biases=self.biases,
            **self.cell_options,
        )
        cell.reset = self.reset
        return cell


class GruCell(Cell):
    """The state is h."""

    parts = 1
    products = ("update gate", "reset gate", "candidate")
    reset: Reset = "before"

    @property
    def recurrent_products(self) -> tuple[int, ...]:
        """Both gates; then, of what the reset gate leaves, the candidate."""
        return (2, 1) if self.reset == "before" else (3,)

    def recur(self, a: Tensor, hidden: Matrix, steps: Sequence[int], state: State) -> State:
        """See `Cell.recur`."""
        (h,) = state
        second: Tensor | None = self.bias_hidden
        if self.reset == "before":
            a = a if second is None else a + second
            return (_ResetBefore.apply(a, hidden, h, steps),)  # type: ignore[no-untyped-call]
        if second is None:
            second = a.new_zeros(a.shape[1])
        return (_ResetAfter.apply(a, hidden, second, h, steps),)  # type: ignore[no-untyped-call]


def _slope_of_gates(d: Tensor, gates: Tensor) -> None:
    """Multiply by the sigmoid's derivative, in place."""
    d *= gates
    d.addcmul_(d, gates, value=-1)


class _ResetBefore(Function):
    """h after each token for g = tanh(a + U (r h)).

    dz = dh' (g - h) z (1 - z)      dg = dh' z (1 - g^2)      d(r h) = U_g' dg
    dr = d(r h) h r (1 - r)         dh = dh' (1 - z) + d(r h) r + U_zr' [dz dr]
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, hidden: Matrix, h: Tensor, steps: Sequence[int]) -> Tensor:
        """Go forward in time; `a` [M, 3 n] becomes z, r and g."""
        n = hidden.shape[1]
        gates, weight = wide(a), hidden.detach().to(a.dtype)
        outputs, before = gates.new_empty(len(a), n), gates.new_empty(len(a), n)
        reset = a.new_empty(len(a), n)
        for first, count in rows_of_steps(steps):
            here = slice(first, first + count)
            before[here] = h[:count]
            h = before[here]
            zr, g = gates[here, : 2 * n], gates[here, 2 * n :]
            zr += linear(h.to(a.dtype), weight[: 2 * n])
            z, r = zr.sigmoid_().chunk(2, dim=1)
            reset[here] = r * h
            g += linear(reset[here], weight[2 * n :])
            h = torch.lerp(h, g.tanh_(), z, out=outputs[here])
        ctx.save_for_backward(gates, before, reset, weight)
        ctx.steps = tuple(steps)
        return outputs

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Go back in time."""
        gates, before, reset, weight = ctx.saved_tensors
        (d_outputs,) = upstream
        n, dtype = weight.shape[1], weight.dtype
        d_all = reset.new_empty(gates.shape)
        scratch = gates.new_empty(ctx.steps[0], 3 * n)
        back_zr, back_g = weight[: 2 * n].t().contiguous(), weight[2 * n :].t().contiguous()
        dh = gates.new_zeros(ctx.steps[0], n)
        for first, count in reversed(list(rows_of_steps(ctx.steps))):
            here = slice(first, first + count)
            z, r, g = gates[here].chunk(3, dim=1)
            d_z, d_r, d_g = scratch[:count].chunk(3, dim=1)
            h, dh_here = before[here], dh[:count]
            dh_here += d_outputs[here]
            torch.mul(dh_here, g - h, out=d_z)
            torch.mul(dh_here, z, out=d_g)
            d_g.addcmul_(d_g * g, g, value=-1)
            d_reset = linear(d_g.to(dtype), back_g).to(gates.dtype)
            torch.mul(d_reset, h, out=d_r)
            _slope_of_gates(scratch[:count, : 2 * n], gates[here, : 2 * n])
            d_all[here] = scratch[:count]
            dh_here.addcmul_(dh_here, z, value=-1).addcmul_(d_reset, r)
            dh_here += linear(d_all[here, : 2 * n], back_zr)
        d_hidden = torch.cat(
            [
                weight_gradient(d_all[:, : 2 * n], before.to(dtype)),
                weight_gradient(d_all[:, 2 * n :], reset),
            ]
        )
        return d_all, d_hidden.to(gates.dtype), dh, None


class _ResetAfter(Function):
    """h after each token for g = tanh(a + r (U h + b')).

    dz = dh' (g - h) z (1 - z)      dg = dh' z (1 - g^2)      du = dg r,  with u = U_g h + b'
    dr = dg u r (1 - r)             dh = dh' (1 - z) + U' [dz dr du]
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        hidden: Matrix,
        bias: Tensor,
        h: Tensor,
        steps: Sequence[int],
    ) -> Tensor:
        """Go forward in time; `a` [M, 3 n] becomes z, r and g."""
        n = hidden.shape[1]
        gates, weight = wide(a), hidden.detach().to(a.dtype)
        outputs, before, tempered = (gates.new_empty(len(a), n) for _ in range(3))
        for first, count in rows_of_steps(steps):
            here = slice(first, first + count)
            before[here] = h[:count]
            h = before[here]
            u = linear(h.to(a.dtype), weight) + bias
            zr, g = gates[here, : 2 * n], gates[here, 2 * n :]
            zr += u[:, : 2 * n]
            z, r = zr.sigmoid_().chunk(2, dim=1)
            tempered[here] = u[:, 2 * n :]
            g.addcmul_(r, tempered[here]).tanh_()
            h = torch.lerp(h, g, z, out=outputs[here])
        ctx.save_for_backward(gates, before, tempered, weight)
        ctx.steps = tuple(steps)
        return outputs

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Go back in time."""
        gates, before, tempered, weight = ctx.saved_tensors
        (d_outputs,) = upstream
        n, dtype = weight.shape[1], weight.dtype
        d_all, d_u = torch.empty_like(gates), gates.new_empty(gates.shape, dtype=dtype)
        back = weight.t().contiguous()
        dh = gates.new_zeros(ctx.steps[0], n)
        for first, count in reversed(list(rows_of_steps(ctx.steps))):
            here = slice(first, first + count)
            z, r, g = gates[here].chunk(3, dim=1)
            d_z, d_r, d_g = d_all[here].chunk(3, dim=1)
            h, dh_here = before[here], dh[:count]
            dh_here += d_outputs[here]
            torch.mul(dh_here, g - h, out=d_z)
            torch.mul(dh_here, z, out=d_g)
            d_g.addcmul_(d_g * g, g, value=-1)
            torch.mul(d_g, tempered[here], out=d_r)
            _slope_of_gates(d_all[here, : 2 * n], gates[here, : 2 * n])
            d_u[here, : 2 * n] = d_all[here, : 2 * n]
            torch.mul(d_g, r, out=d_u[here, 2 * n :])
            dh_here.addcmul_(dh_here, z, value=-1)
            dh_here += linear(d_u[here], back)
        d_hidden = weight_gradient(d_u, before.to(dtype)).to(gates.dtype)
        return d_all.to(dtype), d_hidden, d_u.sum(dim=0, dtype=gates.dtype), dh, None
