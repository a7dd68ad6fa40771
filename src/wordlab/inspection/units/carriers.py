"""Units that carry a class: named on one text, and held to that on another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordlab.inspection.units.effects import (
    Effects,
    model_effects,
    tagger_effects,
    tagger_log_odds,
)
from wordlab.inspection.units.layers import AnyRun
from wordlab.inspection.units.texts import TRAIN, ModelText, TaggerText, model_text, tagger_text
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table, Value


@dataclass(frozen=True)
class Carrier:
    """The unit whose holding harms a class most on the first text.

    Attributes:
        figure: what was measured on the other text.
        name: of the class.
        unit: its number.
        change_named: of the class's figure on the text that it was named on.
        change: of the class's figure on the other text.
        percentile: share of the other units that move the figure there by less, up or down.
        largest: the unit that moves it there most, and by how much.
    """

    figure: str
    name: str
    unit: int
    change_named: float
    change: float
    percentile: float
    largest: int
    largest_change: float


def carriers(named_on: Effects, checked_on: Effects) -> list[Carrier]:
    """Name a unit for each class by one text's effects, and look it up in another's.

    Args:
        named_on: of all units, on the training text; its figure may be another one.
        checked_on: of the same units, on a text that they were not trained on.
    """
    found = []
    for column, name in enumerate(named_on.classes[:-1]):
        if name not in checked_on.classes:
            continue
        other = checked_on.classes.index(name)
        chosen = int(np.argmax(named_on.harm[:, column]))
        sizes = np.abs(checked_on.changes[:, other])
        smaller = int((sizes < sizes[chosen]).sum())
        largest = int(np.argmax(sizes))
        found.append(
            Carrier(
                checked_on.figure,
                name,
                named_on.units[chosen],
                float(named_on.changes[chosen, column]),
                float(checked_on.changes[chosen, other]),
                smaller / max(len(sizes) - 1, 1),
                checked_on.units[largest],
                float(checked_on.changes[largest, other]),
            )
        )
    return found


def carriers_of(
    run: AnyRun, text: TaggerText | ModelText, *, at: str | float = "mean", most: int = 0
) -> list[tuple[list[Carrier], Effects, Effects]]:
    """Name the carriers on the run's training text and check them on another text.

    Of taggers they are named by log-odds and checked by these, by the F1 of words and by that of
    entities; of language models by nats a token of each band of words, both times.

    Args:
        at: "zero", "mean" (over the training text), or a number.
        most: words of the training text that are read.

    Returns:
        The carriers of each figure, with the effects that they were named and checked by.
    """
    if isinstance(run, TaggerRun):
        assert isinstance(text, TaggerText)
        own = tagger_text(run, own=TRAIN, most=most)
        named_on = tagger_log_odds(run, own, at=at)
        checks = [tagger_log_odds(run, text, at=at), *tagger_effects(run, text, at=at)]
    else:
        assert isinstance(text, ModelText)
        named_on = model_effects(run, model_text(run, own=TRAIN, most=most), at=at)
        checks = [model_effects(run, text, at=at)]
    return [(carriers(named_on, check), named_on, check) for check in checks]


def carriers_table(found: Sequence[Carrier], named_on: Effects, checked_on: Effects) -> Table:
    """A row for each class."""
    rows: list[Sequence[Value]] = [
        (
            c.name,
            c.unit,
            c.change_named,
            c.change,
            c.percentile,
            c.largest,
            c.largest_change,
        )
        for c in found
    ]
    return Table.of(
        f"Units that carry a class, by {checked_on.figure}",
        (
            "class",
            "unit",
            named_on.column(f"change of {named_on.figure} where named"),
            checked_on.column(f"change of {checked_on.figure}"),
            Column("more than", 1, percent=True),
            "largest",
            checked_on.column("its change"),
        ),
        rows,
        note=f"Named on {named_on.text}: the unit whose holding at {named_on.held} harms the "
        f"class's {named_on.figure} most. Checked on {checked_on.text}, which had no say in that. "
        f"More than: the share of the other {len(checked_on.units) - 1} units that move the class "
        "there by less, up or down; chance is 50 %. Largest: the unit that moves it most there.",
    )
