"""What can be wrong with a labelled file: each fault with its place, its mend and its repair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wordlab.table import Table

UNSEEN = "unseen character"
"""The kind of faults that leave no doubt which words and tags are meant: a file can be used."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a file.

    Attributes:
        line: of the file, from 1.
        action: write: put `value` into a field of the row; leave out: drop the sentence that the
            line is in; break: end the sentence after the line; record: put `value` in the line's
            place.
        field: of the row, from 0.
    """

    line: int
    action: Literal["write", "leave out", "break", "record"]
    value: str = ""
    field: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong, or worth a look, at one place of a file.

    Attributes:
        kind: a short name, of `KINDS`.
        line, column: where, from 1.
        what: the fault in words.
        mend: what to do about it.
        edits: what a repair does; none for a doubt.
    """

    kind: str
    line: int
    column: int
    what: str
    mend: str
    edits: tuple[Edit, ...] = ()


def faults_table(title: str, path: str, faults: Sequence[Fault], note: str = "") -> Table:
    """Faults as rows, in the order of the file."""
    return Table.of(
        title,
        ("where", "kind", "what", "mend"),
        [(f"{path}:{f.line}:{f.column}", f.kind, f.what, f.mend) for f in faults],
        note=note,
    )
