"""`wordlab resume`: go on with a run that was stopped or killed."""

import typer

from wordlab.cli.terminal import Json, RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(resume)


def resume(run: RunFolder, as_json: Json = False) -> None:
    """Go on training from the last checkpoint; on a CPU the result is the same to the bit."""
    from wordlab.cli.train import train_and_summarise
    from wordlab.runs.starting import resume_run
    from wordlab.training.together.ranks import joined

    with joined() as ranks:
        train_and_summarise(resume_run(run, ranks), as_json=as_json)
