"""Repairs of labelled files: the file as it is, but for the edits of its faults."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wordlab.corpus.labelled.columns import Columns
from wordlab.corpus.labelled.doctor import Diagnosis
from wordlab.corpus.labelled.faults import Edit
from wordlab.corpus.readers import read_pieces


def repaired(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the lines of a file, with their ends, as they stand after the repair of its faults.

    A sentence that one fault makes unreadable is left out whole.
    """
    edits: dict[int, list[Edit]] = {}
    for fault in diagnosis.faults:
        for edit in fault.edits:
            edits.setdefault(edit.line, []).append(edit)
    left_out = _left_out(diagnosis, edits)
    columns = diagnosis.columns
    for number, text in _lines(diagnosis.path):
        if number in left_out:
            continue
        own = edits.get(number, ())
        fields = {edit.field: edit.value for edit in own if edit.action == "write"}
        for edit in own:
            if edit.action == "record":
                text = edit.value
        if fields and columns is not None:
            text = _with_fields(text, fields, columns)
        yield text + "\n"
        if any(edit.action == "break" for edit in own):
            yield "\n"


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    for number, text, _ in read_pieces(path):
        yield number, text.rstrip("\r\n")


def _left_out(diagnosis: Diagnosis, edits: dict[int, list[Edit]]) -> set[int]:
    """The lines of all sentences that are dropped."""
    dropped = {
        line for line, own in edits.items() if any(edit.action == "leave out" for edit in own)
    }
    if diagnosis.columns is None:
        return dropped
    return {
        row.line
        for block in diagnosis.columns.blocks
        if any(row.line in dropped for row in block.rows)
        for row in block.rows
    }


def _with_fields(text: str, fields: dict[int, str], columns: Columns) -> str:
    """A line with other values in some fields, what stands between them untouched."""
    row = columns.row(text)
    at = 0
    pieces = []
    for index, (old, start) in enumerate(zip(row.fields, row.starts, strict=True)):
        pieces += [text[at : start - 1], fields.get(index, old)]
        at = start - 1 + len(old)
    return "".join([*pieces, text[at:]])


def changes(diagnosis: Diagnosis) -> Sequence[tuple[int, str]]:
    """What a repair changes: the line, and what is done there."""
    done: dict[tuple[int, str], None] = {}
    columns = diagnosis.columns
    for fault in diagnosis.faults:
        for edit in fault.edits:
            line = edit.line
            if edit.action == "leave out" and columns is not None:
                block = next(b for b in columns.blocks if b.rows[0].line <= line <= b.rows[-1].line)
                what = f"left out, to line {block.rows[-1].line}: {fault.what}"
                line = block.line
            elif edit.action == "leave out":
                what = f"left out: {fault.what}"
            elif edit.action == "break":
                what = "a blank line after it"
            elif edit.action == "record":
                what = f"{fault.what}: moved"
            else:
                what = f"{edit.value!r} written, since {fault.what}"
            done[line, what] = None
    return sorted(done)
