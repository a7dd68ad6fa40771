"""`wordlab sweep`: a grid of settings, each trained with several seeds."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordlab.cli.recipes import DataFolder, data_folder
from wordlab.cli.terminal import Json, note, show, show_json, write_chart
from wordlab.cli.train import TaskOption, given_settings
from wordlab.corpus.readers import STANDARD_INPUT
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.inspection.sweep import Standard
    from wordlab.runs.sweep import Cell, Outcome, SweepFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE | [SETTINGS.toml] TEXT ...",
            help="A recipe's name; or a settings file and training texts, as for train.",
        ),
    ],
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="SECTION.FIELD=VALUE,VALUE",
            help="Try these values; lists in brackets. May be given again: all combinations.",
        ),
    ] = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Train each with seeds 1 to this.")] = 3,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The sweep's folder; else runs/sweep-NAME.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Train so many at a time.")] = 1,
    data: DataFolder = None,
    validation: Annotated[
        list[str],
        typer.Option("--validation", help="Validation text; without one, some is held out."),
    ] = [],  # noqa: B006
    task: TaskOption = "",
    as_json: Json = False,
) -> None:
    """Train a grid of settings; the same command goes on where it was stopped or killed."""
    from wordlab.corpus.text import require_file
    from wordlab.inspection.sweep import standard_of
    from wordlab.runs.sweep import SweepFolder, cells_of

    base = _base(what, data, validation, task)
    cells = cells_of(base.settings_with, changes, seeds, source=base.source)
    for path in _texts(cells):
        require_file(path)
    place = SweepFolder(folder or Path("runs") / f"sweep-{base.name}")
    standard = standard_of(cells, base.figure)
    outcomes = _train(place, cells, base, jobs, standard)
    _write_tables(place, outcomes, standard)
    _write_charts(place, outcomes, standard)
    _report(place, outcomes, standard, as_json=as_json)


@dataclass(frozen=True)
class _Base:
    """What the cells have in common, and how one of them is begun from the command line."""

    name: str
    source: str
    settings_with: Callable[[Sequence[str]], dict[str, Any]]
    command: Sequence[str]
    figure: str = ""
    """The one that a recipe is held against; else the usual one of its task."""


def _base(what: Sequence[str], data: Path | None, validation: Sequence[str], task: str) -> _Base:
    """Tell a recipe, a settings file and texts apart."""
    from wordlab.config import apply_overrides
    from wordlab.recipes import RECIPES, read_recipe

    first, *rest = what
    if first in RECIPES:
        if rest or validation or task:
            raise WordlabError(
                "a recipe brings its own texts and task",
                where=first,
                mend="name a settings file (.toml) in its place, or leave them out",
            )
        recipe = read_recipe(first)
        root = data_folder(recipe, data)
        return _Base(
            first,
            first,
            lambda changes: apply_overrides(recipe.settings_on(root), changes),
            ["recipes", "run", first, "--data", str(root)],
            recipe.figure,
        )
    config = Path(first) if first.endswith(".toml") else None
    texts = list(rest if config else what)
    if not config and first != STANDARD_INPUT and not Path(first).exists():
        raise WordlabError(
            f"{first!r} is no recipe, no settings file (.toml) and no text",
            mend=f"recipes: {', '.join(RECIPES)}",
        )
    options = [option for path in validation for option in ("--validation", path)]
    options += ["--task", task] if task else []
    return _Base(
        Path(first).stem,
        first if config else "--set",
        lambda changes: given_settings(config, changes, texts, validation, task=task),
        ["train", *texts, *options, *(["--config", first] if config else [])],
    )


def _texts(cells: Sequence["Cell"]) -> list[str]:
    """The files that the cells read, each once."""
    found: dict[str, None] = {}
    for cell in cells:
        data = cell.settings.data
        if not data.train:
            raise WordlabError("no training text was named", where="data.train")
        found |= dict.fromkeys((*data.train, *data.validation))
    if STANDARD_INPUT in found:
        raise WordlabError(
            "standard input can be read once only, but each training reads its texts",
            where=STANDARD_INPUT,
            mend="write the text to a file",
        )
    return list(found)


def _train(
    place: "SweepFolder", cells: Sequence["Cell"], base: _Base, jobs: int, standard: "Standard"
) -> list["Outcome"]:
    """Train the cells that are not finished; return all outcomes in the cells' order."""
    from wordlab.runs.sweep import Outcome, run_cells

    def command(cell: "Cell") -> list[str]:
        options = [option for change in cell.changes for option in ("--set", change)]
        run = ["--run", str(place.run_folder(cell)), "--seed", str(cell.seed), "--json"]
        return [*base.command, *options, *run]

    with _stopped_by_signals(), place.held() as lock:
        found = {cell.name: Outcome(cell, place.figures(cell)) for cell in cells}
        open_cells = [cell for cell in cells if found[cell.name].figures is None]
        threads = _threads(jobs)
        note(
            f"{len(cells)} trainings, {len(cells) - len(open_cells)} of them finished before; "
            f"{jobs} at a time, threads of each: {threads}"
        )
        began = time.monotonic()
        running = run_cells(place, open_cells, command, jobs=jobs, threads=threads, lock=lock)
        try:
            with closing(running):
                for done, outcome in enumerate(running, start=1):
                    found[outcome.cell.name] = outcome
                    seconds = time.monotonic() - began if done >= jobs else 0.0
                    _say(outcome, standard, done, len(open_cells), seconds)
                    _write_tables(place, list(found.values()), standard)
        except KeyboardInterrupt:
            note(f"stopped; what was trained is in {place.path}; go on: the same command again")
            raise
    return list(found.values())


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal stop a sweep as Ctrl-C does, in the background too."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    kinds = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        kinds.append(signal.SIGHUP)
    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _threads(jobs: int) -> int:
    """Cores for each of `jobs` trainings, or fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = max(1, (cores or 1) // jobs)
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(given)) if given.isdecimal() and int(given) else share


def _say(outcome: "Outcome", standard: "Standard", done: int, of: int, seconds: float) -> None:
    """Tell how a training ended, and from the seconds so far how long the others will take."""
    if outcome.figures is None:
        end = f"FAILED: {outcome.error}"
    else:
        figure, found = standard.first, outcome.figures
        value = math.inf if found[figure.key] is None else found[figure.key]
        end = f"{figure.name} {figure.column.show(value)} in {found['seconds']:.1f} s"
    left = seconds / done * (of - done)
    rest = f"; about {left / 60:.0f} min left" if left >= 60 else ""
    note(f"{done}/{of} {outcome.cell.label}: {end}{rest}")


def _write_tables(
    place: "SweepFolder", outcomes: Sequence["Outcome"], standard: "Standard"
) -> None:
    """Leave the table, of what there is so far, in the sweep's folder."""
    from wordlab.inspection.sweep import sweep_table
    from wordlab.rendering.tables import TABLE_RENDERERS
    from wordlab.runs.files import write_whole

    table = sweep_table(outcomes, standard)
    for kind, ending in (("markdown", "md"), ("json", "json"), ("tsv", "tsv")):
        write_whole(place.path / f"sweep.{ending}", TABLE_RENDERERS[kind](table).encode())


