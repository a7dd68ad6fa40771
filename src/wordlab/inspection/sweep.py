"""What a sweep found: a row for each setting, and what its figures cost."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from wordlab.chart import Axis, Chart
from wordlab.config import parse_value
from wordlab.runs.settings import RunSettings
from wordlab.runs.sweep import Cell, Outcome
from wordlab.table import Column, Table, Value

MOST_SERIES = 12
"""So many settings are told apart by colour; more only by the first one."""


MOST_DECIMALS = 8
"""Values with more are shown as they were written."""


@dataclass(frozen=True)
class Figure:
    """One of the figures that a training prints of its validation text.

    Attributes:
        name: for readers.
        key: its name among the figures that are printed with --json.
        percent: whether it is a share.
        higher: whether more of it is better.
    """

    name: str
    key: str
    percent: bool = False
    higher: bool = True

    @property
    def column(self) -> Column:
        """The figure in a table."""
        return Column(self.name, 2, percent=self.percent)


@dataclass(frozen=True)
class Standard:
    """What the trainings of a sweep are held against each other by.

    Attributes:
        figures: the one that decides first.
        protocol: what a reader must know of them.
    """

    figures: tuple[Figure, ...]
    protocol: str

    @property
    def first(self) -> Figure:
        """The figure that decides."""
        return self.figures[0]


MODELLING = Standard(
    (Figure("perplexity", "perplexity", higher=False), Figure("top-1", "accuracy", percent=True)),
    "the best epoch by validation nats",
)
TAGGING = Standard(
    (
        Figure("entity F1", "entity_f1", percent=True),
        Figure("word F1", "token_f1_weighted", percent=True),
    ),
    "the best epoch by the F1 of entities; word F1 is the mean of the types, weighted by their "
    "true words",
)


def standard_of(cells: Sequence[Cell], figure: str = "") -> Standard:
    """The standard for what the cells train.

    Args:
        figure: the name of the figure that decides; else the usual one.
    """
    modelling = all(isinstance(cell.settings, RunSettings) for cell in cells)
    usual = MODELLING if modelling else TAGGING
    ordered = sorted(usual.figures, key=lambda each: each.name != figure)
    return Standard(tuple(ordered), usual.protocol)


@dataclass(frozen=True)
class _Group:
    """The cells of one combination of values, which differ in the seed alone."""

    values: tuple[tuple[str, str], ...]
    outcomes: tuple[Outcome, ...]

    @property
    def label(self) -> str:
        return " ".join(f"{name.split('.')[-1]}={value}" for name, value in self.values)

    def all_of(self, figure: str) -> list[float]:
        """Of the finished cells; a perplexity beyond all numbers, null in JSON, is left out."""
        found = [o.figures[figure] for o in self.outcomes if o.figures is not None]
        return [float(value) for value in found if value is not None]

    def mean(self, figure: str) -> float | None:
        found = self.all_of(figure)
        return statistics.mean(found) if found else None

    def deviation(self, figure: str) -> float | None:
        """Sample deviation; None of a single seed."""
        found = self.all_of(figure)
        return statistics.stdev(found) if len(found) > 1 else None

    @property
    def parameters(self) -> int | None:
        found = self.all_of("parameters")
        return round(found[0]) if found else None

    @property
    def errors(self) -> str:
        """Each fault once, with the seeds that had it."""
        seeds: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.error:
                seeds.setdefault(outcome.error, []).append(str(outcome.cell.seed))
        return "; ".join(f"seed {', '.join(of)}: {error}" for error, of in seeds.items())


def sweep_table(outcomes: Sequence[Outcome], standard: Standard) -> Table:
    """Mean and deviation over the seeds, a row for each combination of values."""
    groups = _groups(outcomes)
    names = [name for name, _ in groups[0].values] if groups else []
    texts = [[group.values[i][1] for group in groups] for i in range(len(names))]
    columns = [_axis_column(name, column) for name, column in zip(names, texts, strict=True)]
    cells = [_axis_values(column) for column in texts]
    failed = any(group.errors for group in groups)
    return Table.of(
        "Sweep",
        (
            *columns,
            "seeds",
            *_pairs(standard),
            Column("seconds", 1),
            Column("seconds ±", 1),
            "parameters",
            *(["error"] if failed else []),
        ),
        [
            (
                *(column[row] for column in cells),
                len(group.all_of("seconds")),
                *(cell for figure in standard.figures for cell in _spread(group, figure.key)),
                *_spread(group, "seconds"),
                group.parameters,
                *([group.errors] if failed else []),
            )
            for row, group in enumerate(groups)
        ],
        note=_note(outcomes, groups, standard),
    )


def _pairs(standard: Standard) -> Iterator[Column]:
    """For each figure a column of means and one of deviations."""
    for figure in standard.figures:
        yield figure.column
        yield replace(figure.column, name=f"{figure.name} ±")


def _spread(group: _Group, figure: str) -> tuple[float | None, float | None]:
    return group.mean(figure), group.deviation(figure)


def _groups(outcomes: Sequence[Outcome]) -> list[_Group]:
    found: dict[tuple[tuple[str, str], ...], list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.cell.values, []).append(outcome)
    return [_Group(values, tuple(members)) for values, members in found.items()]


def _axis_values(texts: Sequence[str]) -> list[Value]:
    """The values as numbers, where all are of a readable length; else as they were written."""
    values = [parse_value(text) for text in texts]
    if all(type(value) in (int, float) and abs(value) < 1e9 for value in values):
        return values if max(map(_decimals, texts)) <= MOST_DECIMALS else list(texts)
    return list(texts)


def _axis_column(name: str, texts: Sequence[str]) -> Column:
    """A column that shows the values with all the decimals that they were written with."""
    numbers = any(not isinstance(value, str) for value in _axis_values(texts))
    return Column(name, max(map(_decimals, texts)) if numbers else 0)


def _decimals(number: str) -> int:
    exponent = Decimal(number.replace("_", "")).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _note(outcomes: Sequence[Outcome], groups: Sequence[_Group], standard: Standard) -> str:
    """Protocol, the best row, and what stands against comparing the rows."""
    lines = [
        f"Of the validation text, {standard.protocol}; mean and sample deviation over the seeds. "
        "The best of many settings looks better than it is: it was chosen here."
    ]
    key, higher = standard.first.key, standard.first.higher
    finished = [group for group in groups if group.mean(key) is not None]
    if len(finished) > 1:
        best = (max if higher else min)(finished, key=lambda group: group.mean(key) or 0.0)
        lines.append(f"{'Highest' if higher else 'Lowest'} mean: {best.label}.")
    if not _is_one_task(outcomes):
        lines.append(
            "The rows are not comparable as they stand: their validation texts, vocabularies or "
            "targets are not the same."
        )
    if any(outcome.cell.settings.data.validation == () for outcome in outcomes):
        lines.append("Each seed held out other sentences, so the deviation is theirs too.")
    return " ".join(lines)


def _is_one_task(outcomes: Sequence[Outcome]) -> bool:
    """Whether all cells of a seed are judged by the same text, with the same vocabulary."""
    found: dict[int, set[tuple[Any, ...]]] = {}
    for outcome in outcomes:
        if outcome.figures is not None:
            found.setdefault(outcome.cell.seed, set()).add(_text_scored(outcome.figures))
    return all(len(texts) == 1 for texts in found.values())


def _text_scored(figures: dict[str, Any]) -> tuple[Any, ...]:
    text = figures.get("validation_text", {})
    return text.get("vocabulary"), text.get("sha256"), figures.get("validation_targets")


def sweep_charts(outcomes: Sequence[Outcome], standard: Standard) -> dict[str, Chart]:
    """The figure against seconds and against parameters, by file name; none without figures."""
    figure = standard.first
    groups = [group for group in _groups(outcomes) if group.mean(figure.key) is not None]
    if not groups:
        return {}
    name = figure.name.lower().replace(" ", "-")
    return {
        f"{name}-seconds": _chart(groups, figure, "seconds", "seconds of training"),
        f"{name}-parameters": _chart(groups, figure, "parameters", "parameters"),
    }


def _chart(groups: Sequence[_Group], figure: Figure, cost: str, title: str) -> Chart:
    first = len(groups) > MOST_SERIES
    rows = []
    for group in groups:
        mean, deviation = group.mean(figure.key) or 0.0, group.deviation(figure.key) or 0.0
        series = "=".join(group.values[0]) if first else group.label
        price = group.parameters if cost == "parameters" else group.mean(cost)
        rows.append((group.label, series, price, mean, mean - deviation, mean + deviation))
    one = len(groups) == 1
    ends = (replace(figure.column, name="low"), replace(figure.column, name="high"))
    return Chart(
        title=f"Validation {figure.name} and {title}",
        mark="point",
        data=Table.of(
            f"Mean and deviation over the seeds: {figure.name} and {title}",
            ("setting", "series", Column(cost, 1), figure.column, *ends),
            rows,
        ),
        x=Axis(cost, title),
        y=Axis(figure.name, f"validation {figure.name}"),
        low="low",
        high="high",
        series="" if one else "series",
        tooltip=("setting", cost, figure.name, "low", "high"),
        description=f"Mean validation {figure.name} of each setting against its {title}; bars "
        "reach one sample deviation over the seeds up and down.",
    )
