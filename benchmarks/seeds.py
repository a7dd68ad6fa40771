"""Every recipe over several seeds: the table of the README.

    WORDLAB_DATA=... python benchmarks/seeds.py [--seeds 3] [--only NAME ...] [--out FILE.json]

Perplexity and accuracy are of the validation text, the best epoch by validation nats; nothing
else of the validation text is used. Mean and sample deviation over the seeds.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from wordlab.config import apply_overrides, validate
from wordlab.evaluation.cross_entropy import perplexity
from wordlab.recipes import RECIPES, Recipe, read_recipe
from wordlab.rendering.tables import as_markdown
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.table import Column, Table


def train(recipe: Recipe, seed: int, data: Path, folder: Path) -> dict[str, float]:
    """Run a recipe once and return its figures."""
    settings = apply_overrides(recipe.settings_on(data), [f"training.seed={seed}"])
    run = TrainingRun.start(validate(RunSettings, settings, source=recipe.name), folder)
    epochs = list(run.epochs())
    best = min(epochs, key=lambda epoch: epoch.validation_nats)
    return {
        "seed": seed,
        "perplexity": perplexity(best.validation_nats),
        "accuracy": best.validation_accuracy,
        "epochs": len(epochs),
        "best_epoch": best.epoch,
        "seconds": run.trainer.progress.seconds,
    }


def spread(values: list[float], decimals: int) -> str:
    """Mean and sample deviation."""
    mean = f"{statistics.mean(values):.{decimals}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{decimals}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    data = Path(os.environ["WORDLAB_DATA"])
    rows, figures = [], {}
    for name in options.only or RECIPES:
        recipe = read_recipe(name)
        found = []
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory() as scratch:
                found.append(train(recipe, seed, data, Path(scratch) / "run"))
            print(name, found[-1], file=sys.stderr, flush=True)
        figures[name] = found
        rows.append(
            (
                name,
                recipe.document,
                recipe.reference,
                spread([f["perplexity"] for f in found], 1),
                spread([100 * f["accuracy"] for f in found], 2) + " %",
                statistics.mean(f["epochs"] for f in found),
                spread([f["seconds"] for f in found], 0),
            )
        )
        if options.out:
            options.out.write_text(json.dumps(figures, indent=2) + "\n")
    heads = (
        "recipe",
        Column("document", 1),
        Column("reference", 1),
        "perplexity",
        "top-1",
        Column("epochs", 0),
        "seconds",
    )
    note = f"Validation, mean ± deviation over {options.seeds} seeds."
    print(as_markdown(Table.of("Recipes", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
