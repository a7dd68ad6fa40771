"""An evaluation whose every figure is worked out by hand."""

import math

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.bands import bands_of
from wordlab.evaluation.cross_entropy import adjusted_nats
from wordlab.evaluation.evaluation import evaluate
from wordlab.evaluation.intervals import bootstrap_perplexity
from wordlab.models.language_model import Predictor, State

# Counts: unknown 10, both markers 20, a 30, b 15, c 5: f = 10 / 100.
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", "a", "b", "c"), np.array([10, 20, 20, 30, 15, 5]), 0, 1, 2
)
TEXT = TokenStore.in_memory([[3, 0], [4, 3, 5]], VOCABULARY)


class Halves(Predictor):
    """p: unknown 1/2, end 1/4, a 1/8, b 1/16, c 1/16, whatever the context."""

    reading = Windows(2)

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        return torch.tensor([1 / 2, 0, 1 / 4, 1 / 8, 1 / 16, 1 / 16]).log().expand(
            len(batch.inputs), -1
        ), None


def test_every_figure() -> None:
    found = evaluate(Halves(), TEXT, VOCABULARY, text="two sentences", yardsticks={"it": Halves()})
    # Targets: a unk END b a c END, in bits 3 1 2 4 3 4 2.
    bits = 19
    assert found.overall.targets == 7
    assert found.overall.nats == pytest.approx(bits * math.log(2))
    assert found.overall.perplexity == pytest.approx(2 ** (bits / 7))
    assert found.overall.top1 == 1
    assert found.overall.top5 == 7
    assert (found.known.targets, found.known.nats) == (6, pytest.approx(18 * math.log(2)))
    adjusted = (bits / 7 * math.log(2) + 0.1 * math.log(0.1)) / 0.9
    assert found.unknown_share == pytest.approx(0.1)
    assert found.adjusted_perplexity == pytest.approx(math.exp(adjusted))
    assert adjusted_nats(found.overall.nats_per_token, 0.1) == pytest.approx(adjusted)
    assert (found.sentences, found.words, found.unknown_words) == (2, 5, 1)
    assert found.unknown_rate == pytest.approx(0.2)
    assert found.yardsticks["it"] == found.overall
    bands = {name: (score.targets, score.nats / math.log(2)) for name, score in found.bands}
    assert bands == {
        "end marker": (2, pytest.approx(4)),
        "unknown word": (1, pytest.approx(1)),
        "words 1-10": (4, pytest.approx(14)),
    }
    assert found.as_json()["perplexity"] == found.overall.perplexity
    assert found.bands_table().rows[0][2] == pytest.approx(4 / 19)


def test_the_interval_draws_sentences_not_tokens() -> None:
    # Two sentences, 6 bits in 3 targets and 13 in 4: with 2 drawn of 2 only three means occur.
    found = evaluate(Halves(), TEXT, VOCABULARY, text="two sentences")
    low, high = found.interval
    assert low == pytest.approx(2 ** (6 / 3))
    assert high == pytest.approx(2 ** (13 / 4))
    # A text of one sentence, drawn with itself, has no spread at all.
    nats = np.array([1.0, 2.0, 6.0])
    assert bootstrap_perplexity(nats, np.zeros(3, dtype=np.int64)) == pytest.approx(
        (math.exp(3), math.exp(3))
    )


def test_bands_go_by_rank_in_training() -> None:
    counts = np.array([5, 9, 9, *range(20_000, 0, -1)])
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(20_000)))
    bands = bands_of(Vocabulary(words, counts, 0, 1, 2))
    assert bands[[2, 0]].tolist() == [0, 1]
    ranks = {1: 2, 10: 2, 11: 3, 100: 3, 101: 4, 1000: 4, 1001: 5, 10_000: 5, 10_001: 6}
    assert {rank: int(bands[rank + 2]) for rank in ranks} == ranks


def test_a_text_that_is_never_missed() -> None:
    class Sure(Predictor):
        reading = Windows(2)

        def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
            p = torch.zeros(len(batch.inputs), 6)
            p[torch.arange(len(batch.inputs)), torch.where(batch.inputs[:, 0] == 1, 3, 2)] = 1
            return p.log(), None

    text = TokenStore.in_memory([[3]], VOCABULARY)
    found = evaluate(Sure(), text, VOCABULARY, text="one word")
    assert found.overall.perplexity == 1.0
    assert found.bands_table().rows[0][2] == 0.0


def test_a_prediction_that_is_no_number_is_not_right() -> None:
    class Lost(Predictor):
        reading = Windows(2)

        def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
            return torch.full((len(batch.inputs), 6), math.nan), None

    found = evaluate(Lost(), TEXT, VOCABULARY, text="lost")
    assert found.overall.top10 == 7  # a vocabulary of 6 words: rank 6 is the last there is
    assert found.overall.top5 == 0
    assert math.isnan(found.overall.perplexity)
