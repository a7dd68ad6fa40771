"""What a text asks of a model: each context once, and the same answers as place by place."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.questions import repeated
from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import TokenScores, score_tokens
from wordlab.models.counts.kneser_ney import KneserNeySettings
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import LanguageModel, Predictor, State, build_model
from wordlab.models.mixture import Buckets, Mixture
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings

WORDS, START, END = 15, 1, 2
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3))),
    np.arange(WORDS, 0, -1), 0, START, END,
)  # fmt: skip
HYPOTHESES = [
    [3, 4, 5, 6, 7],
    [3, 4, 5, 6, 8],
    [3, 4, 5, 6, 7],
    [3, 4],
    [9],
    [3, 4, 5, 10, 8, 11, 12],
    [],
]
"""As many of them as a list of hypotheses has: beginnings and whole sentences come again."""


def network(settings: LstmSettings | FeedforwardSettings) -> LanguageModel:
    built = build_model(settings, SoftmaxSettings(), WORDS, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    return built.eval()


def stores() -> tuple[TokenStore, TokenStore]:
    """Hypotheses, and a text like any other."""
    draw = np.random.default_rng(3)
    text = [draw.integers(3, WORDS, draw.integers(1, 9)).tolist() for _ in range(40)]
    return tuple(TokenStore.in_memory(rows, VOCABULARY) for rows in (HYPOTHESES * 3, text))


def mixture() -> Mixture:
    counted, _ = KneserNeySettings(n=3).fit(stores()[1], WORDS)
    return Mixture(
        {"lstm": network(LstmSettings(embedding=6, hidden=(8, 5))), "counts": counted},
        torch.tensor([[0.3, 0.7], [0.6, 0.4]], dtype=torch.float64),
        Buckets.by_count(VOCABULARY.counts, 2),
        start=START,
        end=END,
    )


MODELS = {
    "lstm": lambda: network(LstmSettings(embedding=6, hidden=(8, 5))),
    "lstm, two words unpredicted": lambda: network(
        LstmSettings(embedding=6, hidden=(8,), unpredicted=2)
    ),
    "windows": lambda: network(FeedforwardSettings(n=3, embedding=5, hidden=(7,))),
    "windows, single": lambda: network(
        FeedforwardSettings(n=4, embedding=5, hidden=(7,), padding="single")
    ),
    "mixture": mixture,
}


class Counted(Predictor):
    """A model that says of how many contexts it was asked."""

    def __init__(self, model: Predictor) -> None:
        self.model, self.reading = model, model.reading
        self.read = self.answered = 0

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        self.read += len(batch.inputs)
        log_probs, after = self.model.predict(batch, state)
        self.answered += len(log_probs)
        return log_probs, after


def place_by_place(model: Predictor, store: TokenStore) -> TokenScores:
    """Each sentence read alone, word by word."""
    positions, nats, ranks, entropies = [], [], [], []
    begin = 0
    for end in np.flatnonzero(store.ids == END):
        for place in range(begin + model.reading.fewest_words, end + 1):
            history = [int(i) for i in store.ids[begin:place]]
            p = model.predict(model.reading.contexts([history], START, END))[0][0].double()
            target = int(store.ids[place])
            positions.append(place)
            nats.append(-float(p[target]))
            ranks.append(1 + int((p > p[target]).sum()))
            entropies.append(-float((p.exp() * p).nan_to_num(nan=0.0).sum()))
        begin = end + 1
    columns = (np.array(column) for column in (nats, ranks, entropies))
    return TokenScores(np.array(positions), store.ids[positions], *columns)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("chunk", [1, 3 * WORDS, 1 << 22])
def test_shared_contexts_change_no_score(
    name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few contexts go at a time."""
    monkeypatch.setattr("wordlab.evaluation.cross_entropy.CHUNK_LOGITS", chunk)
    model = MODELS[name]()
    for store in stores():
        found = score_tokens(model, store, vocabulary=WORDS, entropies=True)
        plain = place_by_place(model, store)
        assert np.array_equal(found.positions, plain.positions)
        assert np.array_equal(found.targets, plain.targets)
        assert np.array_equal(found.ranks, plain.ranks)
        assert np.abs(found.nats - plain.nats).max() < 2e-6
        assert np.abs(found.entropies - plain.entropies).max() < 5e-6


