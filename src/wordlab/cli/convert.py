"""`wordlab convert`: labelled text from one format or tagging scheme to another."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.check import SchemeOption, TagColumn, WordColumn, labelled_settings
from wordlab.cli.terminal import note


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    source: Annotated[str, typer.Argument(help="A labelled file: columns or JSON lines.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    to: Annotated[
        str, typer.Option("--to", help="columns, prodigy, doccano or doccano-entities.")
    ] = "columns",
    to_scheme: Annotated[
        str, typer.Option("--to-scheme", help="Tagging scheme of the columns to write.")
    ] = "IOB2",
    drop: Annotated[
        list[str],
        typer.Option("--drop", help="Go without: columns, comments or fields; may be given again."),
    ] = [],  # noqa: B006
    scheme: SchemeOption = "",
    word_column: WordColumn = None,
    tag_column: TagColumn = None,
) -> None:
    """Write labelled text in another format, without loss, or refuse and say what would be lost."""
    from wordlab.corpus.labelled.doctor import read_labelled
    from wordlab.corpus.labelled.schemes import SCHEMES
    from wordlab.corpus.labelled.writing import WRITERS, WritingOptions
    from wordlab.errors import WordlabError
    from wordlab.runs.files import write_whole

    for name in drop:
        if name not in ("columns", "comments", "fields"):
            raise WordlabError(
                f"{name!r} is nothing to go without",
                where="--drop",
                mend="allowed: columns, comments, fields",
            )
    writer = WRITERS[to]
    options = WritingOptions(SCHEMES[to_scheme].name, frozenset(drop), source)
    sentences = read_labelled([source], labelled_settings(scheme, word_column, tag_column))
    write_whole(target, "".join(writer(sentences, options)).encode())
    entities = sum(len(sentence.spans) for sentence in sentences)
    note(f"{target}: {len(sentences):,} sentences, {entities:,} entities")
