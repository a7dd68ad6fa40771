"""The best perplexities, beside those of peers, and perplexity against minutes of all families.

    WORDLAB_DATA=... python benchmarks/language_models.py [--seeds 3] [--only WORD ...]
        [--runs FOLDER] [--pictures FOLDER]

Runs are kept in --runs and not run again; see seeds.py. Mixtures are made of the runs of the same
seed, their weights fitted to the validation text that they are then scored on, as settings and
epochs were chosen on it too: a handful of numbers for thousands of targets.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seeds import FIGURES, run_recipe, spread, wordlab
from wordlab.chart import Axis, Chart
from wordlab.evaluation.cross_entropy import perplexity
from wordlab.recipes import read_recipe
from wordlab.rendering.charts import CHART_RENDERERS
from wordlab.rendering.tables import as_markdown
from wordlab.runs.run import Run
from wordlab.table import Column, Table


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        task: data and protocol.
        recipes: the recipe; or those that are mixed.
        peers: what others reach.
        goal: the perplexity to reach.
        mix: options of `wordlab mix`, where recipes are mixed.
    """

    task: str
    recipes: tuple[str, ...]
    peers: str
    goal: float | None
    mix: tuple[str, ...] | None = None


CMU = "CMU 10-707, 10,360 targets, sentences"
PTB = "Penn Treebank valid, stream"
ROWS = (
    Row(CMU, ("cmu10707-best",), "document 298.8, student 159.5", None),
    Row(CMU, ("cmu10707-rnn-128",), "document 270.4, student 167.7", None),
    Row(CMU, ("cmu10707-gru",), "document 270.4, student 167.7", None),
    Row(CMU, ("cmu10707-lstm",), "document 270.4, student 167.7, 4-gram 110.6", 92),
    Row(
        CMU + ", adaptive mixture",
        ("cmu10707-lstm", "cmu10707-kneser-ney-4", "cmu10707-gru"),
        "",
        82,
        ("--unigram-cache", "500", "--unigram-cache", "5000", "--neural-cache", "2000"),
    ),
    Row("CS224d dev, 2,000 words, sentences", ("cs224d-rnn",), "document 125.7", None),
    Row("CS224d dev, 2,000 words, sentences", ("cs224d-lstm",), "document 125.7", 52),
    Row("Penn Treebank valid, sentences", ("ptb-kneser-ney-5",), "KenLM 148.0", 148),
    Row(PTB, ("ptb-lstm-10min",), "pytorch/examples 163 after 2 epochs", 88),
    Row(PTB, ("ptb-lstm-60min",), "2 x 200 tied 87 to 95; literature 76 to 82", 74),
    Row(
        PTB + ", adaptive mixture",
        ("ptb-lstm-60min", "ptb-lstm-60min-unrotated", "ptb-lstm-10min", "ptb-kneser-ney-5"),
        "90 to 98",
        64,
        (
            *("--unigram-cache", "500", "--unigram-cache", "5000", "--buckets", "5"),
            *("--neural-cache", "2000", "--sharpness", "0.1"),
            *("--dynamic", "0.008", "--reading", "stream"),
        ),
    ),
    Row("WikiText-2 valid, stream", ("wikitext2-lstm-60min",), "literature 99 to 104", 98),
)


def figures_of(row: Row, seed: int, runs: Path) -> dict[str, Any]:
    """Train what a row needs, and return the figures of its model."""
    found = [run_recipe(name, seed, runs) for name in row.recipes]
    if row.mix is None:
        return found[0]
    folder = runs / f"{row.recipes[0]}-mixture-{seed}"
    if not (folder / FIGURES).exists():
        data = Path(os.environ["WORDLAB_DATA"])
        tune = read_recipe(row.recipes[0]).settings_on(data)["data"]["validation"]
        members = [item["run"] for item in found]
        options = [item for path in tune for item in ("--tune", path)]
        printed = wordlab("mix", *members, *options, "--run", folder, *row.mix)
        printed["wall_seconds"] = sum(item["wall_seconds"] for item in found)
        (folder / FIGURES).write_text(json.dumps(printed, indent=2) + "\n")
    mixed: dict[str, Any] = json.loads((folder / FIGURES).read_text())
    return mixed


def line(row: Row, found: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    """A row of the table."""
    return (
        row.task,
        " + ".join(row.recipes),
        row.peers,
        row.goal,
        spread([item["perplexity"] for item in found], 1),
        spread([item["adjusted_perplexity"] for item in found], 1),
        statistics.mean(item["wall_seconds"] for item in found) / 60,
        len(found),
    )


def frontier(data: str, runs: Path, recipes: Sequence[str]) -> Chart:
    """Validation perplexity against minutes, of the first seed of each recipe on a data set."""
    rows = []
    for name in recipes:
        run = Run.load(runs / f"{name}-1")
        before = json.loads((run.path / FIGURES).read_text())["wall_seconds"]
        seconds = max(0.0, before - sum(epoch.seconds for epoch in run.history))
        for epoch in run.history:
            seconds += epoch.seconds
            rows.append((name, seconds / 60, perplexity(epoch.validation_nats)))
    return Chart(
        title=f"{data}: validation perplexity against minutes",
        mark="line",
        data=Table.of(
            "Perplexity after each epoch",
            ("recipe", Column("minutes", 2), Column("perplexity", 1)),
            rows,
        ),
        x=Axis("minutes", "minutes from reading the text", log=True),
        y=Axis("perplexity", "validation perplexity", log=True),
        series="recipe",
        description="Each line is a training; lower and further left is better.",
        width=640,
        height=400,
    )


def draw(folder: Path, runs: Path, rows: Sequence[Row]) -> None:
    """Write a picture for each data set."""
    recipes = dict.fromkeys(name for row in rows for name in row.recipes)
    for data in dict.fromkeys(read_recipe(name).data for name in recipes):
        names = [name for name in recipes if read_recipe(name).data == data]
        folder.mkdir(parents=True, exist_ok=True)
        picture = CHART_RENDERERS["svg"](frontier(data, runs, names))
        (folder / f"perplexity-minutes-{data}.svg").write_bytes(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="Words of the recipes' names.")
    parser.add_argument("--runs", type=Path, default=Path("runs/language-models"))
    parser.add_argument("--pictures", type=Path, default=None)
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ:
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets")
    chosen = [
        row
        for row in ROWS
        if not options.only or any(word in " ".join(row.recipes) for word in options.only)
    ]
    lines = []
    for row in chosen:
        seeds = range(1, options.seeds + 1)
        lines.append(line(row, [figures_of(row, seed, options.runs) for seed in seeds]))
    heads = (
        "data and protocol",
        "recipes",
        "peers",
        Column("goal", 0),
        "perplexity",
        "UNK-adjusted",
        Column("minutes", 1),
        "seeds",
    )
    note = (
        "Validation texts; mean ± sample deviation over the seeds; minutes from reading the text "
        "to the figures."
    )
    print(as_markdown(Table.of("Language models", heads, lines, note=note)), end="")
    if options.pictures:
        draw(options.pictures, options.runs, chosen)


if __name__ == "__main__":
    main()
