"""`wordlab cost`: what each part of a model does, and how long it takes."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(cost)


def cost(
    run: RunFolder,
    rounds: Annotated[int, typer.Option(min=1, help="How often each part is timed.")] = 5,
    batch: Annotated[
        int, typer.Option(min=0, help="Targets of a batch; 0: as the run's training has.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Operations, bytes and seconds of each part: by formula, counted and timed."""
    from wordlab.cli.progress import rounds_shown
    from wordlab.inspection.work.parts import language_workload, tagger_workload
    from wordlab.inspection.work.predictors import predictor_cost
    from wordlab.inspection.work.report import measure
    from wordlab.models.language_model import LanguageModel
    from wordlab.runs.opening import open_run
    from wordlab.runs.tagger_run import TaggerRun

    opened = open_run(run)
    training = opened.settings.training
    size = batch or training.batch
    if isinstance(opened, TaggerRun):
        workload = tagger_workload(opened.model, opened.lexicon, size)
    elif isinstance(opened.model, LanguageModel):
        workload = language_workload(opened.model, opened.vocabulary, size)
    else:
        with rounds_shown(rounds + 1) as on_round:
            table = predictor_cost(opened.model, opened.vocabulary, rounds, on_round=on_round)
        if as_json:
            show_json({"predictions": table.records()})
        else:
            show([table])
        return
    with rounds_shown(rounds + 1) as on_round:
        report = measure(workload, training, rounds, on_round=on_round)
    if as_json:
        show_json(report.as_json())
    else:
        show(report.tables())
