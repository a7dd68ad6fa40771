"""`wordlab evaluate`: how well a run predicts a text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import (
    Json,
    LayoutOption,
    RunFolder,
    TokensOption,
    loading,
    note,
    picture_format,
    show,
    show_json,
    write_chart,
)
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.runs.tagger_run import TaggerRun
    from wordlab.runs.tagger_training import TaggerTraining


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
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Of a tagger: train it on a quarter and half of its text, too."
        ),
    ] = False,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", help="Draw the curve into this file (.html, .svg, .png)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Perplexity or F1, each with its parts, a 95 % interval and its protocol."""
    with loading():
        from wordlab.cli.progress import scoring_shown
        from wordlab.runs.opening import open_run
        from wordlab.runs.run import Run

    if chart is not None and not curve:
        raise WordlabError("is of a learning curve", where="--chart", mend="add --curve")
    if curve:
        _curve(run, texts, chart, as_json=as_json)
        return
    opened = open_run(run)
    if not isinstance(opened, Run):
        _tagger(opened, texts, errors, as_json=as_json)
        return
    text = opened.read(texts, layout=layout, tokens=tokens)
    with scoring_shown():
        evaluation = opened.evaluate(text, yardsticks=yardsticks, reading=reading)
    if as_json:
        show_json(evaluation.as_json())
    else:
        show([evaluation.summary(), evaluation.table(), evaluation.bands_table()])


def _tagger(run: "TaggerRun", texts: list[str], errors: int, *, as_json: bool) -> None:
    """Score a tagger on labelled files."""
    sentences = run.read(texts)
    found = run.evaluate_sentences(sentences, ", ".join(texts))
    sure = found.calibration
    assert sure is not None  # a tagger knows its probabilities
    if as_json:
        calibration = {
            "temperature": run.temperature,
            "expected_calibration_error": sure.expected_error,
            "reliability": sure.reliability_table().records(),
            "thresholds": sure.threshold_table().records(),
        }
        show_json({**found.as_json(), **calibration})
        return
    tables = [*found.tables(), sure.reliability_table(), sure.threshold_table()]
    show([*tables, *([found.error_table(sentences, errors)] if errors else [])])


def _curve(folder: Path, texts: list[str], chart: Path | None, *, as_json: bool) -> None:
    """Score a tagger on labelled files beside the same one trained on less."""
    from wordlab.cli.progress import train_and_show
    from wordlab.runs.learning_curve import learning_curve
    from wordlab.runs.opening import open_tagger

    def train(training: "TaggerTraining") -> "TaggerRun":
        note(f"{training.path}: training on {len(training.train):,} sentences")
        for line in training.notes:
            note(f"note: {line}")
        return train_and_show(training)

    if chart is not None:
        picture_format(chart)  # a wrong one is told before anything is trained
    run = open_tagger(folder)
    found = learning_curve(run, run.read(texts), ", ".join(texts), train=train)
    if chart is not None:
        write_chart(found.chart(), chart)
        note(f"chart: {chart}")
    if as_json:
        show_json(found.as_json())
    else:
        show([found.table()])
