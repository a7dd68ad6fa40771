"""`wordlab mix`: several runs as one model."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(mix)


def mix(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one vocabulary.")],
    tune: Annotated[
        list[str],
        typer.Option("--tune", help="Text that the weights are fitted to; no training text."),
    ],
    run: Annotated[Path, typer.Option("--run", help="The run folder to make.")] = Path("mixture"),
    reading: Annotated[
        str, typer.Option("--reading", help="Of recurrent members: sentences or stream.")
    ] = "",
    buckets: Annotated[
        int,
        typer.Option("--buckets", min=1, max=7, help="Weights by frequency of the last word."),
    ] = 1,
    unigram_cache: Annotated[
        list[int],
        typer.Option("--unigram-cache", min=1, help="Adaptive: counts of so many last words."),
    ] = [],  # noqa: B006
    neural_cache: Annotated[
        int, typer.Option("--neural-cache", min=0, help="Adaptive: units at so many last words.")
    ] = 0,
    sharpness: Annotated[
        float, typer.Option("--sharpness", help="Of the neural cache: how much alikeness weighs.")
    ] = 0.3,
    dynamic: Annotated[
        float,
        typer.Option("--dynamic", min=0, help="Adaptive: rate of gradient steps while scoring."),
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Fit the weights of a linear mixture by EM and keep it as a run folder."""
    from wordlab.cli.progress import scoring_shown
    from wordlab.config import validate
    from wordlab.inspection.cost import model_tables
    from wordlab.runs.mixing import mix as mix_runs
    from wordlab.runs.model_files import MixtureSettings
    from wordlab.runs.run import Run

    opened = [Run.load(path) for path in runs]
    text = opened[0].read(tune)
    settings = validate(
        MixtureSettings,
        {
            "members": [item.name for item in opened],
            "reading": reading,
            "buckets": buckets,
            "unigram_caches": unigram_cache,
            "neural_cache": neural_cache,
            "sharpness": sharpness,
            "dynamic_rate": dynamic,
        },
        source="mix",
    )
    with scoring_shown():
        mixed = mix_runs(opened, text, run, settings)
        evaluation = mixed.evaluate(text, yardsticks=False)
    if as_json:
        show_json({"run": str(mixed.path), **evaluation.as_json()})
    else:
        show([*model_tables(mixed.model, mixed.settings.training), evaluation.summary()])
