"""`wordlab evaluate`: how well a run predicts a text."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    run: RunFolder,
    texts: Annotated[list[str], typer.Argument(help="Text: files, .gz too, or -.")],
    yardsticks: Annotated[
        bool, typer.Option(help="Score the unigram and an interpolated n-gram beside it.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Perplexity, accuracy, frequency bands and a 95 % interval, with their protocol."""
    from wordlab.corpus.text import read_text
    from wordlab.runs.run import Run

    evaluation = Run.load(run).evaluate(read_text(texts), yardsticks=yardsticks)
    if as_json:
        show_json(evaluation.as_json())
    else:
        show([evaluation.summary(), evaluation.table(), evaluation.bands_table()])
