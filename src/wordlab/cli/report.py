"""`wordlab report`: all there is to say about a run, in one file."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import RunFolder
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: RunFolder,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="Another run, to be shown beside it.")
    ] = None,
    out: Annotated[
        list[Path],
        typer.Option(
            "--out",
            help="File to write (.html, .md, .json); may be given again; else report.html in "
            "the run.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Write one self-contained file: figures, curves, errors, neighbours, cost, settings."""
    from wordlab.reports.formats import REPORT_FORMATS
    from wordlab.reports.gathering import report_of
    from wordlab.runs.files import write_whole
    from wordlab.runs.opening import open_run

    paths = out or [run / "report.html"]
    kinds = [path.suffix.removeprefix(".").lower() for path in paths]
    for path, kind in zip(paths, kinds, strict=True):
        if kind not in REPORT_FORMATS:
            raise WordlabError(
                REPORT_FORMATS.refusal(kind), where=str(path), mend="end the name in one of these"
            )
    found = report_of(open_run(run), None if compare is None else open_run(compare))
    for path, kind in zip(paths, kinds, strict=True):
        write_whole(path, REPORT_FORMATS[kind](found).encode())
        print(path)
