"""The compiled LSTM layer: what PyTorch's operations give, for every shape and instruction set."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wordlab.models.recurrent.lstm import COMPILED_STEPS, LstmCell
from wordlab.native import library
from wordlab.native.library import SETS, kernels, without_kernels

COMPILED = kernels()
pytestmark = pytest.mark.skipif(COMPILED.library is None, reason=str(COMPILED))

HERE = SETS[: SETS.index(COMPILED.instructions) + 1]
WAYS = [(name, "float32", 5e-6) for name in HERE]
if "avx512" in HERE:
    WAYS.append(("avx512", "bfloat16", 3e-2))


def outcome(cell: LstmCell, x: Tensor, state: tuple[Tensor, ...], steps: list[int]) -> list[Tensor]:
    """Both parts of the state, and all gradients of a sum that weighs each number its own way."""
    leaves = [part.clone().requires_grad_() for part in (x, *state)]
    cell.zero_grad()
    outputs, cells = cell(leaves[0], steps, (leaves[1], leaves[2]))
    draw = torch.Generator().manual_seed(5)
    weigh = [torch.randn(part.shape, generator=draw) for part in (outputs, cells)]
    ((outputs * weigh[0]).sum() + 0.1 * (cells * weigh[1]).sum()).backward()
    gradients = [part.grad for part in (*leaves, *cell.parameters())]
    return [outputs.detach(), cells.detach(), *(g.clone() for g in gradients if g is not None)]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(1, 30), min_size=COMPILED_STEPS, max_size=9).map(
        lambda x: sorted(x)[::-1]
    ),
    units=st.integers(1, 40),
    inputs=st.integers(1, 20),
    way=st.sampled_from(WAYS),
    threads=st.integers(1, 3),
)
def test_every_shape(
    steps: list[int],
    units: int,
    inputs: int,
    way: tuple[library.InstructionSet, str, float],
    threads: int,
) -> None:
    instructions, precision, most = way
    torch.manual_seed(units + 100 * inputs)
    cell = LstmCell(inputs, units, precision=precision).train()  # type: ignore[arg-type]
    x = torch.randn(sum(steps), inputs)
    state = torch.randn(steps[0], units), torch.randn(steps[0], units)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.MonkeyPatch.context() as patch:
            usable = replace(COMPILED, instructions=instructions, reason="")
            patch.setattr("wordlab.models.recurrent.lstm.kernels", lambda: usable)
            found = outcome(cell, x, state, steps)
    finally:
        torch.set_num_threads(before)
    cell.precision = "float32"
    with without_kernels():
        true = outcome(cell, x, state, steps)
    assert len(found) == len(true) == 8
    for one, other in zip(found, true, strict=True):
        assert float((one - other).abs().max()) < most * max(float(other.abs().max()), 1.0)


def test_only_one_part_of_the_state_has_a_gradient() -> None:
    cell = LstmCell(3, 5).train()
    x, state = torch.randn(7, 3), (torch.zeros(2, 5), torch.zeros(2, 5))
    found = []
    for at in (0, 1):
        for compiled in (True, False):
            cell.zero_grad()
            if compiled:
                cell(x, [2, 2, 2, 1], state)[at].sum().backward()
            else:
                with without_kernels():
                    cell(x, [2, 2, 2, 1], state)[at].sum().backward()
            assert cell.weight_hidden.grad is not None
            found.append(cell.weight_hidden.grad.clone())
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[2], found[3])
    assert not torch.allclose(found[0], found[2])


def test_no_number_stays_none() -> None:
    cell = LstmCell(3, 5)
    x = torch.zeros(8, 3)
    x[3, 2] = torch.nan  # the second sequence's second word
    outputs, _ = cell(x, [2, 2, 2, 2], cell.zero_state(2))
    assert outputs[3::2].isnan().all()
    assert not outputs[[0, 1, 2, 4, 6]].isnan().any()


def test_one_lane_does_not_see_another() -> None:
    cell = LstmCell(4, 6)
    x = torch.randn(40, 4)
    whole, _ = cell(x, [10] * 4, cell.zero_state(10))
    alone, _ = cell(x[3::10], [1] * 4, cell.zero_state(1))
    assert torch.equal(whole[3::10], alone)


def test_a_few_steps_give_the_same() -> None:
    cell = LstmCell(4, 6)
    x, state = torch.randn(10, 4), cell.zero_state(2)
    whole, _ = cell(x, [2] * 5, state)
    found = []
    for step in range(5):
        h, c = cell(x[2 * step : 2 * step + 2], [2], state)
        found.append(h)
        state = h, c
    torch.testing.assert_close(torch.cat(found), whole)


def test_fewer_threads_than_asked_for_give_the_same() -> None:
    code = """
import torch
torch.set_num_threads(2)
from wordlab.native import lstm
from wordlab.native.library import kernels
torch.manual_seed(1)
zeros = torch.zeros(12, 8)
layer = lstm.Layer(torch.randn(32, 8), zeros, zeros, (12,) * 5, torch.float32)
walk = lstm.forward(kernels(), layer, torch.randn(60, 32))
found = lstm.backward(kernels(), layer, walk, torch.ones(60, 8), None)
print(*(part.tolist() for part in (walk.outputs, *found)))
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **limit},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for limit in ({}, {"OMP_THREAD_LIMIT": "1"})
    ]
    assert found[0] == found[1] != ""
