"""`wordlab report`: one HTML file about a run."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; else report.html in the run.")
    ] = None,
) -> None:
    """Write one self-contained HTML file: figures, curves, sentences, neighbours, map."""
    from wordlab.rendering.report import write_report
    from wordlab.runs.run import Run

    path = out or run / "report.html"
    write_report(Run.load(run), path)
    print(path)
