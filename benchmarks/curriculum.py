"""Does the frequency curriculum help? With and without it, at equal epochs and equal seconds.

    WORDLAB_DATA=... python benchmarks/curriculum.py [--kinds linear tanh] [--hidden 128]
        [--epochs 12] [--seeds 3] [--set section.field=value ...]

Both sides have the same settings, seeds and epochs; one begins with the recipe's stages. The best
epoch by validation nats counts, within the epochs or within the seconds of the faster side.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from wordlab.config import apply_overrides, validate
from wordlab.evaluation.evaluation import Evaluation
from wordlab.recipes import read_recipe
from wordlab.rendering.tables import as_markdown
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.table import Column, Table
from wordlab.training.progress import Epoch


def train(
    name: str, seed: int, epochs: int, extra: list[str], data: Path
) -> tuple[list[Epoch], Evaluation]:
    """Run a recipe for exactly so many epochs; return its history and best model's evaluation."""
    fixed = {"seed": seed, "epochs": epochs, "patience": epochs}
    overrides = [*extra, *(f"training.{field}={value}" for field, value in fixed.items())]
    settings = apply_overrides(read_recipe(name).settings_on(data), overrides)
    with tempfile.TemporaryDirectory() as scratch:
        checked = validate(RunSettings, settings, source=name)
        run = TrainingRun.start(checked, Path(scratch) / "run")
        history = list(run.epochs())
        done = run.finish()
        store = done.store("validation")
        return history, done.evaluate_store(store, "validation", yardsticks=False)


def best_within(history: list[Epoch], seconds: float) -> float:
    """The lowest validation nats reached in so many seconds of training and scoring."""
    spent, best = 0.0, float("inf")
    for epoch in history:
        spent += epoch.seconds
        if spent > seconds:
            break
        best = min(best, epoch.validation_nats)
    return best


def _row(label: str, without: list[float], with_it: list[float]) -> tuple[str, float, float, float]:
    """Means over the seeds, and the mean of the differences seed by seed."""
    differences = [b - a for a, b in zip(without, with_it, strict=True)]
    return label, *(statistics.mean(values) for values in (without, with_it, differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=["linear", "tanh"])
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    data = Path(os.environ["WORDLAB_DATA"])
    for kind in options.kinds:
        plain_name = f"cmu10707-{kind}-{options.hidden}"
        sides = {"without": plain_name, "with": f"{plain_name}-curriculum"}
        histories: dict[str, list[list[Epoch]]] = {side: [] for side in sides}
        evaluations: dict[str, list[Evaluation]] = {side: [] for side in sides}
        for seed in range(1, options.seeds + 1):
            for side, name in sides.items():
                history, evaluation = train(name, seed, options.epochs, options.set, data)
                histories[side].append(history)
                evaluations[side].append(evaluation)
        budgets = [
            min(sum(e.seconds for e in histories[side][i]) for side in sides)
            for i in range(options.seeds)
        ]
        whole = [[e.overall.nats_per_token for e in evaluations[side]] for side in sides]
        rows = [_row(f"all targets, {options.epochs} epochs", *whole)]
        for share in (1.0, 0.5, 0.25):
            within = [
                [best_within(h, share * s) for h, s in zip(histories[side], budgets, strict=True)]
                for side in sides
            ]
            rows.append(_row(f"all targets, {share * statistics.mean(budgets):.0f} s", *within))
        for label in dict(evaluations["with"][0].bands):
            band = [
                [dict(e.bands)[label].nats_per_token for e in evaluations[side]] for side in sides
            ]
            rows.append(_row(label, *band))
        accuracy = [[e.overall.accuracy for e in evaluations[side]] for side in sides]
        note = (
            f"Nats a token, mean over {options.seeds} seeds; difference = with - without. Top-1: "
            + ", ".join(
                f"{side} {100 * statistics.mean(values):.2f} %"
                for side, values in zip(sides, accuracy, strict=True)
            )
            + "."
        )
        heads = ("targets", Column("without", 4), Column("with", 4), Column("difference", 4))
        title = f"Frequency curriculum, {options.hidden} {kind} units"
        print(as_markdown(Table.of(title, heads, rows, note=note)), flush=True)


if __name__ == "__main__":
    main()
