"""How long one network takes to the perplexity of a 5-gram on the Penn Treebank, and to 100.

    WORDLAB_DATA=FOLDER python benchmarks/time_to_perplexity.py [--json]

Runs the recipes `ptb-lstm-1min` and `ptb-lstm-3min`, each from the raw text in an empty folder, and
says after how many seconds an epoch ended with a validation perplexity (the whole text as one
stream) at or below 148.0, an interpolated modified Kneser-Ney 5-gram's, and 100. Seconds are the
clock's, from before the text is read: preparing, beginning the vectors, training and scoring.
"""

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path

from wordlab.config import validate
from wordlab.recipes import read_recipe
from wordlab.rendering.tables import as_text
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.table import Column, Table

GOALS = {"ptb-lstm-1min": 148.0, "ptb-lstm-3min": 100.0}


def seconds_to(recipe: str, goal: float, folder: Path) -> tuple[float | None, float]:
    """Seconds until an epoch ended at or below the goal, and the best perplexity."""
    began = time.perf_counter()
    data = read_recipe(recipe).settings_on(Path(os.environ["WORDLAB_DATA"]))
    settings = validate(RunSettings, data, source=recipe)
    reached, best = None, math.inf
    for epoch in TrainingRun.start(settings, folder / recipe).epochs():
        best = min(best, math.exp(epoch.validation_nats))
        if reached is None and best <= goal:
            reached = time.perf_counter() - began
    return reached, best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: seconds_to(name, goal, Path(folder)) for name, goal in GOALS.items()}
    if options.json:
        print(json.dumps({f"seconds_to_{GOALS[n]:g}": s for n, (s, _) in found.items()}, indent=2))
        return
    rows = [(name, GOALS[name], seconds, best) for name, (seconds, best) in found.items()]
    heads = ("recipe", Column("goal", 1), Column("seconds", 0), Column("best", 1))
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(as_text(Table.of("Time to a perplexity", heads, rows, note=f"Load: {load}.")), end="")


if __name__ == "__main__":
    main()
