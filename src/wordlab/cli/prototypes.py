"""`wordlab prototypes`: what a class looks like to a network."""

from dataclasses import asdict
from typing import Annotated

import typer

from wordlab.cli.neurons import positions_of
from wordlab.cli.terminal import Json, RunFolder, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="prototypes")(list_prototypes)


def list_prototypes(
    run: RunFolder,
    words: Annotated[
        list[str], typer.Option("--word", help="Of language models: a next word; again for more.")
    ] = [],  # noqa: B006
    position: Annotated[
        str, typer.Option(help="Of the window: 0, -1,1 or all; else the usual ones.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Words to list.")] = 10,
    min_count: Annotated[
        int, typer.Option(min=1, help="Leave out words seen less often in training.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws of the controls.")] = 1,
    as_json: Json = False,
) -> None:
    """Top words of each class by position, by the network and by the data, beside chance."""
    from wordlab.inspection.units.prototypes import prototypes
    from wordlab.inspection.units.transitions import transition_table
    from wordlab.inspection.units.views import view_of
    from wordlab.runs.opening import open_run
    from wordlab.runs.tagger_run import TaggerRun

    opened = open_run(run)
    view = view_of(opened, words)
    positions = positions_of(position, view.positions)
    found = prototypes(view, positions=positions, top=top, min_count=min_count, seed=seed)
    transitions = transition_table(opened) if isinstance(opened, TaggerRun) else None
    if as_json:
        show_json(
            {
                **asdict(found),
                "transitions": transitions.records() if transitions is not None else None,
            }
        )
    else:
        show([*found.tables(), *([transitions] if transitions is not None else [])])
