"""Explanations of a language model's predictions: exact, whatever the model."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import text_of
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.surprisal import score_words
from wordlab.inspection.attribution.ablation import Ablation, By
from wordlab.inspection.attribution.predictions import explain_words, explanation_table, strongest
from wordlab.models.caches import NeuralCache, UnigramCache
from wordlab.models.counts.kneser_ney import KneserNeySettings
from wordlab.models.dynamic import DynamicModel
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import LanguageModel, NetworkSettings, Predictor, build_model
from wordlab.models.mixture import Buckets, Mixture
from wordlab.models.recurrent.gru import GruSettings
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings

WORDS, START, END = 12, 1, 2
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3))),
    np.array([5, 30, 30, 200, 90, 50, 20, 9, 4, 3, 2, 1]), 0, START, END,
)  # fmt: skip
SENTENCE = [3, 8, 0, 3, 5, 11, 4]


def network(settings: NetworkSettings) -> LanguageModel:
    built = build_model(settings, SoftmaxSettings(), WORDS, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    return built.eval()


def gru(**settings: object) -> LanguageModel:
    values = {"embedding": 6, "hidden": (8,), "reads": "sentences", **settings}
    return network(GruSettings.model_validate(values))


def window(padding: str = "full") -> LanguageModel:
    values = {"n": 4, "embedding": 6, "hidden": (8,), "padding": padding}
    return network(FeedforwardSettings.model_validate(values))


def stream() -> LanguageModel:
    values = {"embedding": 6, "hidden": (8,), "reads": "stream"}
    return network(LstmSettings.model_validate(values))


def kneser_ney(n: int = 3) -> Predictor:
    draw = np.random.default_rng(1)
    rows = [draw.integers(3, WORDS, draw.integers(1, 9)).tolist() for _ in range(200)]
    return KneserNeySettings(n=n).fit(TokenStore.in_memory(rows, VOCABULARY), WORDS)[0]


def mixture(*members: Predictor) -> Mixture:
    weights = torch.rand(2, len(members), generator=torch.Generator().manual_seed(3))
    return Mixture(
        {str(number): member for number, member in enumerate(members)},
        (weights / weights.sum(dim=1, keepdim=True)).double(),
        Buckets.by_count(VOCABULARY.counts, 2),
        start=START,
        end=END,
    )


def cached() -> Mixture:
    own = gru()
    cache = NeuralCache(own, WORDS, START, window=30, sharpness=0.5)
    return mixture(own, cache, UnigramCache(own.reading, WORDS, START, window=4))


MODELS: dict[str, Callable[[], Predictor]] = {
    "window": window,
    "window with one start marker": lambda: window("single"),
    "recurrent": gru,
    "recurrent without the first words": lambda: gru(unpredicted=2),
    "stream": stream,
    "kneser-ney": kneser_ney,
    "mixture": lambda: mixture(kneser_ney(), gru()),
    "mixture of windows": lambda: mixture(kneser_ney(2), kneser_ney(4)),
    "mixture of a stream": lambda: mixture(stream(), kneser_ney()),
    "mixture with caches": cached,
    "cache alone": lambda: UnigramCache(Sentences(), WORDS, START, window=9),
    "dynamic": lambda: DynamicModel(gru(), rate=0.1, segment=3),
}


def log_prob(model: Predictor, history: list[int], target: int) -> float:
    """One word after one history, in a call of its own; NaN where the history is too short."""
    if len(history) < model.reading.fewest_words:
        return math.nan
    found, _ = model.predict(model.reading.contexts([history], START, END))
    return float(found[0, target])


@pytest.mark.parametrize("by", ["unknown", "omit"])
@pytest.mark.parametrize("name", MODELS)
def test_ablation_is_what_a_loop_over_edited_sentences_finds(name: str, by: By) -> None:
    model = MODELS[name]()
    found = Ablation.of(model, SENTENCE, VOCABULARY, by)
    between = [] if by == "omit" else [VOCABULARY.unknown]
    for at, target in enumerate([*SENTENCE, END]):
        whole = log_prob(model, SENTENCE[:at], target)
        assert found.log_probs[at] == pytest.approx(whole, abs=1e-5, nan_ok=True)
        changes = found.changes(at)
        assert len(changes) == at
        for word in range(at):
            edited = [*SENTENCE[:word], *between, *SENTENCE[word + 1 : at]]
            without = log_prob(model, edited, target)
            expected = 0.0 if without == whole else whole - without
            assert changes[word] == pytest.approx(expected, abs=1e-5, nan_ok=True), (at, word)


def test_a_long_sentence_is_read_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gru()
    whole = Ablation.of(model, SENTENCE * 3, VOCABULARY, "omit")
    monkeypatch.setattr("wordlab.inspection.attribution.ablation.CHUNK_LOGITS", WORDS)
    parts = Ablation.of(model, SENTENCE * 3, VOCABULARY, "omit")
    np.testing.assert_allclose(parts.without, whole.without, atol=1e-6)


@pytest.mark.parametrize("name", ["window", "recurrent", "stream", "mixture with caches"])
def test_all_edited_forms_of_a_sentence_are_scored_in_one_call(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MODELS[name]()
    predict, calls = model.predict, []
    monkeypatch.setattr(model, "predict", lambda *given: calls.append(given) or predict(*given))
    Ablation.of(model, SENTENCE, VOCABULARY, "unknown")
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["window with one start marker", "recurrent", "mixture"])
def test_the_figures_are_those_of_score(name: str) -> None:
    model = MODELS[name]()
    text = text_of(["w0 w5 xyz w0 w2 w8 w1", "w3", "w3 w3 w9 w0"])
    scored = iter(score_words(model, text, VOCABULARY, end=True))
    explained = list(explain_words(model, text, VOCABULARY, end=True))
    assert [sentence.line for sentence in explained] == [1, 2, 3]
    for sentence in explained:
        for word in sentence.words:
            expected = next(scored)
            assert (word.position, word.word, word.scored, word.unknown, word.rank) == (
                *(expected.position, expected.word, expected.scored, expected.unknown),
                expected.rank,
            )
            assert word.nats == pytest.approx(expected.nats, abs=1e-5)
            assert word.bits == pytest.approx(expected.bits, abs=1e-5)
            if word.nats is None:
                assert not word.best
                assert not word.context
                continue
            chances = [each.probability for each in word.best]
            assert len(chances) == 5
            assert chances == sorted(chances, reverse=True)
            if word.rank is not None and word.rank <= 5:
                assert word.best[word.rank - 1].word == word.scored
                assert chances[word.rank - 1] == pytest.approx(math.exp(-word.nats), rel=1e-5)
    assert next(scored, None) is None


def test_what_an_unknown_word_did_is_nothing_when_it_becomes_the_unknown_word() -> None:
    text = text_of(["w0 xyz w2"])
    (sentence,) = explain_words(gru(), text, VOCABULARY)
    first, second = sentence.words[2].context
    assert (second.word, second.nats) == ("xyz", 0.0)
    assert first.nats != 0.0


def test_sentences_do_not_hear_of_each_other() -> None:
    for model in (stream(), cached()):
        alone = list(explain_words(model, text_of(["w0 w5 w2"]), VOCABULARY))
        after = list(explain_words(model, text_of(["w8 w8 w1", "w0 w5 w2"]), VOCABULARY))
        for one, other in zip(alone[0].words, after[1].words, strict=True):
            assert one.nats == pytest.approx(other.nats)


def test_a_table_names_the_strongest_words() -> None:
    text = text_of(["w0 w5 xyz w0 w2"])
    (sentence,) = explain_words(gru(), text, VOCABULARY)
    table = explanation_table(sentence, note="as told")
    assert [row[0] for row in table.rows] == ["w0", "w5", "xyz", "w0", "w2"]
    assert table.rows[2][1] == "<unk>"
    assert table.note == "as told"
    last = sentence.words[-1].context
    raised = max(last, key=lambda each: each.nats)
    lowered = min(last, key=lambda each: each.nats)
    if raised.nats > 0.01:
        assert strongest(last, 1).startswith(f"{raised.word} +{raised.nats:.2f}")
    if lowered.nats < -0.01:
        assert strongest(last, -1).startswith(f"{lowered.word} {lowered.nats:.2f}")


def test_readings_are_covered() -> None:
    kinds = {type(make().reading) for make in MODELS.values()}
    assert kinds == {Windows, Sentences, Stream}
