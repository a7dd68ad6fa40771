"""Weights in other forms: how far rounding moves what, and when they are used."""

import copy

import pytest
import torch

from wordlab.models import int8
from wordlab.models.int8 import LARGEST, Int8Matrix
from wordlab.models.operands import Operand, attach, operand
from wordlab.models.products import Rearranged, linear


def matrix(rows: int = 9, columns: int = 14) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(rows, columns, generator=draw) * torch.logspace(-3, 2, rows)[:, None]
    weight[4] = 0
    return weight


def test_rounding_moves_no_element_by_more_than_half_a_step() -> None:
    weight = matrix()
    made = Int8Matrix.of(weight)
    step = weight.abs().amax(dim=1, keepdim=True) / LARGEST
    assert made.values.dtype == torch.int8
    assert int(made.values.abs().max()) == LARGEST
    assert bool(((made.widened() - weight).abs() <= step / 2 * (1 + 1e-5)).all())
    assert bool((made.widened()[4] == 0).all())
    # Each row's largest element is kept but for a float's own rounding.
    largest = made.widened().abs().amax(dim=1)
    assert torch.allclose(largest, weight.abs().amax(dim=1), rtol=1e-6)


def test_rounding_what_is_rounded_changes_nothing() -> None:
    made = Int8Matrix.of(matrix())
    assert torch.equal(Int8Matrix.of(made.widened()).values, made.values)


@pytest.mark.parametrize("rows", [0, 1, 5, 300])
def test_a_product_is_that_of_the_rounded_rows(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "BLOCK_PRODUCTS", 100)
    weight, made = matrix(), Int8Matrix.of(matrix())
    x = torch.randn(rows, 14, generator=torch.Generator().manual_seed(2))
    x[rows // 2 :] *= 1e-4
    bias = torch.arange(9.0)
    scale = x.abs().amax(dim=1, keepdim=True) / LARGEST
    wanted = (x / scale).round() * scale @ made.widened().t() + bias
    assert torch.allclose(made.product(x, bias), wanted, rtol=1e-4, atol=1e-5)
    # Half a step of either side, times what it is multiplied by, summed over the columns.
    steps = weight.abs().amax(dim=1) / LARGEST, scale
    bound = 7 * (x.abs().amax(dim=1, keepdim=True) * steps[0] + steps[1] * weight.abs().amax(dim=1))
    exact = x.double() @ weight.double().t() + bias
    assert bool(((made.product(x, bias) - exact).abs() <= bound * 1.1 + 1e-5).all())
    part = made[2:6].product(x)
    assert torch.allclose(part, made.product(x)[:, 2:6])


def test_a_row_depends_on_no_other() -> None:
    made = Int8Matrix.of(matrix())
    x = torch.randn(40, 14)
    one_by_one = torch.cat([made.product(row[None]) for row in x])
    assert torch.equal(made.product(x), one_by_one)


@pytest.mark.parametrize("form", [Int8Matrix.of(matrix()), Rearranged(matrix())])
def test_a_weight_is_itself_where_another_form_would_not_do(form: Operand) -> None:
    weight = torch.nn.Parameter(matrix())
    x = torch.ones(1, 14)
    attach(weight, form)
    with torch.no_grad():
        assert (operand(weight, x) is form) == form.serves
        assert operand(weight, x.double()) is weight
        assert operand(torch.nn.Parameter(matrix()), x).shape == (9, 14)
        other = copy.deepcopy(weight)  # as one that goes on learning
        assert operand(other, x) is other
    assert operand(weight, x) is weight, "a gradient is wanted"
    with torch.no_grad():
        weight.mul_(2)
        assert operand(weight, x) is weight, "it was changed"


def test_without_fast_products_the_widened_weights_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight, x = torch.nn.Parameter(Int8Matrix.of(matrix()).widened()), torch.randn(3, 14)
    attach(weight, Int8Matrix.of(matrix()))
    monkeypatch.setattr(int8, "int8_serves", lambda: False)
    with torch.no_grad():
        plain = linear(x, operand(weight, x))
    assert torch.allclose(plain, x @ Int8Matrix.of(matrix()).widened().t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [0, 1, 70])
def test_a_rearranged_weight_has_the_same_products(rows: int) -> None:
    form = Rearranged(matrix())
    x, bias = torch.randn(14, rows).t(), torch.arange(9.0)
    assert form.shape == (9, 14)
    assert torch.equal(form[2:4], matrix()[2:4])
    if form.serves:
        assert torch.allclose(form.product(x, bias), x @ matrix().t() + bias, rtol=1e-5, atol=1e-4)
        assert torch.allclose(form.product(x), x @ matrix().t(), rtol=1e-5, atol=1e-4)
