"""What every registered word form, layout, optimiser, schedule, format and map method must do."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from wordlab.chart import Axis, Chart
from wordlab.corpus.text import LAYOUTS, TOKENIZERS
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.inspection.words.maps import PROJECTIONS
from wordlab.rendering.charts import CHART_RENDERERS
from wordlab.rendering.tables import TABLE_RENDERERS
from wordlab.table import Column, Table
from wordlab.training.optimizers import OPTIMIZERS, OptimizerSet
from wordlab.training.schedules import SCHEDULES

WORDS = ["Ada", "1,987", "x", "DG", "Ärger", "3-4", "\u4f60\u597d", "e.g."]


@pytest.mark.parametrize("name", list(WORD_FORMS))
def test_a_word_form_is_one_word_and_settles(name: str) -> None:
    form = WORD_FORMS[name]
    for word in WORDS:
        once = form(word, ())
        assert once.split() == [once]
        assert form(once, {once}) in {once, once.lower()}


@pytest.mark.parametrize("name", list(TOKENIZERS))
def test_a_tokenizer_loses_no_letter(name: str) -> None:
    text = 'He said: "3.5 km, isn\u2019t it?" \u2014 so\tit is. caf\u00e9'
    assert "".join(TOKENIZERS[name](text)) == "".join(text.split())
    assert TOKENIZERS[name](" \t ") == []


RUNNING = "One two. Three\nfour! Five\n\n\nsix seven\r\n eight"
COLUMNS = "One\tNN x\ntwo NN\n\n\n-DOCSTART- X\nThree\r\n four\t\tVB"
OTHER_LAYOUTS = {"columns": (COLUMNS, "One two Three four")}
"""Layouts in which words stand otherwise than one after another: a text, and its words."""
WITH_BLANKS = {"every-line"}


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_layout_loses_no_word(name: str, tmp_path: Path) -> None:
    text, words = OTHER_LAYOUTS.get(name, (RUNNING, RUNNING))
    path = tmp_path / "text.txt"
    path.write_text(text)
    sentences = list(LAYOUTS[name](path, str.split))
    assert [w for s in sentences for w in s.words] == words.split()
    assert all(s.words for s in sentences) != (name in WITH_BLANKS)
    assert [s.line for s in sentences] == sorted(s.line for s in sentences)


class Quadratic(nn.Module):
    """Half the squared distance of an embedding row and a matrix from a goal."""

    def __init__(self, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 3, sparse=sparse)
        self.matrix = nn.Parameter(torch.ones(3, 3))
        self.bias = nn.Parameter(torch.ones(3))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(rows) @ self.matrix + self.bias
        return ((hidden - 0.3) ** 2).sum() / 2


def optimizer(name: str, sparse: bool = False) -> tuple[Quadratic, OptimizerSet]:
    torch.manual_seed(0)
    model = Quadratic(sparse)
    return model, OptimizerSet(OPTIMIZERS[name].model_validate({"rate": 0.05}), model)


def steps(model: Quadratic, updates: OptimizerSet, count: int) -> list[float]:
    values = []
    for number in range(count):
        updates.zero()
        value = model(torch.tensor([number % 3, 4]))
        value.backward()
        updates.step(1.0)
        values.append(value.item())
    return values


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_an_optimizer_descends_and_resumes_to_the_bit(name: str) -> None:
    model, updates = optimizer(name)
    values = steps(model, updates, 7)
    assert values[-1] < values[0]
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    state = {k: v.clone() for k, v in updates.tensors().items()}
    straight = steps(model, updates, 5)
    other, again = optimizer(name)
    other.load_state_dict(weights)
    again.restore(state)
    assert steps(other, again, 5) == straight
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_factor_of_zero_moves_nothing(name: str) -> None:
    model, updates = optimizer(name)
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.tensor([1])).backward()
    updates.step(0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_a_sparse_update_is_the_dense_one(name: str) -> None:
    dense, dense_updates = optimizer(name)
    sparse, sparse_updates = optimizer(name, sparse=True)
    assert steps(dense, dense_updates, 6) == pytest.approx(steps(sparse, sparse_updates, 6))
    assert torch.allclose(dense.embedding.weight, sparse.embedding.weight, atol=1e-7)


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam"])
def test_a_sparse_update_leaves_other_rows_alone(name: str) -> None:
    model, updates = optimizer(name, sparse=True)
    before = model.embedding.weight.detach().clone()
    steps(model, updates, 3)
    assert torch.equal(model.embedding.weight[5], before[5])
    assert not torch.equal(model.embedding.weight[4], before[4])


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam"])
def test_the_penalty_is_on_matrices_only(name: str) -> None:
    model = Quadratic()
    updates = OptimizerSet(OPTIMIZERS[name].model_validate({"rate": 0.1, "l2": 1.0}), model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    (0 * model(torch.tensor([0]))).backward()
    updates.step(1.0)
    assert torch.equal(model.bias, before["bias"])
    assert torch.equal(model.embedding.weight, before["embedding.weight"])
    assert (model.matrix < before["matrix"]).all()


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_schedule_starts_at_one_and_never_rises(name: str) -> None:
    schedule = SCHEDULES[name]()
    nats = [5.0, 4.0, 4.5, 4.6, 4.2, 3.0, 3.5]
    factors = [schedule.factor(i / 7, nats[:i]) for i in range(8)]
    assert factors[0] == 1.0
    assert all(a >= b >= 0 for a, b in pairwise(factors))


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_warm_up_climbs_from_zero(name: str) -> None:
    schedule = SCHEDULES[name].model_validate({"warmup": 0.5})
    assert schedule.factor(0, []) == 0
    assert schedule.factor(0.25, []) == pytest.approx(0.5)
    assert schedule.factor(0.5, []) == pytest.approx(1.0)


def test_cosine_and_plateau_by_hand() -> None:
    cosine = SCHEDULES["cosine"].model_validate({"floor": 0.1})
    assert cosine.factor(1 / 3, []) == pytest.approx(0.1 + 0.9 * 0.75)
    assert cosine.factor(1.0, []) == pytest.approx(0.1)
    plateau = SCHEDULES["plateau"].model_validate({"cut": 0.5, "patience": 2})
    assert plateau.factor(0.5, [3.0, 3.1]) == 1.0
    assert plateau.factor(0.5, [3.0, 3.1, 3.2]) == 0.5
    assert plateau.factor(0.5, [3.0, 3.1, 3.2, 2.9, 3.0, 2.9999]) == 0.25


NASTY = Table.of(
    'A <b>title</b> & "more"\x1b[31m',
    ("word", Column("nats", 3), "count", Column("share", 1, percent=True), "known"),
    [
        ("<script>alert(1)</script>", 1.23456, 1234567, 0.5, True),
        ("a|b\tc", math.inf, 0, None, False),
        ("\u4f60\u597d", -0.5, -3, 0.001, True),
        ("bell\x07\x1b[31m", 0.0, 1, 0.0, True),
    ],
    note="A note | with <signs>.\x1b[0m",
)


@pytest.mark.parametrize("name", list(TABLE_RENDERERS))
def test_a_table_format_shows_every_row_and_hides_no_markup(name: str) -> None:
    for table in (NASTY, Table.of("Empty", ("a", "b"), [])):
        shown = TABLE_RENDERERS[name](table)
        assert shown.endswith("\n")
        for row in table.rows:
            assert str(row[0]).split("<")[0].split("|")[0].split("\x07")[0] in shown
    if name == "text":
        assert "\x1b" not in TABLE_RENDERERS[name](NASTY)
    if name == "html":
        assert "<script" not in TABLE_RENDERERS[name](NASTY)
    if name == "json":
        assert json.loads(TABLE_RENDERERS[name](NASTY))[0]["count"] == 1234567


def charts() -> list[Chart]:
    lines = Table.of(
        "Lines", ("x", "y.z [n]", "s"), [(1, 2.0, "a"), (2, 3.0, "a"), (1, 1.0, "</script>")]
    )
    words = Table.of("Words", ("word", "x", "y"), [("<b>", 0.0, 1.0), ("b\x1b\x00", 1.0, 0.0)])
    x, y = Axis("x", "x", log=True), Axis("y.z [n]", "y")
    return [
        Chart("L", "line", lines, x, y, "lines", series="s"),
        Chart("P", "point", lines, Axis("x", "x"), y, "points"),
        Chart("B", "bar", lines, y, Axis("s", "", ordered=True), "bars"),
        Chart("W", "word", words, Axis("x", "x"), Axis("y", "y"), "words", label="word"),
    ]


@pytest.mark.parametrize("name", list(CHART_RENDERERS))
def test_a_picture_format_draws_every_mark(name: str) -> None:
    begins = {"svg": b"<svg", "png": b"\x89PNG", "html": b"<!DOCTYPE html>"}[name]
    for chart in charts():
        picture = CHART_RENDERERS[name](chart)
        assert picture.startswith(begins)
        if name == "html":
            page = picture.decode()
            assert page.count("<script") == page.count("</script>") == 2
            assert "http://" not in page.split("</figure>")[0].replace("http://www.w3.org", "")


@pytest.mark.parametrize("name", list(PROJECTIONS))
def test_a_map_method_is_finite_and_repeats(name: str) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(20, 2 if name == "as-is" else 5))
    places = PROJECTIONS[name](vectors, 1)
    assert places.shape == (20, 2)
    assert np.isfinite(places).all()
    assert np.array_equal(places, PROJECTIONS[name](vectors, 1))
