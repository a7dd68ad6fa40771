"""Output layers beside the exact softmax: the same network, the same tokens, the exact perplexity.

    WORDLAB_DATA=... python benchmarks/output_layers.py [--data cmu10707] [--model feedforward]
        [--units 256] [--epochs 4] [--seeds 1] [--only WORD ...] [--threads 1] [--json]

Each layer is trained for the same number of epochs, with a cosine to 0 and no early stop, so that
all see the same targets. Seconds are the processor's, of the training steps alone, tokens a second
are targets by them; perplexity is that of the whole vocabulary, normalised, on the validation text,
of the best epoch.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seeds import spread
from wordlab.recipes import read_recipe
from wordlab.rendering.tables import as_text
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.table import Column, Table
from wordlab.training.progress import Step

DATA = {
    "cmu10707": "cmu10707-best",
    "ptb": "ptb-lstm-10min",
    "wikitext2": "wikitext2-lstm-60min",
}
"""Each data set, and a recipe that says how it is read."""

LAYERS: dict[str, dict[str, Any]] = {
    "softmax": {"type": "softmax"},
    "softmax, sample of 1,000": {"type": "softmax", "sample": 1000, "sample_until": 1.0},
    "softmax, the same for 4/5": {"type": "softmax", "sample": 1000, "sample_until": 0.8},
    "nce, 500 words of noise": {"type": "nce", "noise": 500},
    "nce, 2,000 words of noise": {"type": "nce", "noise": 2000},
    "adaptive": {"type": "adaptive"},
    "adaptive, narrowing 2": {"type": "adaptive", "narrowing": 2},
}


def settings_of(options: argparse.Namespace, output: dict[str, Any], seed: int) -> RunSettings:
    """The settings of a training: how the recipe reads its texts, and a plain network."""
    recipe = read_recipe(DATA[options.data]).settings_on(Path(os.environ["WORDLAB_DATA"]))
    recurrent = options.model != "feedforward"
    reading = {"reads": "stream", "length": 30} if recurrent and options.data != "cmu10707" else {}
    model = {
        "type": options.model,
        "embedding": options.units,
        "hidden": [options.units],
        **reading,
    }
    if options.data == "cmu10707" and not recurrent:
        model["padding"] = "single"
    return RunSettings.model_validate(
        {
            **{name: recipe[name] for name in ("data", "text", "vocabulary") if name in recipe},
            "model": model,
            "output": output,
            "training": {
                "batch": options.batch,
                "epochs": options.epochs,
                "patience": 0,
                "clip": 1.0,
                "optimizer": {"type": "adam", "rate": options.rate},
                "schedule": {"type": "cosine", "warmup": 0.03},
                "seed": seed,
                "threads": options.threads,
            },
        }
    )


def trained(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """Train, and return the processor's seconds of the steps and the best epoch's perplexity."""
    training = TrainingRun.start(settings, folder)
    clock = {"last": time.process_time(), "steps": 0.0}

    def step(_: Step) -> None:
        now = time.process_time()
        clock["steps"] += now - clock["last"]
        clock["last"] = now

    for _ in training.epochs(step):
        clock["last"] = time.process_time()
    run = training.finish()
    counts = settings.model.reading.target_counts(run.store("train"), len(run.vocabulary))
    targets = int(counts.sum()) * len(run.history)
    score = run.evaluate_store(run.store("validation"), "validation", yardsticks=False).overall
    return {
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "targets": targets,
        "seconds": clock["steps"],
        "tokens_per_second": targets / clock["steps"],
        "perplexity": score.perplexity,
        "cuts": run.settings.output.model_dump().get("cuts"),
    }


def _shown(cuts: tuple[int, ...] | None) -> str:
    return f" at {', '.join(f'{cut:,}' for cut in cuts)}" if cuts else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=list(DATA), default="cmu10707")
    parser.add_argument("--model", default="feedforward")
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.002)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="Words of the layers' names.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ:
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets")
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in range(1, options.seeds + 1):
        for name, output in LAYERS.items():
            if options.only and not any(word in name for word in options.only):
                continue
            with tempfile.TemporaryDirectory() as folder:
                settings = settings_of(options, output, seed)
                found.setdefault(name, []).append(trained(settings, Path(folder) / "run"))
            print(name, seed, found[name][-1], file=sys.stderr)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    columns = ("output layer", "parameters", "tokens a second", Column("seconds", 1), "perplexity")
    rows = [
        (
            name + _shown(figures[0]["cuts"]),
            int(figures[0]["parameters"]),
            round(statistics.median(x["tokens_per_second"] for x in figures)),
            statistics.median(x["seconds"] for x in figures),
            spread([x["perplexity"] for x in figures], 1),
        )
        for name, figures in found.items()
    ]
    targets = int(next(iter(found.values()))[0]["targets"])
    note = (
        f"{options.data}, {options.model} of {options.units} units, {options.epochs} epochs, "
        f"{targets:,} targets each, batches of {options.batch}, {options.threads} thread(s), "
        f"seeds 1 to {options.seeds}; exact validation perplexity."
    )
    print(as_text(Table.of("Output layers", columns, rows, note=note)), end="")


if __name__ == "__main__":
    main()
