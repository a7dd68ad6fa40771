"""Trainings that tests run alone and in several processes; as a script, one of these processes.

python tests/ranked.py FOLDER WAY    trains each into FOLDER/NAME and writes what it saw beside it;
                                     gradients go by "memory" or by "messages"
"""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from wordlab.errors import WordlabError
from wordlab.runs.kept_training import KeptTraining
from wordlab.runs.opening import settings_of
from wordlab.runs.starting import follow_run, resume_run, start_run
from wordlab.samples import entities
from wordlab.training.together.ranks import ALONE, Ranks, joined
from wordlab.training.together.sums_by_memory import SumsByMemory

ROOT = Path(__file__).parents[1]

_NO_CHANCE: dict[str, Any] = {"embedding_dropout": 0.0, "dropout": 0.0}
_LSTM = {"type": "lstm", "embedding": 6, "hidden": [6, 5], "hidden_dropout": 0.0, **_NO_CHANCE}
_WINDOWS = {"n": 3, "embedding": 5, "hidden": [6], **_NO_CHANCE}
_TAGGER = {
    "task": "tagger",
    "features": {"words": 8, "affix": 4, "letters": 0, "word_dropout": 0.0, "dropout": 0.0},
}

CASES: dict[str, dict[str, Any]] = {
    "feedforward": {
        "model": _WINDOWS,
        "training": {
            "batch": 31,
            "clip": 0.3,
            "averaging": 0.9,
            "schedule": {"type": "plateau"},
            "curriculum": [{"leave_out": 3, "epochs": 1}],
            "epochs": 3,
        },
    },
    "few rows": {"model": _WINDOWS, "training": {"batch": 5, "epochs": 1}},
    "sparse": {
        "model": {**_WINDOWS, "sparse": True},
        "training": {"batch": 8, "epochs": 1, "optimizer": {"type": "adagrad", "rate": 0.1}},
    },
    "less than a rank has": {
        "model": _WINDOWS,
        "training": {"batch": 1, "epochs": 1, "curriculum": [{"leave_out": 25, "epochs": 1}]},
    },
    "stream": {
        "model": {
            **_LSTM,
            "reads": "stream",
            "length": 4,
            "jitter": 0.4,
            "rotate": True,
            "activation_penalty": 2.0,
            "change_penalty": 1.0,
        },
        "training": {"batch": 20, "epochs": 2},
    },
    "sentences": {
        "model": {**_LSTM, "unpredicted": 2, "activation_penalty": 2.0, "change_penalty": 1.0},
        "training": {
            "batch": 12,
            "epochs": 2,
            "sum_targets": True,
            "curriculum": [{"leave_out": 60, "epochs": 1}],
            "optimizer": {"type": "sgd", "rate": 0.01, "momentum": 0.5},
        },
    },
    "tagger of sentences": {
        **_TAGGER,
        "model": {"type": "bilstm", "hidden": [8], "dropout": 0.0},
        "output": {"type": "crf"},
        "training": {"batch": 512, "epochs": 2},
    },
    "tagger of words": {
        **_TAGGER,
        "model": {"hidden": [8], "dropout": 0.0, "examples": "words"},
        "output": {"type": "softmax"},
        "training": {"batch": 512, "epochs": 2},
    },
    "diverging": {
        "model": _WINDOWS,
        "training": {"batch": 64, "epochs": 2, "optimizer": {"type": "sgd", "rate": 1500.0}},
    },
    "out of time": {"model": _WINDOWS, "training": {"epochs": 10**6, "minutes": 0.005}},
    "by chance": {
        "model": {**_LSTM, "dropout": 0.3, "reads": "stream", "length": 4},
        "training": {"batch": 20, "epochs": 3, "patience": 0, "checkpoint_seconds": 0},
    },
    "stopped together": {
        "model": {**_LSTM, "reads": "stream", "length": 4},
        "training": {"batch": 20, "epochs": 2},
    },
    "stopped alone": {
        "model": {**_LSTM, "reads": "stream", "length": 4},
        "training": {"batch": 20, "epochs": 2},
    },
}
STOP_AT = (1, 5)
"""Epochs and batches done, of the trainings that are stopped."""


def write_texts(folder: Path) -> None:
    """Write the texts that the trainings read."""
    draw = random.Random(1)
    words = [f"w{int(100 * draw.random() ** 3)}" for _ in range(240)]
    lines = [" ".join(words[at : at + length]) for at, length in _cuts(draw, len(words))]
    lines.append(" ".join(words[:40]))  # one that is longer than a batch
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    (folder / "validation.txt").write_text("\n".join(lines[::5]) + "\n")
    (folder / "train.iob2").write_text(entities())


def _cuts(draw: random.Random, total: int) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < total:
        found.append((at, draw.randint(1, 12)))
        at += found[-1][1]
    return found


def settings_for(name: str, folder: Path) -> dict[str, Any]:
    """The settings of a case on the texts in a folder."""
    case = CASES[name]
    data = {"train": [str(folder / "train.txt")], "validation": [str(folder / "validation.txt")]}
    if case.get("task") == "tagger":
        data = {"train": [str(folder / "train.iob2")]}
    training = {"averaging": 0.0, "optimizer": {"type": "adam", "rate": 0.02}, **case["training"]}
    return {**case, "data": data, "training": training}


def begun(name: str, folder: Path, texts: Path, ranks: Ranks = ALONE) -> KeptTraining[Any]:
    """A case's training in its run folder."""
    path = folder / name
    if ranks.rank:
        return follow_run(path, ranks)
    return start_run(settings_of(settings_for(name, texts), name), path, ranks)


def losses(training: KeptTraining[Any], stop_at: tuple[int, int] | None = None) -> list[float]:
    """Train to the end, or to a batch; the mean nats of the epoch so far after each batch."""
    seen: list[float] = []

    def step(report: Any) -> None:
        progress = training.trainer.progress
        seen.append(report.seen_nats)
        if stop_at is not None and (progress.epoch, progress.batch) >= stop_at:
            training.trainer.stop()

    for _ in training.epochs(step):
        pass
    return seen


def in_ranks(folder: Path, ranks: int, way: str) -> list[str]:
    """Run this file in so many processes, and return what each said wrong."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), way],
            env={**os.environ, **shared, "RANK": str(rank), "TORCHELASTIC_RUN_ID": "test"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    return [process.communicate(timeout=400)[1] for process in started]


def _main(folder: Path, way: str) -> None:
    torch.set_num_threads(1)
    if way == "messages":  # as on several machines
        SumsByMemory.of = classmethod(lambda *_: None)  # type: ignore[method-assign, assignment]
    with joined() as ranks:
        for name in CASES:
            if name == "stopped alone":
                training = resume_run(folder / name, ranks)
            else:
                training = begun(name, folder, folder, ranks)
            # The last rank alone is asked to stop.
            stop_at = STOP_AT if name == "stopped together" and ranks.rank else None
            found: dict[str, Any] = {"losses": losses(training, stop_at)}
            trainer: Any = training.trainer
            found["weights"] = [p.double().sum().item() for p in trainer.model.parameters()]
            found["way"] = type(ranks._latest).__name__
            found["progress"] = trainer.progress.as_json()
            (folder / f"{name} {ranks.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]), sys.argv[2])
    except WordlabError as error:
        sys.exit(str(error))
