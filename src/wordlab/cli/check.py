"""`wordlab check`: what a labelled file holds, what is wrong with it, and its repair."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordlab.cli.terminal import Json, note, show, show_json

if TYPE_CHECKING:
    from wordlab.corpus.labelled.doctor import Diagnosis, LabelledSettings
    from wordlab.corpus.labelled.faults import Fault
    from wordlab.table import Table

SHOWN_DOUBTS = 20

SchemeOption = Annotated[
    str, typer.Option("--scheme", help="Tagging scheme; else it is found out.")
]
WordColumn = Annotated[
    int | None, typer.Option("--word-column", help="Column of the words, from 1.")
]
TagColumn = Annotated[int | None, typer.Option("--tag-column", help="Column of the tags, from 1.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    files: Annotated[list[str], typer.Argument(help="Labelled files: columns or JSON lines.")],
    scheme: SchemeOption = "",
    word_column: WordColumn = None,
    tag_column: TagColumn = None,
    repair: Annotated[
        Path | None, typer.Option("--repair", help="Write the mended file here.")
    ] = None,
    all_doubts: Annotated[
        bool, typer.Option("--all", help=f"Show all doubts, not only {SHOWN_DOUBTS}.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Name the tagging scheme and each fault, with its line and mend; status 1 if there is one."""
    from wordlab.corpus.labelled.doctor import diagnose
    from wordlab.errors import WordlabError

    if repair is not None and len(files) > 1:
        raise WordlabError("mends one file at a time", where="--repair", mend="name one file")
    settings = labelled_settings(scheme, word_column, tag_column)
    found = [diagnose(path, settings) for path in files]
    if as_json:
        show_json([_as_json(diagnosis) for diagnosis in found])
    else:
        show([table for diagnosis in found for table in diagnosis_tables(diagnosis, all_doubts)])
    if repair is not None:
        write_repair(found[0], repair)
    if any(diagnosis.faults for diagnosis in found):
        raise typer.Exit(1)


def labelled_settings(
    scheme: str, word_column: int | None, tag_column: int | None
) -> "LabelledSettings":
    """The options for reading labelled files, checked."""
    from wordlab.config import validate
    from wordlab.corpus.labelled.doctor import LabelledSettings

    data = {"scheme": scheme or None, "word_column": word_column, "tag_column": tag_column}
    return validate(LabelledSettings, data, source="options")


def diagnosis_tables(diagnosis: "Diagnosis", all_doubts: bool = False) -> list["Table"]:
    """What a file holds, its faults and its doubts."""
    from wordlab.corpus.labelled.faults import faults_table
    from wordlab.table import Table

    columns = diagnosis.columns
    words = sum(len(sentence.words) for sentence in diagnosis.sentences)
    pairs: list[tuple[str, Any]] = [("format", diagnosis.kind)]
    if columns is not None:
        pairs += [
            ("tagging scheme", f"{diagnosis.scheme} ({diagnosis.why})"),
            ("words in column", columns.word + 1),
            ("tags in column", f"{columns.tag + 1} of {columns.width}"),
        ]
    pairs += [
        ("sentences", len(diagnosis.sentences)),
        ("words", words),
        *((f"entities: {name}", count) for name, count in diagnosis.types().items()),
        ("faults", len(diagnosis.faults)),
        ("doubts", len(diagnosis.doubts)),
    ]
    tables = [Table.of_pairs(diagnosis.path, pairs)]
    if diagnosis.faults:
        note_ = "A repair mends what has one plain mend and leaves out the sentences of the rest."
        tables.append(faults_table("Faults", diagnosis.path, diagnosis.faults, note_))
    doubts = diagnosis.doubts if all_doubts else diagnosis.doubts[:SHOWN_DOUBTS]
    if doubts:
        more = len(diagnosis.doubts) - len(doubts)
        note_ = "Worth a look; nothing is changed." + (
            f" {more:,} more: see them with --all." if more else ""
        )
        tables.append(faults_table("Doubts", diagnosis.path, doubts, note_))
    return tables


def write_repair(diagnosis: "Diagnosis", path: Path) -> None:
    """Write the mended file, and say what was changed."""
    from wordlab.corpus.labelled.repair import changes, repaired
    from wordlab.runs.files import write_whole

    write_whole(path, "".join(repaired(diagnosis)).encode())
    for line, what in changes(diagnosis):
        note(f"{diagnosis.path}:{line}: {what}")
    note(f"{path}: {len(changes(diagnosis)):,} changes")


def _as_json(diagnosis: "Diagnosis") -> dict[str, Any]:
    def rows(faults: Sequence["Fault"]) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in asdict(fault).items() if key != "edits"}
            for fault in faults
        ]

    return {
        "file": diagnosis.path,
        "format": diagnosis.kind,
        "scheme": diagnosis.scheme,
        "why": diagnosis.why,
        "sentences": len(diagnosis.sentences),
        "words": sum(len(sentence.words) for sentence in diagnosis.sentences),
        "entities": diagnosis.types(),
        "faults": rows(diagnosis.faults),
        "doubts": rows(diagnosis.doubts),
    }
