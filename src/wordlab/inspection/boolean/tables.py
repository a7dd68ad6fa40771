"""Boolean functions as tables and pictures: CS224d's warm-up, for any truth table."""

from collections.abc import Mapping, Sequence
from itertools import product

from wordlab.chart import Axis, Chart
from wordlab.inspection.boolean.separability import (
    Separability,
    TruthTable,
    combined,
    dot,
    separate,
)
from wordlab.inspection.boolean.threshold_units import (
    ENOUGH_NATS,
    MOST_STEPS,
    RATE,
    HiddenLayer,
    Trained,
    Unit,
    written_sum,
)
from wordlab.table import Column, Table, Value

_COLOURS = {0: "#d62728", 1: "#2ca02c"}
"""Red circles are of class 0, green ones of class 1."""
_EDGES = (-0.5, 1.5)
"""Where a picture begins and ends, both ways."""


def unit_table(name: str, unit: Unit, table: TruthTable) -> Table:
    """The truth table of a unit, with its sums."""
    rows = [
        (*row, unit.sum(row), unit.output(row), wanted)
        for row, wanted in zip(table.rows, table.outputs, strict=True)
    ]
    columns: list[str | Column] = [*table.names, Column("w . x + b", 1), "output", name]
    return Table.of(
        f"{name} by one unit", columns, rows, note=f"Class 1 where {unit.formula(table.names)} > 0."
    )


def layer_table(name: str, layer: HiddenLayer, table: TruthTable) -> Table:
    """The truth table of a hidden layer, unit by unit."""
    names = [f"h{at}" for at in range(1, len(layer.hidden) + 1)]
    columns = (*table.names, *names, "output", name)
    rows = [
        (*row, *layer.features(row), layer.output(row), wanted)
        for row, wanted in zip(table.rows, table.outputs, strict=True)
    ]
    hidden = "; ".join(
        f"{own}, {unit.name}: {unit.formula(table.names)} > 0"
        for own, unit in zip(names, layer.hidden, strict=True)
    )
    note = f"{hidden}; output, {layer.above.name}: {layer.above.formula(names)} > 0."
    return Table.of(f"{name} by a hidden layer", columns, rows, note=note)


def proof_table(name: str, found: Separability) -> Table:
    """The inequalities that a linear unit must fulfil, and weights or a proof that none can."""
    table = found.table
    names = (*(f"w{at}" for at in range(1, table.inputs + 1)), "b")
    rows = table.inequalities
    shown: list[tuple[Value, ...]] = [
        (*row, output, f"{written_sum(numbers, (*names[:-1], 'b'))} >= 1")
        for row, output, numbers in zip(table.rows, table.outputs, rows, strict=True)
    ]
    if found.weights is not None:
        last, head = [dot(row, found.weights) for row in rows], "left side"
        values = ", ".join(f"{n} = {w}" for n, w in zip(names, found.weights, strict=True))
        note = f"A linear unit computes it: {values}; checked in fractions."
    else:
        assert found.multipliers is not None
        left, right = combined(rows, found.multipliers)
        last, head = list(found.multipliers), "times"
        note = (
            "No linear unit computes it: each inequality times its number, all added up, is "
            f"{written_sum(left, names)} >= {right}, whatever w and b are (Farkas); "
            "checked in fractions."
        )
    columns = (*table.names, "class", "a linear unit needs", head)
    return Table.of(
        f"{name}: {'linearly separable' if found.separable else 'not linearly separable'}",
        columns,
        [(*row, str(value)) for row, value in zip(shown, last, strict=True)],
        note=note,
    )


