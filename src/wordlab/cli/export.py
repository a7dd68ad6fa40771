"""`wordlab export`: a tagger for others."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import RunFolder, note


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    words: Annotated[
        str,
        typer.Option("--words", help="plain, or hashed: the list of words is not to be read."),
    ] = "plain",
) -> None:
    """Pass a tagger on without its training text."""
    from wordlab.runs.export.folder import export_folder
    from wordlab.runs.opening import open_tagger

    made = export_folder(open_tagger(run), out, words=words)
    note(f"wrote {made.path}")
