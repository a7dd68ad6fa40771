"""The third part of `wordlab demo`: Boolean functions by threshold units, CS224d's warm-up."""

from pathlib import Path

from wordlab.cli.terminal import note, show, write_chart

MOST_HIDDEN_SHOWN = 8
"""A hidden layer of more units is told of, not printed."""


def boolean_demo(folder: Path, table: str) -> None:
    """Print which functions a linear unit computes, and draw them.

    Args:
        table: the outputs of a function of one's own; empty for the assignment's.

    Raises:
        WordlabError: where it is no truth table.
    """
    if table:
        _one_function(folder, table)
    else:
        _the_assignment(folder)


def _the_assignment(folder: Path) -> None:
    """AND, OR, NOT and XOR: by given weights, by training, and what is impossible, proved."""
    from wordlab.inspection.boolean.probe import function_probe_table, probe_function
    from wordlab.inspection.boolean.separability import separate
    from wordlab.inspection.boolean.tables import (
        functions_table,
        hidden_picture,
        layer_table,
        picture,
        proof_table,
        training_table,
        unit_table,
    )
    from wordlab.inspection.boolean.threshold_units import DOCUMENT_UNITS, XOR, XOR_LAYER, train

    note("1. AND, OR and NOT: one unit each, with the weights of CS224d's assignment 2.")
    show([unit_table(name, unit, table) for name, (unit, table) in DOCUMENT_UNITS.items()])
    note("2. XOR: no unit computes it, which linear programming finds and fractions prove.")
    show([proof_table("XOR", separate(XOR)), functions_table()])
    note("3. XOR with a hidden layer: (A or B) and not (A and B).")
    show([layer_table("XOR", XOR_LAYER, XOR)])
    note("4. Trained from random weights: one unit, and for XOR two below it.")
    trainings = [(name, table, train(table)) for name, (_, table) in DOCUMENT_UNITS.items()]
    trainings += [("XOR", XOR, train(XOR, hidden=hidden)) for hidden in (0, 2)]
    show([training_table(trainings)])
    note("5. A probe (wordlab probe): XOR is readable from the hidden layer, not from the inputs.")
    show([function_probe_table("XOR", probe_function(XOR, XOR_LAYER))])
    folder.mkdir(parents=True, exist_ok=True)
    charts = {name: picture(name, table, unit) for name, (unit, table) in DOCUMENT_UNITS.items()}
    charts["XOR"] = picture("XOR", XOR, None)
    charts["XOR-hidden"] = hidden_picture("XOR, as the hidden layer shows it", XOR_LAYER, XOR)
    for name, chart in charts.items():
        write_chart(chart, folder / f"{name.lower()}.svg")
    note(f"   Pictures: {folder}/{', '.join(f'{name.lower()}.svg' for name in charts)}")
    print("separable AND OR NOT  not separable XOR")


def _one_function(folder: Path, outputs: str) -> None:
    """A function of the user's own: weights or the proof that there are none, a hidden layer."""
    from wordlab.inspection.boolean.separability import TruthTable, separate
    from wordlab.inspection.boolean.tables import layer_table, picture, proof_table, training_table
    from wordlab.inspection.boolean.threshold_units import Unit, layer_of_rows, train

    table = TruthTable.parse(outputs, "--table")
    found = separate(table)
    show([proof_table(outputs, found)])
    layer = None if found.separable else layer_of_rows(table)
    if layer is not None and len(layer.hidden) <= MOST_HIDDEN_SHOWN:
        show([layer_table(outputs, layer, table)])
    units = 0 if layer is None else max(2, len(layer.hidden))
    trainings = [(outputs, table, train(table, hidden=n)) for n in dict.fromkeys((0, units))]
    show([training_table(trainings)])
    if table.inputs <= 2:
        folder.mkdir(parents=True, exist_ok=True)
        line = found.weights and Unit(outputs, tuple(map(float, found.weights)))
        path = folder / f"{outputs}.svg"
        write_chart(picture(outputs, table, line or None), path)
        note(f"   Picture: {path}")
    print(f"{outputs} {'separable' if found.separable else 'not separable'}")
