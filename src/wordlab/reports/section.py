"""What a report is made of: sections of tables, charts and pictures in text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wordlab.chart import Chart
from wordlab.errors import WordlabError
from wordlab.table import Table


@dataclass(frozen=True)
class Passages:
    """Sentences set in colours, and the figures behind the colours as a table.

    Attributes:
        html: the sentences as elements of a page, escaped.
        table: the same in plain figures, for all who do not see colours.
    """

    html: str
    table: Table


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
        style: rules for what the sections bring along in HTML.
    """

    title: str
    sections: tuple[Section, ...]
    style: str = ""


def section_where_possible(title: str, parts: Callable[[], Sequence[Part]]) -> list[Section]:
    """A section, or where the run has no such view, one that says why."""
    try:
        return [Section(title, tuple(parts()))]
    except WordlabError as error:
        return [Section(title, (Table.of(title, (), [], note=f"Not shown: {error.what}."),))]


def plain(part: Part) -> Table:
    """The figures of a part."""
    return part if isinstance(part, Table) else part.table


def as_values(part: Part | Beside) -> dict[str, Any]:
    """A part as plain values."""
    if isinstance(part, Beside):
        both = zip(part.names, part.parts, strict=True)
        return {"runs": [{"run": n, "parts": list(map(as_values, own))} for n, own in both]}
    table = plain(part)
    found = {"title": table.title, "rows": table.records(), "note": table.note}
    if isinstance(part, Chart):
        found["picture"] = part.description
    return found