@pytest.mark.parametrize("name", list(MODELS))
def test_the_order_of_the_sentences_changes_no_score(name: str) -> None:
    model, order = MODELS[name](), np.random.default_rng(1).permutation(len(HYPOTHESES))
    one = TokenStore.in_memory(HYPOTHESES, VOCABULARY)
    other = TokenStore.in_memory([HYPOTHESES[i] for i in order], VOCABULARY)
    ways = [
        by_sentence(score_tokens(model, store, vocabulary=WORDS), store) for store in (one, other)
    ]
    for place, sentence in enumerate(order):
        assert ways[1][place] == pytest.approx(ways[0][sentence], abs=1e-6)


def by_sentence(scores: TokenScores, store: TokenStore) -> list[list[float]]:
    bounds = np.searchsorted(scores.positions, [0, *(np.flatnonzero(store.ids == END) + 1)])
    return [scores.nats[low:high].tolist() for low, high in pairwise(bounds)]


@pytest.mark.parametrize(
    ("name", "read", "answered"),
    [
        # <s>, 3, 3 4, 3 4 5, 3 4 5 6, ..6 7, ..6 8, 9, 3 4 5 10, ..8, ..11, ..12: 12 beginnings
        ("lstm", 12, 12),
        ("lstm, two words unpredicted", 12, 9),
        # the windows of 2: <s> <s>, <s> 3, 3 4, 4 5, 5 6, 6 7, 6 8, <s> 9, 5 10, 10 8, 8 11, 11 12
        ("windows", 12, 12),
        ("mixture", 12, 12),
    ],
)
def test_each_context_is_worked_out_once(name: str, read: int, answered: int) -> None:
    model = Counted(MODELS[name]())
    score_tokens(model, stores()[0], vocabulary=WORDS)
    assert (model.read, model.answered) == (read, answered)


def test_a_stream_shares_nothing() -> None:
    store = stores()[0]
    model = Counted(network(LstmSettings(embedding=6, hidden=(8,), reads="stream")))
    score_tokens(model, store, vocabulary=WORDS)
    assert model.read == len(store)


@pytest.mark.parametrize("reading", [Sentences(), Sentences(2), Windows(3), Windows(1), Stream()])
def test_every_target_is_asked_for_once(reading: Reading) -> None:
    for store in stores():
        places = [
            place
            for level in reading.asked(store, 5)
            for one in level
            for place in one.places.tolist()
        ]
        wanted = [place for b in reading.batches(store, 5) for place in b.positions.tolist()]
        assert sorted(places) == sorted(wanted)
        assert len(set(places)) == len(places)
        for level in reading.asked(store, 5):
            assert all(len(one.batch.inputs) <= 5 for one in level)
            for one in level:
                assert np.array_equal(store.ids[one.places], one.targets[one.pairs])


def test_few_beginnings_in_common_are_not_worth_a_step_a_word() -> None:
    alike = TokenStore.in_memory([[3, 4], [3, 5], [3, 4]], VOCABULARY)
    assert repeated(alike, np.array([0, 3, 6])) == pytest.approx(1 - 4 / 9)
    own = TokenStore.in_memory([[3, 4, 5], [5, 3, 4], [4, 5, 3]], VOCABULARY)
    assert repeated(own, np.array([0, 4, 8])) == pytest.approx(2 / 12)
    steps = [
        [len(one.batch.steps) for asked in Sentences().asked(store, 100) for one in asked]
        for store in (own, alike)
    ]
    assert steps == [[4], [1, 1, 1]]
