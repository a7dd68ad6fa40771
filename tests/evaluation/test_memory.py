"""Scoring a text needs the memory of a batch, not of the text."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch
from wordlab.batching.sequences import Stream
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.language_model import Predictor, State

WORDS, BATCHES = 30_000, 150
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3))),
    np.ones(WORDS, dtype=np.int64), 0, 1, 2,
)  # fmt: skip


class Uniform(Predictor):
    """Notes the memory held at each batch; its distributions are as large as a network's."""

    reading = Stream()

    def __init__(self) -> None:
        self.megabytes: list[int] = []

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        """All words alike."""
        self.megabytes.append(resident_megabytes())
        return torch.log_softmax(torch.zeros(len(batch.targets), WORDS), dim=1), None


def resident_megabytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_scoring_a_long_text_holds_no_more_than_a_batch() -> None:
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, timeout=300
    )
    first, second = json.loads(done.stdout)
    # Batches are of 16 MiB: room that cannot be used again would make that some 800 a half.
    assert second < first + 300


if __name__ == "__main__":  # in a process of its own, where nothing else has left room
    torch.set_num_threads(1)
    model = Uniform()
    targets = 130 * BATCHES
    score_tokens(model, TokenStore.in_memory([[3] * (targets - 1)], VOCABULARY), vocabulary=WORDS)
    assert len(model.megabytes) > BATCHES * 0.9
    half = BATCHES // 2
    print(json.dumps([max(model.megabytes[:half]), max(model.megabytes[half:])]))
