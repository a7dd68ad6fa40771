"""Boolean functions: what a linear unit computes, and the proof of what it cannot."""

import re
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from wordlab.errors import WordlabError
from wordlab.inspection.boolean.separability import (
    Separability,
    TruthTable,
    combined,
    separate,
    solve,
)
from wordlab.inspection.boolean.tables import functions_table, hidden_picture, picture, proof_table
from wordlab.inspection.boolean.threshold_units import (
    DOCUMENT_UNITS,
    XOR,
    XOR_LAYER,
    Unit,
    layer_of_rows,
    train,
)
from wordlab.rendering.charts import as_svg

PAIRS = [TruthTable(outputs) for outputs in product((0, 1), repeat=4)]


def test_fourteen_of_the_sixteen_functions_of_two_inputs_are_separable() -> None:
    impossible = {str(table) for table in PAIRS if not separate(table).separable}
    assert impossible == {"0110", "1001"}
    assert "14 of 16" in functions_table().note


def test_the_threshold_functions_of_three_inputs_are_as_many_as_is_known() -> None:
    tables = [TruthTable(outputs) for outputs in product((0, 1), repeat=8)]
    assert sum(separate(table).separable for table in tables) == 104


@pytest.mark.parametrize("table", PAIRS, ids=str)
def test_weights_that_are_found_compute_the_function(table: TruthTable) -> None:
    found = separate(table)
    if found.weights is None:
        return
    unit = Unit("", tuple(map(float, found.weights)))
    assert [unit.output(row) for row in table.rows] == list(table.outputs)


@pytest.mark.parametrize("outputs", ["0110", "1001", "01101001", "0110100110010110"])
def test_the_proof_adds_the_inequalities_to_a_contradiction(outputs: str) -> None:
    table = TruthTable.parse(outputs)
    found = separate(table)
    assert found.weights is None
    assert found.multipliers is not None
    assert all(isinstance(m, Fraction) and m >= 0 for m in found.multipliers)
    sums = [Fraction(0)] * (table.inputs + 1)
    for row, output, times in zip(table.rows, table.outputs, found.multipliers, strict=True):
        sign = 1 if output else -1
        sums = [s + times * sign * v for s, v in zip(sums, (*row, 1), strict=True)]
    assert sums == [0] * len(sums)
    assert sum(found.multipliers) == 1
    assert combined(table.inequalities, found.multipliers) == (tuple(sums), 1)


def test_a_false_answer_does_not_hold() -> None:
    found = separate(XOR)
    quarter = Fraction(1, 4)
    assert found.holds()
    assert not replace(found, multipliers=(quarter, quarter, quarter, Fraction(1, 5))).holds()
    half = Fraction(1, 2)
    assert not replace(found, multipliers=(half, quarter, quarter, Fraction(0))).holds()
    assert not replace(found, multipliers=(Fraction(1), Fraction(-1), Fraction(1), 0)).holds()
    assert not Separability(XOR, (Fraction(1), Fraction(1), Fraction(0)), None).holds()


def test_equations_without_one_solution_are_refused() -> None:
    one = Fraction(1)
    with pytest.raises(ArithmeticError, match="no solution"):
        solve([[one], [one]], [1, 2])
    with pytest.raises(ArithmeticError, match="more than one"):
        solve([[one, one]], [1])


def test_the_units_of_the_assignment() -> None:
    for unit, table in DOCUMENT_UNITS.values():
        assert [unit.output(row) for row in table.rows] == list(table.outputs)
    assert [XOR_LAYER.output(row) for row in XOR.rows] == [0, 1, 1, 0]


@pytest.mark.parametrize("outputs", ["0110", "1001", "01101001", "10010110"])
def test_a_hidden_unit_for_each_row_of_class_one_computes_any_function(outputs: str) -> None:
    table = TruthTable.parse(outputs)
    layer = layer_of_rows(table)
    assert [layer.output(row) for row in table.rows] == list(table.outputs)


def test_training_finds_what_a_unit_can_and_no_more() -> None:
    for _, table in DOCUMENT_UNITS.values():
        assert train(table).right == len(table.outputs)
    alone = train(XOR)
    assert alone.nats == pytest.approx(0.6931, abs=1e-4)
    assert alone.right < 4
    assert train(XOR, hidden=2).right == 4
    assert train(XOR, hidden=2) == train(XOR, hidden=2)


def test_the_proof_as_it_is_printed() -> None:
    table = proof_table("XOR", separate(XOR))
    assert [row[-2:] for row in table.rows] == [
        ("-b >= 1", "1/4"),
        ("w2 + b >= 1", "1/4"),
        ("w1 + b >= 1", "1/4"),
        ("-w1 - w2 - b >= 1", "1/4"),
    ]
    assert "is 0 >= 1, whatever w and b are" in table.note


def test_pictures_have_red_and_green_circles_and_a_dashed_line() -> None:
    unit, table = DOCUMENT_UNITS["AND"]
    chart = picture("AND", table, unit)
    assert chart.border == ((0.0, 1.5), (1.5, 0.0))
    assert "A + B - 1.5 = 0" in chart.description
    drawn = as_svg(chart).decode()
    assert drawn.count('fill="#d62728"') >= 3
    assert drawn.count('fill="#2ca02c"') >= 1
    assert "stroke-dasharray" in drawn
    none = picture("XOR", XOR, None)
    assert "stroke-dasharray" not in as_svg(none).decode()
    upright = picture("NOT", DOCUMENT_UNITS["NOT"][1], DOCUMENT_UNITS["NOT"][0])
    assert upright.border == ((0.5, -0.5), (0.5, 1.5))
    shown = hidden_picture("XOR", XOR_LAYER, XOR)
    assert [(row[:2], row[3]) for row in shown.data.rows] == [
        ((0, 0), "00"),
        ((1, 0), "01 10"),
        ((1, 1), "11"),
    ]


@pytest.mark.parametrize("text", ["", "1", "011", "0120", "0" * 512])
def test_what_is_no_truth_table_is_refused(text: str) -> None:
    with pytest.raises(WordlabError, match=re.escape(f"{text!r} is no truth table")):
        TruthTable.parse(text)
