"""Tables as text, Markdown, HTML, TSV and JSON."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

from wordlab.registry import Registry
from wordlab.table import Table

TableRenderer = Callable[[Table], str]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
"""Characters that would move a terminal's cursor or change its colours."""

TABLE_RENDERERS: Registry[TableRenderer] = Registry("table format")


@TABLE_RENDERERS.register("text")
def as_text(table: Table) -> str:
    """Aligned columns for a terminal or a log; nothing is cut off."""
    from rich.cells import cell_len

    shown = [[_plain_signs(cell) for cell in row] for row in table.shown()]
    rows = [list(table.names), *shown]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(table.columns))]
    right = [table.is_number(i) for i in range(len(table.columns))]

    def line(row: list[str]) -> str:
        cells = [
            " " * (width - cell_len(cell)) + cell
            if flush
            else cell + " " * (width - cell_len(cell))
            for cell, width, flush in zip(row, widths, right, strict=True)
        ]
        return "  ".join(cells).rstrip()

    lines = [_plain_signs(table.title)] if table.title else []
    if any(table.names):
        lines += [line(rows[0]), "  ".join("-" * width for width in widths)]
    lines += [line(row) for row in rows[1:]]
    if table.note:
        lines.append(_plain_signs(table.note))
    return "\n".join(lines) + "\n"


def _plain_signs(text: str) -> str:
    return _CONTROL.sub("\ufffd", text)


@TABLE_RENDERERS.register("markdown")
def as_markdown(table: Table) -> str:
    """A pipe table, headed by its title in bold."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rules = ["---:" if table.is_number(i) else "---" for i in range(len(table.columns))]
    lines = [f"**{table.title}**", ""] if table.title else []
    lines += [line(list(table.names)), "|" + "|".join(rules) + "|", *map(line, table.shown())]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


@TABLE_RENDERERS.register("html")
def as_html(table: Table) -> str:
    """A table element with caption; all text is escaped."""
    classes = [' class="n"' if table.is_number(i) else "" for i in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{kind}>{html.escape(name)}</th>'
        for name, kind in zip(table.names, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{html.escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)
        )
        + "</tr>\n"
        for row in table.shown()
    )
    caption = f"<caption>{html.escape(table.title)}</caption>" if table.title else ""
    note = f"<p>{html.escape(table.note)}</p>\n" if table.note else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>\n{note}"


@TABLE_RENDERERS.register("tsv")
def as_tsv(table: Table) -> str:
    """Raw values between tabs, a line of names first; None is empty."""
    lines = ["\t".join(table.names)]
    lines += ["\t".join("" if v is None else _plain(v) for v in row) for row in table.rows]
    return "\n".join(lines) + "\n"


@TABLE_RENDERERS.register("json")
def as_json(table: Table) -> str:
    """A list of objects with raw values."""
    return json.dumps(table.records(), ensure_ascii=False, indent=2) + "\n"


def _plain(value: Any) -> str:
    return str(value).replace("\t", " ").replace("\n", " ")
