"""The memory that is expected of a training is near what it takes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

import wordlab
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.training.pace import Pace


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_is_near_what_training_takes() -> None:
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, timeout=300
    )
    expected, peak = json.loads(done.stdout)
    assert 0.75 * peak < expected < 1.35 * peak


def _peak() -> list[int]:
    """Bytes expected and held at most, of a training in this process."""
    settings = {
        "model": {"n": 3, "embedding": 64, "hidden": [1500, 1500], "padding": "full"},
        "training": {"epochs": 1, "batch": 64, "threads": 1},
    }
    with tempfile.TemporaryDirectory() as folder:
        train = wordlab.text_of(["the cat sat on the mat .", "a dog saw the cat ."] * 40)
        made = TrainingRun.start(
            RunSettings.model_validate(settings), Path(folder) / "run", train=train
        )
        made._pace = Pace(1, 1.0, 1.0, {1: 1.0}, {1: 0.0}, 1)
        expected = made.expectation()
        assert expected is not None
        assert expected.bytes is not None
        list(made.epochs())
        status = Path("/proc/self/status").read_text()
        return [expected.bytes, 1024 * int(status.split("VmHWM:")[1].split()[0])]


if __name__ == "__main__":  # in a process of its own, where nothing else has left room
    torch.set_num_threads(1)
    print(json.dumps(_peak()))
