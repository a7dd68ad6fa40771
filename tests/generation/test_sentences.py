"""Sampling, greedy and beam search on distributions that are known."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch
from wordlab.batching.windows import Windows
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.generation.sentences import GenerationSettings, generate
from wordlab.models.language_model import Predictor, State

VOCABULARY = Vocabulary(("<unk>", "<s>", "</s>", "a", "b"), np.ones(5, dtype=np.int64), 0, 1, 2)
A, B, END = 3, 4, 2

NEXT = {
    1: [0.3, 0.1, 0.0, 0.36, 0.24],
    A: [0.0, 0.0, 0.2, 0.4, 0.4],
    B: [0.0, 0.0, 0.9, 0.05, 0.05],
}


class Chain(Predictor):
    """A bigram model with the probabilities of NEXT."""

    def __init__(self, padding: str = "full", order: int = 2) -> None:
        self.reading = Windows(order, padding)  # type: ignore[arg-type]

    def predict(self, batch: Batch, state: State = None) -> tuple[torch.Tensor, State]:
        return torch.tensor([NEXT.get(int(row[-1]), NEXT[A]) for row in batch.inputs]).log(), None


def made(**options: object) -> list[tuple[str, float, bool]]:
    settings = GenerationSettings.model_validate(options)
    return [
        (" ".join(s.words), s.total_nats, s.ended)
        for s in generate(Chain(), VOCABULARY, (), (), settings)
    ]


def test_sampling_draws_with_the_models_probabilities() -> None:
    draws = made(words=1, count=20_000, unknown=True)
    counts = Counter(words for words, _, _ in draws)
    # <s> is never drawn: the rest is normalised.
    for word, p in (("<unk>", 0.3), ("a", 0.36), ("b", 0.24)):
        assert counts[word] / 20_000 == pytest.approx(p / 0.9, abs=0.012)
    assert "<s>" not in counts


def test_unknown_words_and_ends_can_be_kept_out() -> None:
    assert {words for words, _, _ in made(words=1, count=500)} == {"a", "b"}
    long = made(words=7, count=200, end=False)
    assert all(len(words.split()) == 7 and not ended for words, _, ended in long)


def test_temperature_and_filters() -> None:
    cold = made(words=1, count=300, temperature=0.01)
    assert {words for words, _, _ in cold} == {"a"}
    assert {words for words, _, _ in made(words=1, count=300, top_k=1)} == {"a"}
    assert {words for words, _, _ in made(words=1, count=300, top_p=0.3)} == {"a"}
    hot = Counter(words for words, _, _ in made(words=1, count=20_000, temperature=100.0))
    assert hot["b"] / 20_000 == pytest.approx(0.5, abs=0.02)


def test_nats_are_those_of_the_model_before_filters() -> None:
    for words, nats, ended in made(words=2, count=50, temperature=0.5, top_k=2):
        state, wanted = 1, 0.0
        for index in [{"a": A, "b": B}[w] for w in words.split()] + [END] * ended:
            wanted -= math.log(NEXT[state][index])
            state = index
        assert nats == pytest.approx(wanted, rel=1e-5)


def test_greedy_takes_the_most_probable_word() -> None:
    assert made(method="greedy", words=3) == [
        ("a a a", pytest.approx(-math.log(0.36 * 0.4 * 0.4), rel=1e-5), False)
    ]


def test_beam_finds_the_most_probable_sentences() -> None:
    # b </s> has 0.24 x 0.9 = 0.216; a b </s> 0.36 x 0.4 x 0.9 = 0.13; a </s> 0.072.
    found = made(method="beam", words=3, count=3, beam=8)
    assert [words for words, _, _ in found] == ["b", "a b", "a"]
    assert [math.exp(-nats) for _, nats, _ in found] == pytest.approx([0.216, 0.1296, 0.072])


def test_beam_equals_looking_at_everything() -> None:
    every: list[tuple[float, str]] = []

    def walk(state: int, words: tuple[str, ...], p: float) -> None:
        if len(words) == 4:
            every.append((p, " ".join(words)))
            return
        for index, word in ((A, "a"), (B, "b")):
            walk(index, (*words, word), p * NEXT[state][index])
        if NEXT[state][END]:
            every.append((p * NEXT[state][END], " ".join(words)))

    walk(1, (), 1.0)
    best = sorted(every, reverse=True)[:5]
    found = made(method="beam", words=4, count=5, beam=1000)
    assert [math.exp(-nats) for _, nats, _ in found] == pytest.approx([p for p, _ in best])


def test_one_sentence_does_not_depend_on_how_many_are_drawn_after_it_ends() -> None:
    assert made(words=5, count=3, seed=4) == made(words=5, count=3, seed=4)
    assert made(words=5, count=30, seed=4) != made(words=5, count=30, seed=5)


def test_a_prompt_too_short_for_the_reading_is_refused() -> None:
    with pytest.raises(WordlabError, match="give at least 2 words"):
        generate(Chain("single", 4), VOCABULARY, ("a",), (A,), GenerationSettings())
    assert generate(Chain("single", 4), VOCABULARY, ("a", "b"), (A, B), GenerationSettings())
