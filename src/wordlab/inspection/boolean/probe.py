"""The smallest probe: a Boolean function, read from its inputs or from a hidden layer."""

import numpy as np

from wordlab.corpus.labelled.word_labels import WordLabels
from wordlab.inspection.boolean.separability import TruthTable
from wordlab.inspection.boolean.threshold_units import HiddenLayer
from wordlab.inspection.probes.probing import LayerProbe, ProbeSettings, probe_layers, probed_words
from wordlab.table import Column, Table

SENTENCES, WORDS = 200, 6
"""Of rows of the truth table, drawn at random, in the place of words."""


def probe_function(table: TruthTable, layer: HiddenLayer, *, seed: int = 1) -> list[LayerProbe]:
    """Probe the inputs and the units of a hidden layer for what a function puts out."""
    drawn = np.random.default_rng(seed).integers(len(table.outputs), size=(SENTENCES, WORDS))
    spelled = ["".join(map(str, row)) for row in table.rows]
    labels = WordLabels(
        str(table),
        "the function's output",
        tuple(tuple(spelled[at] for at in row) for row in drawn.tolist()),
        tuple(tuple(str(table.outputs[at]) for at in row) for row in drawn.tolist()),
    )
    types = drawn.ravel()
    settings = ProbeSettings(controls=20, seed=seed)
    words = probed_words(labels, types, np.zeros(len(types), dtype=bool), settings)
    inputs = np.array(table.rows, dtype=np.float32)
    hidden = np.array([layer.features(row) for row in table.rows], dtype=np.float32)
    return probe_layers({"inputs": inputs[types], "hidden": hidden[types]}, words, settings)


def function_probe_table(name: str, found: list[LayerProbe]) -> Table:
    """A row for the inputs and one for the hidden layer."""
    rows = [(probe.layer, probe.accuracy, probe.control, probe.selectivity) for probe in found]
    columns = (
        "layer",
        Column("accuracy", 2, percent=True),
        Column("control", 2, percent=True),
        Column("selectivity", 2, percent=True),
    )
    return Table.of(
        f"A probe for {name}",
        columns,
        rows,
        note=f"{SENTENCES} sentences of {WORDS} rows each, a quarter held out; control: rows with "
        f"random labels, the mean of {len(found[0].controls)}.",
    )
