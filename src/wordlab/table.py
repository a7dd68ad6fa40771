"""A table of figures: the one form in which results leave the library."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """A named column; `decimals` says how floats are shown, never how they are kept."""

    name: str
    decimals: int = 2
    percent: bool = False

    def show(self, value: Value) -> str:
        """Write one value for a reader; None is an empty cell."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, float):
            if not math.isfinite(value):
                return str(value)
            return (
                f"{100 * value:.{self.decimals}f} %"
                if self.percent
                else f"{value:,.{self.decimals}f}"
            )
        return value


@dataclass(frozen=True)
class Table:
    """Rows of raw values under named columns, with a title and a note on the protocol."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[str | Column],
        rows: Iterable[Sequence[Value]],
        note: str = "",
    ) -> "Table":
        """Build a table; a plain string is a column of its own name."""
        heads = tuple(Column(c) if isinstance(c, str) else c for c in columns)
        body = tuple(tuple(row) for row in rows)
        for row in body:
            if len(row) != len(heads):
                raise ValueError(f"a row of {len(row)} values under {len(heads)} columns")
        return cls(title, heads, body, note)

    @classmethod
    def of_pairs(cls, title: str, pairs: Iterable[tuple[str, Value]], note: str = "") -> "Table":
        """Build a two-column table of names and values."""
        return cls.of(title, ("", "value"), pairs, note)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def shown(self) -> list[list[str]]:
        """All cells as they are shown to a reader."""
        return [
            [column.show(value) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of raw values, for JSON."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def is_number(self, index: int) -> bool:
        """Whether a column holds numbers only, and so is set flush right."""
        return bool(self.rows) and all(
            row[index] is None
            or (isinstance(row[index], int | float) and not isinstance(row[index], bool))
            for row in self.rows
        )


def finite(value: Any) -> Any:
    """Plain values in which numbers that JSON cannot hold are None."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
