"""`wordlab describe`: what a model is made of, and what it costs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, Overrides, note, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(describe)


def describe(
    what: Annotated[
        str, typer.Argument(help="A run folder, a TOML file or a recipe's name; else defaults.")
    ] = "",
    vocabulary: Annotated[
        int, typer.Option(min=4, help="Size of the vocabulary, where no run says it.")
    ] = 8000,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Parameters by layer, operations a token, memory, time. Nothing is trained."""
    import torch

    from wordlab.config import apply_overrides, read_toml, validate
    from wordlab.errors import WordlabError
    from wordlab.inspection.cost import blocks_of, cost_of, model_tables
    from wordlab.inspection.tagger import tagger_tables
    from wordlab.inspection.work.pace import MOST_PARAMETERS, pace_line, pace_of
    from wordlab.models.language_model import NetworkSettings, build_model
    from wordlab.native.library import kernels
    from wordlab.recipes import RECIPES, read_recipe
    from wordlab.runs.model_files import MIXTURE
    from wordlab.runs.opening import is_tagger
    from wordlab.runs.preflight import tagger_bytes
    from wordlab.runs.run import Run
    from wordlab.runs.settings import RunSettings
    from wordlab.runs.tagger_run import TaggerRun

    data: dict[str, object] = {}
    if what and Path(what, MIXTURE).exists():
        run = Run.load(what)
        show(model_tables(run.model, run.settings.training))
        return
    if what and is_tagger(what):
        tagger = TaggerRun.load(what)
        tables = tagger_tables(tagger.model, tagger.lexicon, tagger.tag_set)
        needed = tagger_bytes(tagger.settings, tagger.lexicon, tagger.tag_set, tagger.vectors())
        note(f"expected: {needed / (1 << 20):,.0f} MiB of memory in training")
        if as_json:
            show_json({table.title: table.records() for table in tables})
        else:
            show(tables)
        return
    if what and Path(what).is_dir():
        run = Run.load(what)
        vocabulary = len(run.vocabulary)
        data = run.settings.model_dump(mode="json")
    elif what in RECIPES:
        data = read_recipe(what).settings
    elif what:
        data = read_toml(what)
    settings = validate(RunSettings, apply_overrides(data, overrides), source=what or "--set")
    if what in RECIPES and settings.vocabulary.size:
        vocabulary = settings.vocabulary.size
    if not isinstance(settings.model, NetworkSettings):
        raise WordlabError(
            f"a model of type {settings.model.type} is only as large as what it counts",
            where=what or "--set",
            mend="train it: its n-grams are then listed",
        )
    with torch.device("meta"):  # shapes only: nothing is allocated, whatever the size
        model = build_model(settings.model, settings.output, vocabulary, seed=0)
    cost = cost_of(model, settings.training)
    if cost.counted <= MOST_PARAMETERS:
        pace = pace_of(settings.model, settings.output, settings.training, vocabulary)
        note(f"expected: {pace_line(pace)}")
    if as_json:
        show_json(
            {
                "vocabulary": vocabulary,
                "protocol": model.reading.protocol,
                "layers": [asdict(block) for block in blocks_of(cost.layers)],
                "parameters": cost.parameters,
                "parameters_counted": cost.counted,
                "parameters_one_class_implied": cost.one_class_implied,
                "training_bytes": cost.training_bytes,
                "kernels": str(kernels()),
            }
        )
    else:
        show([cost.table(), cost.summary()])
