"""Figures worked out by hand, or stated by a document whose figure is right."""

import math

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch
from wordlab.batching.windows import Windows
from wordlab.corpus.ngrams import count_ngrams
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary, VocabularySettings
from wordlab.evaluation.cross_entropy import Score, adjusted_nats, perplexity, score_tokens
from wordlab.inspection.cost import cost_of
from wordlab.models.counts.yardsticks import Unigram, WittenBell
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import Predictor, State, build_model
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.settings import TrainingSettings


def test_perplexity_is_e_to_the_nats() -> None:
    score = Score(nats=10 * math.log(50), targets=10)
    assert score.perplexity == pytest.approx(50)
    assert score.bits_per_token == pytest.approx(math.log2(50))
    assert 2**score.bits_per_token == pytest.approx(score.perplexity)
    assert perplexity(5.69988) == pytest.approx(298.83, abs=0.01)  # and not 2^5.69988 = 51.98
    assert perplexity(1e6) == math.inf


def test_the_unk_adjusted_perplexity_of_cs224d() -> None:
    f = 376_372 / 2_352_798
    assert f == pytest.approx(0.15996783, abs=5e-9)
    assert perplexity(adjusted_nats(math.log(125.696), f)) == pytest.approx(222.597, abs=2e-3)
    assert adjusted_nats(3.0, 0.0) == 3.0


def test_scores_add_and_divide_once() -> None:
    whole = Score(8.0, 4, 1, 2, 3) + Score(2.0, 1, 1, 1, 1)
    assert whole == Score(10.0, 5, 2, 3, 4)
    assert whole.nats_per_token == 2.0
    assert whole.accuracy == 0.4
    assert math.isnan(Score().perplexity)


def test_the_count_of_cmu_10707() -> None:
    model = build_model(
        FeedforwardSettings(n=4, embedding=16, hidden=(16,)), SoftmaxSettings(), 8000, seed=1
    )
    cost = cost_of(model, TrainingSettings())
    assert [layer.parameters for layer in cost.layers] == [128_000, 784, 136_000]
    assert cost.one_class_implied == 264_767
    assert cost.layers[-1].forward_flops == 2 * 16 * 8000


VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", "a", "b", "c"), np.array([1, 2, 2, 3, 2, 1]), 0, 1, 2
)
A, B, C, END, START, UNK = 3, 4, 5, 2, 1, 0
TEXT = TokenStore.in_memory([[A, B, A], [A, C]], VOCABULARY)


def rows(reading: Windows, store: TokenStore = TEXT) -> list[tuple[list[int], int]]:
    return [
        (x.tolist(), int(t))
        for batch in reading.batches(store, 3)
        for x, t in zip(batch.inputs, batch.targets, strict=True)
    ]


def test_windows_with_full_padding() -> None:
    assert rows(Windows(3)) == [
        ([START, START], A),
        ([START, A], B),
        ([A, B], A),
        ([B, A], END),
        ([START, START], A),
        ([START, A], C),
        ([A, C], END),
    ]


def test_windows_with_a_single_start_marker() -> None:
    assert rows(Windows(3, "single")) == [
        ([START, A], B),
        ([A, B], A),
        ([B, A], END),
        ([START, A], C),
        ([A, C], END),
    ]
    # A sentence of n words gives n - 1 4-grams; a sentence of one word gives none.
    assert rows(Windows(4, "single")) == [
        ([START, A, B], A),
        ([A, B, A], END),
        ([START, A, C], END),
    ]
    assert rows(Windows(4, "single"), TokenStore.in_memory([[A]], VOCABULARY)) == []


def test_ngrams_by_hand() -> None:
    second = TokenStore.in_memory([[A, B], [C]], VOCABULARY)
    found = count_ngrams(TEXT, 2, len(VOCABULARY), top=3, second=second)
    # <s> a, a b, b a, a </s>, <s> a, a c, c </s>
    assert (found.total, found.distinct, found.once) == (7, 6, 5)
    assert found.top == (((START, A), 2), ((A, END), 1), ((A, B), 1))
    assert found.count_of_counts == ((1, 5), (2, 1))
    # second: <s> a, a b, b </s>, <s> c, c </s>: three of five occur in the first
    assert (found.second_total, found.covered) == (5, 3)
    assert found.coverage == pytest.approx(0.6)
    assert found.ranks() == [(1, 2), (2, 1), (6, 1)]


def windows(inputs: list[list[int]]) -> Batch:
    places = np.arange(len(inputs))
    return Batch(torch.tensor(inputs), torch.from_numpy(places), places, places)


def test_witten_bell_by_hand() -> None:
    model = WittenBell(Windows(2), TEXT, len(VOCABULARY))
    # Targets: a b a </s> a c </s>; unigram counts a 3, b 1, c 1, </s> 2; T = 4, N = 7.
    unigram = {A: (3 + 4 / 6) / 11, B: (1 + 4 / 6) / 11, C: (1 + 4 / 6) / 11}
    unigram |= {END: (2 + 4 / 6) / 11, UNK: (4 / 6) / 11, START: (4 / 6) / 11}
    p = model.predict(windows([[A], [UNK]]))[0].exp()
    # After a: b, </s>, c once each, so T = N = 3.
    for word in range(6):
        seen = 1 if word in (B, C, END) else 0
        assert float(p[0, word]) == pytest.approx((seen + 3 * unigram[word]) / 6, rel=1e-6)
        assert float(p[1, word]) == pytest.approx(unigram[word], rel=1e-6)


def test_the_unigram_by_hand() -> None:
    model = Unigram(Windows(2), Windows(2).target_counts(TEXT, 6))
    p = model.predict(windows([[UNK]]))[0].exp()[0]
    assert p.tolist() == pytest.approx([1 / 13, 1 / 13, 3 / 13, 4 / 13, 2 / 13, 2 / 13])


class Fixed(Predictor):
    """Gives the same distribution everywhere."""

    reading = Windows(2)

    def __init__(self, p: list[float]) -> None:
        self.p = torch.tensor(p)

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        return self.p.log().expand(len(batch.inputs), -1), None


def test_token_scores_by_hand() -> None:
    model = Fixed([0.0, 0.0, 0.125, 0.5, 0.25, 0.125])
    found = score_tokens(model, TEXT, vocabulary=6, entropies=True)
    bits = found.nats / math.log(2)
    assert bits == pytest.approx([1, 2, 1, 3, 1, 3, 3])
    # </s> and c are equally probable: the smaller id goes first.
    assert found.ranks.tolist() == [1, 2, 1, 3, 1, 4, 3]
    assert found.entropies / math.log(2) == pytest.approx([1.75] * 7)
    assert found.score().perplexity == pytest.approx(2**2)
    assert found.score().top1 == 3


def test_an_impossible_target_costs_infinitely_many_nats() -> None:
    found = score_tokens(Fixed([0.5, 0.5, 0, 0, 0, 0]), TEXT, vocabulary=6)
    assert found.score().perplexity == math.inf


def test_a_vocabulary_breaks_ties_by_first_sight() -> None:
    words = ["late", "b", "a", "early"]
    settings = VocabularySettings(size=6)
    built = Vocabulary.from_counts(words, np.array([1, 2, 2, 1]), 3, settings)
    assert built.words == ("<unk>", "<s>", "</s>", "b", "a", "late")
    assert built.counts.tolist() == [1, 3, 3, 2, 2, 1]
    assert built.unknown_share == pytest.approx(1 / 12)  # 6 words and 3 times both markers
