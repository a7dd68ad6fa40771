"""Mixtures: EM against what is known to be best, buckets, what cannot be mixed."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.caches import UnigramCache
from wordlab.models.language_model import Predictor, State
from wordlab.models.mixture import Buckets, Mixture, common_reading, fit_weights


def test_em_finds_the_shares_that_made_the_targets() -> None:
    """Two members that each allow one of two words: the weights are the words' shares."""
    nats = np.log(np.array([[1.0, 1e-12]] * 30 + [[1e-12, 1.0]] * 70))
    weights = fit_weights(nats, np.zeros(100, dtype=np.int64), 1)
    assert weights == pytest.approx(np.array([[0.3, 0.7]]), abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4), st.integers(0, 10_000))
def test_no_other_weights_are_better(members: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    log_probs = np.log(draw.dirichlet(np.ones(members), 60))
    best = fit_weights(log_probs, np.zeros(60, dtype=np.int64), 1)[0]

    def nats(weights: np.ndarray) -> float:
        return -float(np.log(np.exp(log_probs) @ weights).mean())

    assert best.sum() == pytest.approx(1)
    for other in draw.dirichlet(np.ones(members), 30):
        assert nats(best) <= nats(other) + 1e-4
        assert nats(best) <= nats(0.99 * best + 0.01 * other) + 1e-5


def test_each_bucket_has_its_own_weights_and_an_empty_one_those_of_all() -> None:
    log_probs = np.log(np.array([[0.9, 0.1]] * 50 + [[0.1, 0.9]] * 50))
    weights = fit_weights(log_probs, np.repeat([0, 1], 50), 3)
    assert weights[0] == pytest.approx([1, 0], abs=1e-3)
    assert weights[1] == pytest.approx([0, 1], abs=1e-3)
    assert weights[2] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_target_that_no_member_allows_does_not_spoil_the_weights() -> None:
    log_probs = np.array([[-math.inf, -math.inf], [math.log(0.5), -math.inf]])
    weights = fit_weights(log_probs, np.zeros(2, dtype=np.int64), 1)
    assert weights[0] == pytest.approx([1, 0])


def test_buckets_by_count() -> None:
    counts = np.array([0, 1, 9, 10, 99, 100, 99_999])
    assert Buckets.by_count(counts, 1).of_word.tolist() == [0] * 7
    assert Buckets.by_count(counts, 3).of_word.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert Buckets.by_count(counts, 3).names == (
        "last word up to 9 times in training",
        "10 to 99",
        "100 or more",
    )


class Fixed(Predictor):
    def __init__(self, reading: Reading, p: list[float]) -> None:
        self.reading = reading
        self.p = torch.tensor(p)

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        return self.p.log().expand(len(batch.targets), -1), None


def test_a_mixture_by_hand() -> None:
    vocabulary = Vocabulary(("u", "s", "e", "a"), np.array([0, 5, 5, 200]), 0, 1, 2)
    mixed = Mixture(
        {
            "one": Fixed(Windows(2), [0.0, 0.0, 0.5, 0.5]),
            "two": Fixed(Windows(3), [0.5, 0.0, 0.5, 0.0]),
        },
        torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64),
        Buckets.by_count(vocabulary.counts, 2),
        start=1,
        end=2,
    )
    batch = next(mixed.reading.batches(TokenStore.in_memory([[3, 3]], vocabulary), 10))
    p = mixed.predict(batch)[0].exp()
    # First word: after the end of nothing, a marker seen 5 times: bucket 0; then after a: bucket 1.
    assert p[0].tolist() == pytest.approx([0.375, 0, 0.5, 0.125])
    assert p[1].tolist() == pytest.approx([0.25, 0, 0.5, 0.25])


def test_a_unigram_cache_by_hand() -> None:
    vocabulary = Vocabulary(("u", "s", "e", "a", "b"), np.array([0, 5, 5, 9, 9]), 0, 1, 2)
    cache = UnigramCache(Sentences(), 5, start=1, window=3)
    batch = next(Sentences().batches(TokenStore.in_memory([[3, 4], [3]], vocabulary), 10))
    p = dict(zip(batch.positions.tolist(), cache.predict(batch)[0].exp().tolist(), strict=True))
    assert p[0] == pytest.approx([0.25, 0, 0.25, 0.25, 0.25])
    assert p[1] == pytest.approx([0, 0, 0, 1, 0])
    assert p[2] == pytest.approx([0, 0, 0, 0.5, 0.5])
    assert p[3] == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
    assert p[4] == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])  # b END a: the first a is too far


@pytest.mark.parametrize(
    "readings",
    [(Sentences(), Stream()), (Sentences(2), Sentences()), (Windows(3, "single"), Windows(3))],
)
def test_members_that_read_in_different_ways_are_refused(readings: tuple[Reading, ...]) -> None:
    with pytest.raises(WordlabError, match=r"different ways|same words"):
        common_reading([Fixed(reading, [1.0]) for reading in readings])


def test_windows_go_with_any_reading() -> None:
    one = Fixed(Windows(5), [1.0])
    for reading in (Sentences(), Sentences(2), Stream(), Windows(2)):
        assert common_reading([one, Fixed(reading, [1.0])]) in (reading, one.reading)


def test_windows_that_miss_targets_are_refused_when_they_are_met() -> None:
    vocabulary = Vocabulary(("u", "s", "e", "a"), np.array([0, 5, 5, 9]), 0, 1, 2)
    batch = next(Sentences().batches(TokenStore.in_memory([[3, 3]], vocabulary), 10))
    with pytest.raises(WordlabError, match="first words of a sentence"):
        Windows(4, "single").like(batch, 1, 2)
    enough = next(Sentences(2).batches(TokenStore.in_memory([[3, 3]], vocabulary), 10))
    assert Windows(4, "single").like(enough, 1, 2).inputs.tolist() == [[1, 3, 3]]
