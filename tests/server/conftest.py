"""Runs of each kind, and a service of them in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train
from wordlab.server.served import Shelf


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Run:
    """A recurrent model that carries its state from sentence to sentence."""
    settings = {
        "model": {"type": "lstm", "reads": "stream", "embedding": 6, "hidden": [8], "length": 5},
        "training": {"epochs": 2, "batch": 16},
    }
    folder = tmp_path_factory.mktemp("runs") / "stream"
    return train(texts / "train.txt", texts / "validation.txt", run=folder, settings=settings)


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Run:
    """A Kneser-Ney model: it has no word vectors."""
    folder = tmp_path_factory.mktemp("runs") / "counted"
    settings = {"model": {"type": "kneser-ney", "n": 3}}
    return train(texts / "train.txt", texts / "validation.txt", run=folder, settings=settings)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> TaggerRun:
    """A small tagger of the labelled sample."""
    settings = {
        "data": {"train": [str(sample)]},
        "features": {"words": 16},
        "model": {"type": "window", "hidden": [24]},
        "training": {"epochs": 6},
    }
    return train_tagger(run=tmp_path_factory.mktemp("runs") / "tagger", settings=settings)


@pytest.fixture(scope="session")
def shelf(run: Run, stream: Run, counted: Run, tagger: TaggerRun) -> Shelf:
    """All of them."""
    return Shelf([each.path for each in (run, stream, counted, tagger)])


def start(*arguments: str | Path) -> tuple["subprocess.Popen[str]", int]:
    """Start `wordlab serve` on any port; return its process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wordlab", "serve", "--port", "0", *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found, line
    return process, int(found[1])


@pytest.fixture(scope="session")
def port(shelf: Shelf) -> Iterator[int]:
    """The port of a service of all of them."""
    process, port = start(*(each.run.path for each in shelf.runs.values()))
    yield port
    process.terminate()
    process.wait(timeout=30)
    assert process.stderr is not None
    assert process.stdout is not None
    with process.stderr as errors, process.stdout as printed:
        assert (errors.read(), printed.read()) == ("", "")
