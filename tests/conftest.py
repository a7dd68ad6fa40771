"""Shared texts and runs."""

import os
from pathlib import Path

import pytest
import torch

from wordlab.runs.run import Run
from wordlab.runs.training_run import train
from wordlab.samples import entities

os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests start
torch.set_num_threads(1)  # tests run side by side

SENTENCES = """\
the cat sat on the mat .
the dog sat on the rug .
a cat saw the dog .
the dog saw a cat and a mouse .
where is the mouse ?
the mouse sat on the mat with the cat .
a dog is on the rug .
the cat and the dog sat .
"""


@pytest.fixture(scope="session")
def tiny_settings() -> dict[str, object]:
    """Settings of a model that trains in a moment."""
    return {
        "model": {"n": 3, "embedding": 6, "hidden": [8]},
        "training": {"batch": 16, "epochs": 4, "optimizer": {"type": "adam", "rate": 0.02}},
    }


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labelled sentences that come along, as a file."""
    path = tmp_path_factory.mktemp("sample") / "entities.iob2"
    path.write_text(entities())
    return path


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.txt and validation.txt."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "train.txt").write_text(SENTENCES * 4)
    (folder / "validation.txt").write_text("the cat sat on the rug .\na bird saw the mouse .\n")
    return folder


@pytest.fixture(scope="session")
def run(
    tmp_path_factory: pytest.TempPathFactory, texts: Path, tiny_settings: dict[str, object]
) -> Run:
    """A small trained run; tests must not write into its folder."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return train(texts / "train.txt", texts / "validation.txt", run=folder, settings=tiny_settings)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the real data sets; the test is skipped where there is none."""
    if "WORDLAB_DATA" not in os.environ:
        pytest.skip("WORDLAB_DATA is not set: the real data sets are not here")
    return Path(os.environ["WORDLAB_DATA"])
