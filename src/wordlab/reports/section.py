"""What a report is made of: sections of tables, charts and pictures in text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wordlab.chart import Chart
from wordlab.errors import WordlabError
from wordlab.table import Table


@dataclass(frozen=True)
class Passages:
    """Sentences set in colours.

    Attributes:
        html: the sentences as elements of a page, escaped, each with its figures as a table.
        tables: these figures.
    """

    html: str
    tables: tuple[Table, ...]


Part = Table | Chart | Passages


@dataclass(frozen=True)
class Beside:
    """The same part of two runs, side by side."""

    names: tuple[str, str]
    parts: tuple[tuple[Part, ...], tuple[Part, ...]]


@dataclass(frozen=True)
class Section:
    """A headed part of a report, in order."""

    title: str
    parts: tuple[Part | Beside, ...]


@dataclass(frozen=True)
class Report:
    """All there is to say about a run, or about two.

    Attributes:
        title: of the whole.
        sections: in order.
    """

    title: str
    sections: tuple[Section, ...]


def section_where_possible(title: str, parts: Callable[[], Sequence[Part]]) -> list[Section]:
    """A section, or where the run has no such view, one that says why."""
    try:
        return [Section(title, tuple(parts()))]
    except WordlabError as error:
        return [Section(title, (Table.of(title, (), [], note=f"Not shown: {error.what}."),))]


def plain(part: Part) -> tuple[Table, ...]:
    """The figures of a part."""
    if isinstance(part, Passages):
        return part.tables
    return (part.table if isinstance(part, Chart) else part,)


def as_values(part: Part | Beside) -> dict[str, Any]:
    """A part as plain values."""
    if isinstance(part, Beside):
        both = zip(part.names, part.parts, strict=True)
        return {"runs": [{"run": n, "parts": list(map(as_values, own))} for n, own in both]}
    tables = [{"title": t.title, "rows": t.records(), "note": t.note} for t in plain(part)]
    return {"tables": tables, **({"picture": part.description} if isinstance(part, Chart) else {})}
