"""`wordlab score`: a row for each word of a text."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TextIO

import typer

from wordlab.cli.terminal import LayoutOption, RunFolder, TokensOption
from wordlab.errors import WordlabError

FORMATS = ("tsv", "jsonl", "parquet")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    run: RunFolder,
    texts: Annotated[list[str], typer.Argument(help="Text: files, .gz too, or -.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; else standard output.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--format", help="tsv, jsonl or parquet; else as --out ends, or tsv.")
    ] = "",
    end: Annotated[
        bool, typer.Option("--end", help="A row for each sentence's end marker too.")
    ] = False,
    reading: Annotated[
        str,
        typer.Option(
            "--reading",
            help="Of recurrent models: sentences, each from a zero state, or one stream.",
        ),
    ] = "",
    layout: LayoutOption = "",
    tokens: TokensOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Surprisal (nats and bits), entropy and rank of each word, in the text's own spelling."""
    from wordlab.runs.run import Run

    ending = out.suffix.removeprefix(".") if out else ""
    kind = kind or ("jsonl" if as_json else ending if ending in FORMATS else "tsv")
    if kind not in FORMATS:
        raise WordlabError(
            f"{kind!r} is no format; allowed: {', '.join(FORMATS)}", where="--format"
        )
    opened = Run.load(run)
    text = opened.read(texts, layout=layout, tokens=tokens)
    rows = (word.as_row() for word in opened.score(text, end=end, reading=reading))
    if kind == "parquet":
        if out is None:
            raise WordlabError("Parquet needs a file", where="--format", mend="name one with --out")
        _write_parquet(rows, out)
    elif out is None:
        _write_lines(rows, kind, sys.stdout)
    else:
        part = out.with_name(out.name + ".part")  # the text read may be the file written
        try:
            with part.open("w", encoding="utf-8") as stream:
                _write_lines(rows, kind, stream)
            part.replace(out)
        except OSError as error:
            raise WordlabError(error.strerror or str(error), where=str(out)) from None
        finally:
            part.unlink(missing_ok=True)


def _write_lines(rows: Iterable[dict[str, object]], kind: str, stream: TextIO) -> None:
    for number, row in enumerate(rows):
        if kind == "jsonl":
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        if number == 0:
            stream.write("\t".join(row) + "\n")
        stream.write("\t".join(_cell(value) for value in row.values()) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _write_parquet(rows: Iterable[dict[str, object]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise WordlabError(
            "Parquet needs the package pyarrow", mend="pip install 'wordlab[parquet]'"
        ) from None
    schema = pyarrow.schema(
        [
            ("line", pyarrow.int64()),
            ("sentence", pyarrow.int64()),
            ("position", pyarrow.int64()),
            ("word", pyarrow.string()),
            ("scored", pyarrow.string()),
            ("unknown", pyarrow.bool_()),
            ("nats", pyarrow.float64()),
            ("bits", pyarrow.float64()),
            ("entropy_nats", pyarrow.float64()),
            ("rank", pyarrow.int64()),
        ]
    )
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        group: list[dict[str, object]] = []
        for row in rows:
            group.append(row)
            if len(group) == 1 << 16:
                writer.write_table(pyarrow.Table.from_pylist(group, schema))
                group = []
        writer.write_table(pyarrow.Table.from_pylist(group, schema))
