"""`wordlab evaluate`: how well a run predicts a text."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, LayoutOption, RunFolder, TokensOption, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    run: RunFolder,
    texts: Annotated[
        list[str], typer.Argument(help="Text: files, .gz too, or -; of a tagger, labelled files.")
    ],
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
    errors: Annotated[
        int, typer.Option("--errors", help="Of a tagger: show so many errors in their sentences.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Perplexity or F1, each with its parts, a 95 % interval and its protocol."""
    from wordlab.cli.progress import scoring_shown
    from wordlab.runs.opening import open_run
    from wordlab.runs.tagger_run import TaggerRun

    opened = open_run(run)
    if isinstance(opened, TaggerRun):
        sentences = opened.read(texts)
        found = opened.evaluate_sentences(sentences, ", ".join(texts))
        sure = found.calibration
        assert sure is not None  # a tagger knows its probabilities
        if as_json:
            calibration = {
                "temperature": opened.temperature,
                "expected_calibration_error": sure.expected_error,
                "reliability": sure.reliability_table().records(),
                "thresholds": sure.threshold_table().records(),
            }
            show_json({**found.as_json(), **calibration})
            return
        tables = [*found.tables(), sure.reliability_table(), sure.threshold_table()]
        show([*tables, *([found.error_table(sentences, errors)] if errors else [])])
        return
    text = opened.read(texts, layout=layout, tokens=tokens)
    with scoring_shown():
        evaluation = opened.evaluate(text, yardsticks=yardsticks, reading=reading)
    if as_json:
        show_json(evaluation.as_json())
    else:
        show([evaluation.summary(), evaluation.table(), evaluation.bands_table()])
