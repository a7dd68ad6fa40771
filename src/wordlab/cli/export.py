"""`wordlab export`: a tagger for others."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import RunFolder, note

ONNX = ".onnx"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run: RunFolder,
    out: Annotated[
        Path,
        typer.Argument(help="The folder to make; or a file that ends in .onnx, a .json beside it."),
    ],
    words: Annotated[
        str,
        typer.Option("--words", help="plain, or hashed: the list of words is not to be read."),
    ] = "plain",
) -> None:
    """Pass a tagger on: a folder without its training text, or a network for other programs."""
    from wordlab.runs.export.folder import export_folder
    from wordlab.runs.export.onnx_file import export_onnx
    from wordlab.runs.opening import open_tagger

    tagger = open_tagger(run)
    if out.suffix == ONNX:
        about = export_onnx(tagger, out, words=words)
        note(f"wrote {out} and {about}")
    else:
        export_folder(tagger, out, words=words)
        note(f"wrote {out}")
