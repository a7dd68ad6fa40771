"""`wordlab evaluate`: how well a run predicts a text."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, LayoutOption, RunFolder, TokensOption, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    run: RunFolder,
    texts: Annotated[list[str], typer.Argument(help="Text: files, .gz too, or -.")],
    yardsticks: Annotated[
        bool, typer.Option(help="Score the unigram and an interpolated n-gram beside it.")
    ] = True,
    reading: Annotated[
        str,
        typer.Option(
            "--reading",
            help="Of recurrent models: sentences, each from a zero state, or one stream.",
        ),
    ] = "",
    layout: LayoutOption = "",
    tokens: TokensOption = "",
    as_json: Json = False,
) -> None:
    """Perplexity, accuracy, frequency bands and a 95 % interval, with their protocol."""
    from wordlab.cli.progress import scoring_shown
    from wordlab.runs.run import Run

    opened = Run.load(run)
    text = opened.read(texts, layout=layout, tokens=tokens)
    with scoring_shown():
        evaluation = opened.evaluate(text, yardsticks=yardsticks, reading=reading)
    if as_json:
        show_json(evaluation.as_json())
    else:
        show([evaluation.summary(), evaluation.table(), evaluation.bands_table()])
