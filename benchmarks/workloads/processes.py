"""What is timed in processes of its own, most of it by this folder's other programs.

Scoring, generating and tagging are of networks that were trained on next to nothing: what they know
does not matter to their speed. Kneser-Ney is counted on the Penn Treebank, so it is left out where
WORDLAB_DATA does not say where that is.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordlab.samples import entities
from workloads.workload import Timed, Workload

BENCHMARKS = Path(__file__).parents[1]
SENTENCES, WORDS = 6_000, 12_000
NETWORKS = {
    "LSTM 2 x 200": ["type=lstm", "embedding=200", "hidden=200,200"],
    "feed-forward": ["type=feedforward", "embedding=64", "hidden=128"],
}
TAGGERS = {"window": [], "BiLSTM-CRF": ["model.type=bilstm", "output.type=crf"]}


def _figures(program: str, *arguments: str) -> Any:
    """What a program prints as JSON."""
    command = [sys.executable, str(BENCHMARKS / program), *arguments, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _wordlab(*arguments: str) -> None:
    """Run a command, which prints nothing."""
    command = [sys.executable, "-m", "wordlab", *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, **quiet)  # type: ignore[call-overload]


def two_ranks(rounds: int) -> dict[str, Any]:
    """`ranks.py`: for each network, tokens a second of both, and the ratio."""
    found: dict[str, Any] = _figures("ranks.py", "--rounds", str(rounds))
    return found


def seconds_of(arguments: list[str], times: int) -> float:
    """The median time of a command of wordlab, from its start to its end."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        _wordlab(*arguments)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def make_runs(folder: Path) -> None:
    """Write a text, and train each network on it for next to nothing."""
    draw = random.Random(1)
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    words = [f"w{rank}" for rank in range(WORDS)]
    lines = [" ".join(draw.choices(words, weights, k=21)) for _ in range(SENTENCES)]
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    (folder / "ten.txt").write_text("\n".join(lines[:10]) + "\n")
    (folder / "train.iob2").write_text(entities())
    for name, settings in NETWORKS.items():
        given = [f"model.{setting}" for setting in settings]
        _train(folder / name, folder / "train.txt", *given, "vocabulary.size=10000")
    for name, settings in TAGGERS.items():
        _train(folder / name, folder / "train.iob2", *settings, task="tagger")


def _train(run: Path, text: Path, *settings: str, task: str = "language-model") -> None:
    given = [part for setting in (*settings, "training.epochs=1") for part in ("--set", setting)]
    _wordlab("train", str(text), "--run-folder", str(run), "--task", task, *given)


def inference(folder: Path, rounds: int) -> Iterator[Timed]:
    """`inference.py` for each network; ratios are to plain PyTorch where it can do the work."""
    pairs = list(zip(NETWORKS, TAGGERS, strict=True))
    for network, tagger in pairs:
        rows = _figures(
            "inference.py", str(folder / network), str(folder / "train.txt"),
            "--tagger", str(folder / tagger), "--rounds", str(rounds),
        )  # fmt: skip
        for what in dict.fromkeys(row["what"] for row in rows):
            ways = [row for row in rows if row["what"] == what]
            first = next((row for row in ways if row["way"].startswith("plain")), ways[0])
            of = tagger if what == "tag" else network
            workload = Workload(f"{what} {of}", f"{what}, {of}", "words", 1, 0, {})
            for row in sorted(ways, key=lambda row: row is not first):
                ratios = [a / b for a, b in zip(row["rates"], first["rates"], strict=True)]
                nats = row["nats_a_word"], first["nats_a_word"]
                difference = 0.0 if None in nats else abs(nats[0] - nats[1])
                yield Timed(workload, row["way"], row["rates"], ratios, difference)


def counting(rounds: int) -> Iterator[Timed]:
    """`kneser_ney.py`: text to ARPA beside lmplz where it can be had, and scoring a batch."""
    tables = _figures("kneser_ney.py", "--rounds", str(rounds))
    scored = tables["Scoring the training text"][0]
    training = Workload("kneser_ney", "Kneser-Ney 5-gram, text to ARPA", "tokens", 1, 0, {})
    found = {
        row[""].split(",")[0]: scored["targets"] / row["seconds"]
        for row in tables["Kneser-Ney"]
        if row[""].endswith("text to ARPA")
    }
    first = found.get("KenLM", found["wordlab"])
    for program in sorted(found):
        yield Timed(training, program, [found[program]], [found[program] / first])
    scoring = Workload("kneser_ney_scoring", "Kneser-Ney, score a batch", "tokens", 1, 0, {})
    yield Timed(scoring, "wordlab", [scored["targets a second"]], [1.0])


def has_treebank() -> bool:
    """Whether there is a text to count."""
    return (Path(os.environ.get("WORDLAB_DATA", "")) / "ptb" / "ptb.train.txt").exists()
