"""`wordlab arpa`: n-gram models from and for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, note, show, show_json

arpa = typer.Typer(help="Read and write n-gram models as ARPA files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(arpa, name="arpa")


@arpa.command()
def write(
    run: RunFolder,
    path: Annotated[Path, typer.Argument(help="The file to write; .gz for gzip.")],
) -> None:
    """Write a run's n-gram model for KenLM, SRILM and others."""
    from wordlab.runs.arpa_files import export_arpa
    from wordlab.runs.run import Run

    export_arpa(Run.load(run), path)
    note(f"wrote {path}")


@arpa.command()
def read(
    path: Annotated[Path, typer.Argument(help="An ARPA file, .gz too.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder to make.")],
    like: Annotated[
        Path | None,
        typer.Option("--like", help="Take over this run's vocabulary, so that both can be mixed."),
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="With --like: leave out words that it does not know.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a run folder of an ARPA file: evaluate, score, generate and mix it as any other."""
    from wordlab.inspection.cost import model_tables
    from wordlab.models.language_model import CountModel
    from wordlab.runs.arpa_files import import_arpa
    from wordlab.runs.run import Run

    made, notes = import_arpa(path, run, like=Run.load(like) if like else None, drop=drop)
    for line in notes:
        note(f"note: {line}")
    if as_json:
        contents = made.model.contents if isinstance(made.model, CountModel) else {}
        show_json({"run": str(made.path), "vocabulary": len(made.vocabulary), **contents})
    else:
        show(model_tables(made.model, made.settings.training))
