"""What every model that predicts must do: counted, mixed and adaptive ones, and networks."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch, Order
from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.generation.next_words import NextWords
from wordlab.models.caches import NeuralCache, UnigramCache
from wordlab.models.counts.kneser_ney import KneserNeySettings
from wordlab.models.counts.yardsticks import Unigram, WittenBell
from wordlab.models.dynamic import DynamicModel, gradient_sizes
from wordlab.models.language_model import LanguageModel, Predictor, State, build_model
from wordlab.models.mixture import Buckets, Mixture
from wordlab.models.recurrent.gru import GruSettings
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings

WORDS, START, END = 12, 1, 2
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3))),
    np.array([5, 30, 30, 200, 90, 50, 20, 9, 4, 3, 2, 1]), 0, START, END,
)  # fmt: skip


def text(seed: int, sentences: int = 25) -> TokenStore:
    draw = np.random.default_rng(seed)
    rows = [draw.integers(3, WORDS, draw.integers(1, 9)).tolist() for _ in range(sentences)]
    return TokenStore.in_memory(rows, VOCABULARY)


def network(reads: str = "sentences") -> LanguageModel:
    family = LstmSettings if reads == "stream" else GruSettings
    settings = family(embedding=6, hidden=(8,), reads=reads, length=4)  # type: ignore[arg-type]
    built = build_model(settings, SoftmaxSettings(), WORDS, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    return built.eval()


def kneser_ney(n: int = 3, prune: tuple[int, ...] = ()) -> Predictor:
    return KneserNeySettings(n=n, prune=prune).fit(text(1, 200), WORDS)[0]


def mixture(*members: Predictor, buckets: int = 2) -> Mixture:
    weights = torch.rand(buckets, len(members), generator=torch.Generator().manual_seed(3))
    return Mixture(
        {str(number): member for number, member in enumerate(members)},
        (weights / weights.sum(dim=1, keepdim=True)).double(),
        Buckets.by_count(VOCABULARY.counts, buckets),
        start=START,
        end=END,
    )


def dynamic(reads: str, decay: float, sized: bool) -> Predictor:
    own = network(reads)
    sizes = gradient_sizes(own, text(1), segment=6) if sized else None
    return DynamicModel(own, rate=0.05, decay=decay, segment=6, sizes=sizes)


def caches(reads: str) -> list[Predictor]:
    own = network(reads)
    return [
        own,
        NeuralCache(own, WORDS, START, window=30, sharpness=0.5),
        UnigramCache(own.reading, WORDS, START, window=7),
    ]


MODELS: dict[str, Callable[[], Predictor]] = {
    "unigram": lambda: Unigram(Sentences(), text(1).counts(WORDS)),
    "witten-bell": lambda: WittenBell(Windows(3), text(1, 200), WORDS),
    "kneser-ney": kneser_ney,
    "kneser-ney-1": lambda: kneser_ney(1),
    "kneser-ney-5-pruned": lambda: kneser_ney(5, (0, 0, 1)),
    "network": network,
    "network-stream": lambda: network("stream"),
    "mixture-of-counts": lambda: mixture(kneser_ney(), kneser_ney(2)),
    "mixture": lambda: mixture(kneser_ney(), network()),
    "mixture-stream": lambda: mixture(network("stream"), kneser_ney(4), buckets=1),
    "mixture-of-mixtures": lambda: mixture(mixture(kneser_ney(), network()), network()),
}
ADAPTIVE: dict[str, Callable[[], Predictor]] = {
    "unigram-cache": lambda: UnigramCache(Sentences(), WORDS, START, window=9),
    "unigram-cache-stream": lambda: UnigramCache(Stream(), WORDS, START, window=40),
    "neural-cache": lambda: caches("sentences")[1],
    "neural-cache-stream": lambda: caches("stream")[1],
    "dynamic": lambda: dynamic("sentences", 0.0, sized=False),
    "dynamic-stream": lambda: dynamic("stream", 0.1, sized=True),
    "mixture-adaptive": lambda: mixture(kneser_ney(), *caches("sentences")),
    "mixture-adaptive-stream": lambda: mixture(*caches("stream"), kneser_ney()),
}


@pytest.fixture(params=[*MODELS, *ADAPTIVE])
def model(request: pytest.FixtureRequest) -> Predictor:
    return {**MODELS, **ADAPTIVE}[request.param]()


@pytest.fixture(params=[*MODELS])
def steady(request: pytest.FixtureRequest) -> Predictor:
    return MODELS[request.param]()


def predictions(
    model: Predictor, store: TokenStore, size: int, order: Order | None = None
) -> dict[int, torch.Tensor]:
    """The distribution at each position; batches no larger than the model allows."""
    found: dict[int, torch.Tensor] = {}
    state = None
    for batch in model.reading.batches(store, min(size, model.segment or size), order=order):
        log_probs, state = model.predict(batch, state)
        found |= dict(zip(batch.positions.tolist(), log_probs, strict=True))
    return found


def after(model: Predictor, history: list[int]) -> torch.Tensor:
    return model.predict(model.reading.contexts([history], START, END))[0][0]


def test_each_distribution_sums_to_one(model: Predictor) -> None:
    found = predictions(model, text(2), 17)
    assert sorted(found) == list(range(len(text(2))))
    for log_probs in found.values():
        assert float(log_probs.double().exp().sum()) == pytest.approx(1, abs=2e-6)


def test_a_prediction_does_not_see_its_answer_or_what_follows(model: Predictor) -> None:
    """All that is after a place is changed, and what is predicted there stays."""
    rows = [[3, 4, 5], [6, 7, 3, 8], [9, 3], [4, 4, 4, 5]]
    ids = [i for row in rows for i in [*row, END]]
    whole = predictions(model, TokenStore.in_memory(rows, VOCABULARY), 100)
    for place in range(len(ids)):
        changed = [*ids[:place], *(10 if i != END else END for i in ids[place:])]
        cut = [[]]
        for index in changed:
            if index == END:
                cut.append([])
            else:
                cut[-1].append(index)
        again = predictions(model, TokenStore.in_memory(cut[:-1], VOCABULARY), 100)
        if place == len(ids) - 1 or ids[place] != END:
            assert torch.allclose(again[place], whole[place], atol=1e-5), place


def test_batch_size_changes_no_score(model: Predictor) -> None:
    whole = predictions(model, text(2), 1000)
    sizes = (1, 3, 17) if model.segment is None else (model.segment, 50)
    for size in sizes:
        parts = predictions(model, text(2), size)
        assert all(torch.allclose(parts[p], whole[p], atol=1e-5) for p in whole)


def test_order_changes_no_score(steady: Predictor) -> None:
    whole = predictions(steady, text(2), 1000)
    parts = predictions(steady, text(2), 11, Order(seed=4, epoch=1))
    assert all(torch.allclose(parts[p], whole[p], atol=1e-5) for p in whole)


def test_word_by_word_equals_whole(model: Predictor) -> None:
    ids = [4, 9, 3, 11, 5]
    if model.segment is not None and model.segment < len(ids) + 1:
        pytest.skip("learns within the sentence")
    for position, log_probs in predictions(
        model, TokenStore.in_memory([ids], VOCABULARY), 100
    ).items():
        assert torch.allclose(after(model, ids[:position]), log_probs, atol=1e-5)


def test_the_start_marker_is_never_expected_by_counts_and_caches() -> None:
    for build in (kneser_ney, *(ADAPTIVE[name] for name in ("unigram-cache", "neural-cache"))):
        for log_probs in predictions(build(), text(2), 20).values():
            assert float(log_probs[START]) == -math.inf


def test_scoring_twice_gives_the_same(model: Predictor) -> None:
    one = score_tokens(model, text(3), vocabulary=WORDS)
    two = score_tokens(model, text(3), vocabulary=WORDS)
    assert (one.nats == two.nats).all()


@pytest.mark.parametrize("name", list(ADAPTIVE))
def test_adaptive_models_say_so_and_learn(name: str) -> None:
    """A text that repeats itself is less surprising the second time."""
    model = ADAPTIVE[name]()
    assert model.adaptation.startswith("adaptive")
    row = [3, 11, 10, 9, 8, 7]
    scores = score_tokens(model, TokenStore.in_memory([row] * 12, VOCABULARY), vocabulary=WORDS)
    by_sentence = np.exp(-scores.nats).reshape(12, -1).sum(axis=1)
    assert by_sentence[-1] > by_sentence[0]


def test_steady_models_learn_nothing(steady: Predictor) -> None:
    assert steady.adaptation == ""
    assert steady.segment is None


GROWING = [
    [(3, 4)] * 3,
    [(3, 4, 5), (3, 4, 6), (3, 4, 5)],
    [(3, 4, 6), (3, 4, 5, 7), (3, 4, 5, 8)],
    [(3, 4, 5, 8, 9), (9, 8), (3, 4, 6)],
    [(), (5,), (9, 8, 3)],
    [(5, 3), (3,)],
]
"""Histories in turn: some grow by a word, some stay, some are new."""


def test_growing_histories_are_expected_as_if_read_anew(model: Predictor) -> None:
    expected = NextWords(model, VOCABULARY)
    for histories in GROWING:
        found = expected.after(histories)
        for row, history in zip(found, histories, strict=True):
            assert torch.allclose(row, after(model, list(history)), atol=1e-5)


@pytest.mark.parametrize("reads", ["sentences", "stream"])
def test_growing_histories_are_read_word_by_word(
    reads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, read = network(reads), []
    plain = own.predict

    def counted(batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        read.append(len(batch.inputs))
        return plain(batch, state)

    monkeypatch.setattr(own, "predict", counted)
    expected = NextWords(own, VOCABULARY)
    for histories in GROWING[:3]:
        expected.after(histories)
    # Once for the marker and two words, then a word for each new history; equal ones count once.
    assert read == [3, 2, 2]