def functions_table() -> Table:
    """All Boolean functions of two inputs: weights of a linear unit, or that there are none."""
    rows: list[tuple[Value, ...]] = []
    for outputs in product((0, 1), repeat=4):
        found = separate(TruthTable(outputs))
        weights: Sequence[float | None] = (
            [None] * 3 if found.weights is None else [float(w) for w in found.weights]
        )
        rows.append((str(found.table), found.separable, *weights))
    count = sum(row[1] is True for row in rows)
    return Table.of(
        "All functions of two inputs",
        ("outputs for 00 01 10 11", "separable", Column("w1", 0), Column("w2", 0), Column("b", 0)),
        rows,
        note=f"{count} of {len(rows)} are separable; the others are XOR and its opposite.",
    )


def training_table(trainings: Sequence[tuple[str, TruthTable, Trained]]) -> Table:
    """What training came to, a row each."""
    rows = [
        (
            name,
            trained.hidden,
            trained.steps,
            trained.nats,
            f"{trained.right} of {len(table.outputs)}",
            trained.formula(table.names),
        )
        for name, table, trained in trainings
    ]
    columns = ("function", "tanh units", "steps", Column("nats", 4), "rows right", "class 1 where")
    return Table.of(
        "Trained by gradient descent",
        columns,
        rows,
        note=f"Rate {RATE}, all rows a step, until {ENOUGH_NATS} nats or {MOST_STEPS:,} steps; a "
        "coin has ln 2 = 0.6931.",
    )


def picture(name: str, table: TruthTable, line: Unit | None) -> Chart:
    """Draw the rows of a function of one or two inputs.

    Args:
        line: the unit whose border between the classes is drawn; None: there is none.
    """
    points = {
        row: (output, "".join(map(str, row)))
        for row, output in zip(table.rows, table.outputs, strict=True)
    }
    return _drawn(name, table.names, points, line)


def hidden_picture(name: str, layer: HiddenLayer, table: TruthTable) -> Chart:
    """Draw the rows as two hidden units show them; rows that they show alike share a circle."""
    points: dict[tuple[int, ...], tuple[int, str]] = {}
    for row, output in zip(table.rows, table.outputs, strict=True):
        place = layer.features(row)
        others = points.get(place, (output, ""))[1]
        points[place] = (output, f"{others} {''.join(map(str, row))}".strip())
    axes = [f"h{at}: {unit.name}" for at, unit in enumerate(layer.hidden, start=1)]
    return _drawn(name, axes, points, layer.above)


def _drawn(
    name: str,
    axes: Sequence[str],
    points: Mapping[tuple[int, ...], tuple[int, str]],
    line: Unit | None,
) -> Chart:
    """Circles at the points, each of a class and with its rows, and the border between."""
    x, y = (*axes, "(no second input)")[:2]
    rows: list[tuple[Value, ...]] = [
        (place[0], place[1] if len(place) > 1 else 0, str(output), inputs)
        for place, (output, inputs) in points.items()
    ]
    border = () if line is None else _border(line)
    said = f"the dashed line is {line.formula(axes)} = 0" if line and border else "no line is drawn"
    return Chart(
        name,
        "point",
        Table.of(name, (x, y, "class", "inputs"), rows),
        Axis(x, x, ends=_EDGES),
        Axis(y, y if len(axes) > 1 else "", ends=_EDGES),
        f"{name}: the rows of inputs as circles, red of class 0, green of class 1; {said}.",
        series="class",
        border=border,
        colours=tuple(_COLOURS[o] for o in dict.fromkeys(o for o, _ in points.values())),
        dot=300,
        width=260,
        height=260,
    )


def _border(unit: Unit) -> tuple[tuple[float, float], ...]:
    """The ends of the line w . x + b = 0 inside the picture; of one input, an upright line."""
    *weights, b = unit.weights
    w1, w2 = (*weights, 0.0)[:2]
    ends = [(-(w2 * y + b) / w1, y) for y in _EDGES if w1]
    ends += [(x, -(w1 * x + b) / w2) for x in _EDGES if w2]
    low, high = _EDGES
    inside = [(x, y) for x, y in ends if low <= x <= high and low <= y <= high]
    return (min(inside), max(inside)) if inside else ()