def _write_charts(
    place: "SweepFolder", outcomes: Sequence["Outcome"], standard: "Standard"
) -> None:
    """Leave the pictures in the sweep's folder."""
    from wordlab.inspection.sweep import sweep_charts

    for name, chart in sweep_charts(outcomes, standard).items():
        for ending in ("html", "svg", "png"):
            write_chart(chart, place.path / f"{name}.{ending}")


def _report(
    place: "SweepFolder", outcomes: Sequence["Outcome"], standard: "Standard", *, as_json: bool
) -> None:
    """Print the table; a fault where a training failed."""
    from wordlab.inspection.sweep import sweep_table

    table = sweep_table(outcomes, standard)
    if as_json:
        cells = [
            {
                **dict(outcome.cell.values),
                "seed": outcome.cell.seed,
                "figures": outcome.figures,
                "error": outcome.error or None,
            }
            for outcome in outcomes
        ]
        about = {"folder": str(place.path), "figure": standard.first.name}
        show_json({**about, "settings": table.records(), "cells": cells})
    else:
        show([table])
        note(f"table, pictures and runs: {place.path}")
    failed = sum(outcome.figures is None for outcome in outcomes)
    if failed:
        raise WordlabError(
            f"{failed} of {len(outcomes)} trainings failed",
            where=str(place.path),
            mend=f"see {place.path / 'cells'}/*.log; the same command tries them again",
        )
