"""Recipes over several seeds, each in a process of its own: mean and deviation.

    WORDLAB_DATA=... python benchmarks/seeds.py [--seeds 3] [--only NAME ...] [--runs FOLDER]

Figures are those that `wordlab recipes run` prints of the validation text, on which settings and
the best epoch were chosen; nothing else of it is used. Deviations are of the sample. Runs are kept
in --runs: a recipe and seed that is finished there is not run again, one that was cut is resumed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordlab.recipes import RECIPES, read_recipe
from wordlab.rendering.tables import as_markdown
from wordlab.table import Column, Table

FIGURES = "figures.json"


def run_recipe(name: str, seed: int, runs: Path) -> dict[str, Any]:
    """Train a recipe with a seed, unless that is done; return what the command printed."""
    folder = runs / f"{name}-{seed}"
    figures = folder / FIGURES
    if not figures.exists():
        begun = (folder / "settings.json").exists()
        arguments = (
            ["resume", folder]
            if begun
            else ["recipes", "run", name, "--run", folder, "--seed", seed]
        )
        began, before = time.perf_counter(), os.times()
        printed = wordlab(*arguments)
        after = os.times()
        # Of a run that was cut, the time of preparing its text is no longer known.
        printed["wall_seconds"] = printed["seconds"] if begun else time.perf_counter() - began
        if not begun:
            user = after.children_user - before.children_user
            printed["cpu_seconds"] = user + after.children_system - before.children_system
        figures.write_text(json.dumps(printed, indent=2) + "\n")
    found: dict[str, Any] = json.loads(figures.read_text())
    return found


def wordlab(*arguments: object) -> dict[str, Any]:
    """Run a command with --json; its progress goes to standard error."""
    command = [sys.executable, "-m", "wordlab", *map(str, arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def spread(values: Sequence[float], decimals: int) -> str:
    """Mean and sample deviation."""
    mean = f"{statistics.mean(values):.{decimals}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{decimals}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--runs", type=Path, default=Path("runs/seeds"))
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ:
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets")
    rows = []
    modelling = [name for name in RECIPES if read_recipe(name).figure == "perplexity"]
    for name in options.only or modelling:
        recipe = read_recipe(name)
        seeds = range(1, options.seeds + 1)
        found = [run_recipe(name, seed, options.runs) for seed in seeds]
        rows.append(
            (
                name,
                recipe.document,
                recipe.reference,
                spread([f["perplexity"] for f in found], 1),
                spread([100 * f["accuracy"] for f in found], 2) + " %",
                found[0]["parameters"],
                statistics.mean(f["epochs"] for f in found),
                spread([f["seconds"] for f in found], 0),
            )
        )
    heads = (
        "recipe",
        Column("document", 1),
        Column("reference", 1),
        "perplexity",
        "top-1",
        "parameters",
        Column("epochs", 0),
        "seconds",
    )
    note = f"Validation, mean ± deviation over {options.seeds} seeds."
    print(as_markdown(Table.of("Recipes", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
