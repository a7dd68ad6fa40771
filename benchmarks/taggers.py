"""Taggers of CoNLL-2003 beside those of others, and of CS224d: F1, seconds of training, speed.

    WORDLAB_DATA=... python benchmarks/taggers.py [--seeds 3] [--only WORD ...] [--runs FOLDER]
        [--speed] [--rounds 5]

Those of CoNLL-2003 are scored by the same count: an entity is right if its words and its type are;
those of CS224d by its own count of words. Runs are kept in --runs and not run again; see seeds.py.
Peers are those of tagger_peers.py, which says how they are installed; one that is not is left out.

Speed is from plain lines (words joined by spaces) to entities, on one thread, each system splitting
lines as it does by itself. Rounds go over all systems in turn; in each a system is opened anew and
tags a line, neither of which is timed, and then tags the text twice: what it keeps of the words
that it saw helps it the second time.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from seeds import FIGURES, run_recipe, spread
from tagger_peers import PEERS, OfLines, Peer
from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.evaluation.tagging.evaluation import evaluate_tagging
from wordlab.recipes import read_recipe
from wordlab.rendering.tables import as_markdown
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table, Value

RECIPES = (
    "conll2003-window",
    "conll2003-window-glove",
    "conll2003-bilstm-crf",
    "conll2003-bilstm-crf-glove",
)
CS224D = ("cs224d-window", "cs224d-window-tuned", "cs224d-window-glove", "cs224d-window-best")
PASSES = ("first", "later")
WARM_UP = ("Nothing is timed yet .",)
"""What is read when it is first used is read now."""


@dataclass(frozen=True)
class System:
    """A line of the table.

    Attributes:
        name: of the recipe, or of the peer.
        goal: the F1 to reach, in %: that of another implementation, as the recipe has it.
        figures: trains it with a seed, unless that is done, and returns its figures.
        folder: of the run whose speed is measured.
        opened: opens that folder as a function of lines.
    """

    name: str
    goal: float | None
    figures: Callable[[int], dict[str, Any]]
    folder: Path
    opened: Callable[[], OfLines]


def of_recipe(name: str, runs: Path) -> System:
    """A recipe of wordlab."""
    folder = runs / f"{name}-1"

    def opened() -> OfLines:
        run = TaggerRun.load(folder)
        _ = run.model
        return lambda lines: list(run.tag_lines(lines))

    goal = read_recipe(name).reference
    return System(name, goal, lambda seed: run_recipe(name, seed, runs), folder, opened)


def of_peer(peer: Peer, runs: Path, data: Path) -> System:
    """A peer, which is trained with one seed."""
    folder = runs / peer.module

    def figures(seed: int) -> dict[str, Any]:
        if not (folder / FIGURES).exists():
            folder.mkdir(parents=True, exist_ok=True)
            printed = peer_figures(peer, folder, *texts(data))
            (folder / FIGURES).write_text(json.dumps(printed, indent=2) + "\n")
        found: dict[str, Any] = json.loads((folder / FIGURES).read_text())
        return found

    return System(peer.name, None, figures, folder, lambda: peer.tagger(folder))


def texts(data: Path) -> tuple[list[LabelledSentence], list[LabelledSentence]]:
    """The training text and the validation text."""
    folder = data / "conll2003"
    return read_labelled([folder / "eng.train"]), read_labelled([folder / "eng.testa"])


def peer_figures(
    peer: Peer,
    folder: Path,
    train: Sequence[LabelledSentence],
    validation: Sequence[LabelledSentence],
) -> dict[str, Any]:
    """Train a peer and score it as ours are scored."""
    wall, cpu = time.perf_counter(), time.process_time()
    epochs = peer.train(train, validation, folder)
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    found = peer.spans(folder, [sentence.words for sentence in validation])
    types = sorted({span.type for sentence in train for span in sentence.spans})
    evaluation = evaluate_tagging(validation, found, text="eng.testa", types=types)
    return {**evaluation.as_json(), **seconds, "epochs": epochs}


Rates = dict[tuple[str, str], list[tuple[float, float]]]
"""Of a system and a pass, in each round: tokens a second of the processor, and of the clock."""


def measure(systems: Sequence[System], lines: Sequence[str], rounds: int) -> Rates:
    """Tag the lines with all systems in turn, on one thread."""
    torch.set_num_threads(1)
    tokens = sum(len(line.split()) for line in lines)
    rates: Rates = {(system.name, which): [] for system in systems for which in PASSES}
    with threadpool_limits(1):
        for _ in range(rounds):
            for system in systems:
                tag = system.opened()
                tag(WARM_UP)
                for which in PASSES:
                    wall, cpu = time.perf_counter(), time.process_time()
                    tag(lines)
                    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                    rates[system.name, which].append((tokens / cpu, tokens / wall))
    return rates


def speed_table(rates: Rates, words: int) -> Table:
    """Medians and ranges of the speed."""
    rows = []
    for (name, which), found in rates.items():
        cells: list[Value] = []
        for values in zip(*found, strict=True):
            cells += [statistics.median(values), f"{min(values):,.0f} to {max(values):,.0f}"]
        rows.append((name, which, *cells))
    rounds = len(next(iter(rates.values())))
    return Table.of(
        "Speed of tagging, from lines of text",
        (
            "system",
            "pass",
            Column("tokens a CPU second", 0),
            "range",
            Column("tokens a second", 0),
            "range",
        ),
        rows,
        note=f"{rounds} rounds in turn, medians; one thread; {words:,} tokens of eng.testa as the "
        "data have them, whatever a system splits lines into.",
    )


def quality_table(
    systems: Sequence[System], found: dict[str, list[dict[str, Any]]], rates: Rates
) -> Table:
    """F1, training and speed of each system."""
    rows: list[Sequence[Value]] = []
    for system in systems:
        figures = found[system.name]
        low, high = figures[0]["entity_f1_low"], figures[0]["entity_f1_high"]
        one = len(figures) == 1
        rows.append(
            (
                system.name,
                system.goal,
                spread([100 * f["entity_f1"] for f in figures], 2),
                low if one else None,
                high if one else None,
                spread([100 * f["token_f1_weighted"] for f in figures], 2),
                statistics.mean(f["seconds"] for f in figures),
                _cpu_seconds(figures),
                statistics.median(cpu for cpu, _ in rates[system.name, "first"]),
                len(figures),
            )
        )
    columns = (
        "system",
        Column("goal", 1),
        "entity F1",
        Column("from", 2, percent=True),
        Column("to", 2, percent=True),
        "token F1",
        Column("seconds of training", 0),
        Column("CPU seconds", 0),
        Column("tokens a CPU second", 0),
        "seeds",
    )
    return Table.of(
        "Taggers of CoNLL-2003",
        columns,
        rows,
        note="In %, of eng.testa, on which settings and best epochs were chosen (not those of "
        "sklearn-crfsuite). Goal: another implementation's F1. One seed: 95 % interval, bootstrap "
        "over sentences; more: mean ± sample deviation. Token F1: mean of the types, weighted by "
        "true words. Speed: of the first pass.",
    )


def words_table(found: dict[str, list[dict[str, Any]]]) -> Table:
    """Scores of words, as CS224d counts them."""
    kinds = ("precision", "recall", "f1")
    rows = [
        (
            name,
            read_recipe(name).document,
            *(spread([100 * f[f"token_{kind}_weighted"] for f in figures], 2) for kind in kinds),
            statistics.mean(f["seconds"] for f in figures),
            len(figures),
        )
        for name, figures in found.items()
    ]
    columns = ("recipe", Column("document's F1", 1), "precision", "recall", "word F1")
    return Table.of(
        "Taggers of CS224d",
        (*columns, Column("seconds of training", 0), "seeds"),
        rows,
        note="In %, of ner/dev, on which settings and best epochs were chosen: means of the types "
        "other than O, weighted by true words; mean ± sample deviation over the seeds.",
    )


def _cpu_seconds(figures: Sequence[dict[str, Any]]) -> float | None:
    """Of training on average; None where a run was cut, and it is not known."""
    known = [f["cpu_seconds"] for f in figures if "cpu_seconds" in f]
    return statistics.mean(known) if len(known) == len(figures) else None


def chosen_systems(only: Sequence[str], runs: Path, data: Path) -> list[System]:
    """The systems whose names have one of the words, those left out that are not installed."""
    systems = [of_recipe(name, runs) for name in RECIPES]
    for peer in PEERS:
        if peer.installed:
            systems.append(of_peer(peer, runs, data))
        else:
            print(f"{peer.name} is left out: {peer.module} is not installed", file=sys.stderr)
    return [s for s in systems if not only or any(word in s.name for word in only)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="Words of the systems' names.")
    parser.add_argument("--runs", type=Path, default=Path("runs/taggers"))
    parser.add_argument("--speed", action="store_true", help="Of what is trained, speed alone.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ:
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets")
    data = Path(os.environ["WORDLAB_DATA"])
    of_words: dict[str, list[dict[str, Any]]] = {}
    if not options.speed:
        for name in CS224D:
            if not options.only or any(word in name for word in options.only):
                every = range(1, options.seeds + 1)
                of_words[name] = [run_recipe(name, seed, options.runs) for seed in every]
    systems = chosen_systems(options.only, options.runs, data)
    found = {}
    if options.speed:
        for system in systems:
            if not (system.folder / FIGURES).exists():
                print(f"{system.name} is left out: it is not trained", file=sys.stderr)
        systems = [system for system in systems if (system.folder / FIGURES).exists()]
    else:
        for system in systems:
            # Peers are deterministic, or have their one seed.
            seeds = range(1, 1 + (options.seeds if system.goal is not None else 1))
            found[system.name] = [system.figures(seed) for seed in seeds]
    if of_words:
        print(as_markdown(words_table(of_words)))
    if not systems:
        if not of_words:
            sys.exit("there is no system to measure")
        return
    lines = [" ".join(sentence.words) for sentence in texts(data)[1]]
    rates = measure(systems, lines, options.rounds)
    if not options.speed:
        print(as_markdown(quality_table(systems, found, rates)))
    print(as_markdown(speed_table(rates, sum(len(line.split()) for line in lines))), end="")


if __name__ == "__main__":
    main()
