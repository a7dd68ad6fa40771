"""Kneser-Ney against the formulas, worked out by hand and by a slow program that follows them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.counts.backoff import BackoffModel
from wordlab.models.counts.kneser_ney import FALLBACK, estimate, estimate_discounts

UNK, START, END, A, B, C = range(6)
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", "a", "b", "c"), np.array([1, 2, 2, 3, 2, 1]), UNK, START, END
)
TYPES = len(VOCABULARY)

Sentences = list[list[int]]
words = st.sampled_from([UNK, A, B, C])
texts = st.lists(st.lists(words, max_size=7), min_size=1, max_size=12)
prunings = st.lists(st.integers(0, 2), max_size=3).map(lambda more: [0, *sorted(more)])


def store(sentences: Sentences) -> TokenStore:
    return TokenStore.in_memory(sentences, VOCABULARY)


def model_of(sentences: Sentences, order: int) -> BackoffModel:
    return estimate(store(sentences), order, TYPES).model


@dataclass(frozen=True)
class ByTheFormulas:
    """Chen and Goodman's formulas, a word at a time, from dictionaries."""

    sentences: Sentences
    order: int
    prune: Sequence[int] = (0,)
    outside: int = 0
    types: int = TYPES

    def __hash__(self) -> int:
        return id(self)

    @lru_cache  # noqa: B019
    def counts(self, n: int) -> Counter[tuple[int, ...]]:
        rows = [(START, *sentence, END) for sentence in self.sentences]
        grams = Counter(row[i : i + n] for row in rows for i in range(len(row) - n + 1))
        del grams[(START,)]
        return grams

    @lru_cache  # noqa: B019
    def adjusted(self, n: int) -> dict[tuple[int, ...], int]:
        if n == self.order:
            return dict(self.counts(n))
        before = {gram: set() for gram in self.counts(n)}
        for first, *rest in self.counts(n + 1):
            if tuple(rest) in before:
                before[tuple(rest)].add(first)
        return {
            gram: self.counts(n)[gram] if gram[0] == START else len(before[gram])
            for gram in self.counts(n)
        }

    @lru_cache  # noqa: B019
    def discounts(self, n: int) -> tuple[float, ...]:
        t = Counter(self.adjusted(n).values())
        if not t[1] or not t[2] or not t[3]:
            return FALLBACK
        y = t[1] / (t[1] + 2 * t[2])
        found = (1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3])
        return found if min(found) > 0 else FALLBACK

    def threshold(self, n: int) -> int:
        return self.prune[min(n, len(self.prune)) - 1]

    def p(self, word: int, context: tuple[int, ...]) -> float:
        if word == START:
            return 0.0
        if context[:2] == (START, START):
            return self.p(word, context[1:])
        n = len(context) + 1
        lower = self.p(word, context[1:]) if context else 1 / (self.types - 1 + self.outside)
        own = freed = total = 0.0
        for gram, count in self.adjusted(n).items():
            if gram[:-1] != context:
                continue
            total += count
            discount = self.discounts(n)[min(count, 3) - 1]
            kept = self.counts(n)[gram] > self.threshold(n)
            freed += discount if kept else count
            own += (count - discount) if kept and gram[-1] == word else 0
        return (own + freed * lower) / total if total else lower


def contexts_of(sentences: Sentences, order: int) -> torch.Tensor:
    """All contexts of a text, and some that it does not hold."""
    batches = list(Windows(order).batches(store([*sentences, [C, C, UNK, A, B, B]]), 1000))
    return torch.cat([batch.inputs for batch in batches])


def test_a_bigram_by_hand() -> None:
    found = estimate(store([[A, B, A], [A, C]]), 2, TYPES)
    # <s> a twice, a b, b a, a </s>, a c, c </s> once: no bigram 3 times, so D = 0.5, 1, 1.5.
    # Different words stand before a: 2 (<s>, b), b: 1, c: 1, </s>: 2 (a, c); again none 3 times.
    assert found.discounts == (FALLBACK, FALLBACK)
    assert found.notes == (
        "1-grams: none has the adjusted count 3; their discounts are 0.5, 1, 1.5",
        "2-grams: none has the adjusted count 3; their discounts are 0.5, 1, 1.5",
    )
    # b() = (1 + 0.5 + 0.5 + 1) / 6 = 1/2, spread over the 5 words that can be predicted.
    p = found.model.log_probs(torch.tensor([[UNK], [START], [A]])).double().exp()
    assert p[0].tolist() == pytest.approx([0.1, 0, 1 / 6 + 0.1, 1 / 6 + 0.1, 11 / 60, 11 / 60])
    # After <s>: a twice, so b(<s>) = 1/2 and p(a) = 1/2 + 1/2 * 4/15.
    assert p[1, [A, B]].tolist() == pytest.approx([19 / 30, 11 / 120])
    # After a: b, c and </s> once each, so b(a) = 1.5/3 and p(b) = 0.5/3 + 1/2 * 11/60.
    assert p[2, [A, B, END]].tolist() == pytest.approx([2 / 15, 31 / 120, 0.3])
    assert found.model.sizes == (6, 6)


def test_discounts_by_hand() -> None:
    # n1 = 4, n2 = 2, n3 = 1, n4 = 1: Y = 4/8; 1 - 2 Y 2/4, 2 - 3 Y 1/2, 3 - 4 Y 1/1.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])
    assert estimate_discounts(counts) == ((0.5, 1.25, 1.0), "")
    assert estimate_discounts(counts[counts != 4]) == ((0.5, 1.25, 3.0), "")
    # n3 = 3: 2 - 3 Y 3/2 is below 0.
    discounts, note = estimate_discounts(np.array([1, 1, 1, 1, 2, 2, 3, 3, 3]))
    assert discounts == FALLBACK
    assert note == "counts of counts give the discounts 0.5, -0.25, 3"


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 5), prunings, st.integers(0, 2))
def test_the_model_follows_the_formulas(
    sentences: Sentences, order: int, prune: list[int], outside: int
) -> None:
    prune = prune[:order]
    found = estimate(store(sentences), order, TYPES, prune=prune, outside=outside)
    slow = ByTheFormulas(sentences, order, prune, outside)
    contexts = contexts_of(sentences, order)[-12:]
    p = found.model.log_probs(contexts).double().exp()
    expected = [[slow.p(w, tuple(row)) for w in range(TYPES)] for row in contexts.tolist()]
    assert p.numpy() == pytest.approx(np.array(expected), rel=1e-5, abs=1e-12)
    for n, size in enumerate(found.model.sizes, start=1):
        kept = [gram for gram, c in slow.counts(n).items() if c > slow.threshold(n)]
        assert size == (TYPES if n == 1 else len(kept))


@pytest.mark.parametrize("prune", [(), (0, 1), (0, 0, 2)])
def test_estimated_discounts_follow_the_formulas(prune: tuple[int, ...]) -> None:
    types, order = 60, 3
    vocabulary = Vocabulary(
        ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(3, types))), np.zeros(types, int), 0, 1, 2
    )
    draw = np.random.default_rng(1)
    sentences = [(3 + draw.geometric(0.12, 6).clip(max=56)).tolist() for _ in range(100)]
    text = TokenStore.in_memory(sentences, vocabulary)
    found = estimate(text, order, types, prune=prune)
    slow = ByTheFormulas(sentences, order, prune or (0,), types=types)
    assert found.notes == ()
    for n, discounts in enumerate(found.discounts, start=1):
        assert discounts == pytest.approx(slow.discounts(n))
        assert discounts != FALLBACK
    batch = next(Windows(order).batches(text, 40))
    log_probs = found.model.target_log_probs(batch.inputs, batch.targets)
    expected = [
        math.log(slow.p(int(word), tuple(row)))
        for row, word in zip(batch.inputs.tolist(), batch.targets, strict=True)
    ]
    assert log_probs.tolist() == pytest.approx(expected, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 5), prunings)
def test_distributions_sum_to_one(sentences: Sentences, order: int, prune: list[int]) -> None:
    model = estimate(store(sentences), order, TYPES, prune=prune[:order]).model
    log_probs = model.log_probs(contexts_of(sentences, order))
    assert log_probs.dtype == torch.float32
    assert bool((log_probs[:, START] == -math.inf).all())
    assert log_probs.double().exp().sum(dim=1).tolist() == pytest.approx(
        [1.0] * len(log_probs), abs=1e-6
    )


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_one_target_or_all_and_in_any_order(sentences: Sentences, order: int, seed: int) -> None:
    model = model_of(sentences, order)
    contexts = contexts_of(sentences, order)
    draw = np.random.default_rng(seed)
    targets = torch.from_numpy(draw.integers(0, TYPES, len(contexts)))
    shuffled = torch.from_numpy(draw.permutation(len(contexts)))
    whole = model.log_probs(contexts)
    assert torch.equal(model.log_probs(contexts[shuffled]), whole[shuffled])
    assert torch.equal(torch.cat([model.log_probs(row[None]) for row in contexts[:5]]), whole[:5])
    gathered = whole.gather(1, targets[:, None])[:, 0]
    assert torch.equal(model.target_log_probs(contexts, targets), gathered)


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 5), st.randoms())
def test_the_order_of_sentences_changes_nothing(
    sentences: Sentences, order: int, random: object
) -> None:
    shuffled = list(sentences)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    contexts = contexts_of(sentences, order)
    found = model_of(shuffled, order).log_probs(contexts)
    assert found.numpy() == pytest.approx(model_of(sentences, order).log_probs(contexts).numpy())


def test_start_markers_before_the_first_change_nothing() -> None:
    model = model_of([[A, B, A], [A, C], [B, A]], 4)
    shorter = model.log_probs(torch.tensor([[UNK, UNK, START], [C, START, A]]))
    padded = model.log_probs(torch.tensor([[START, START, START], [START, START, A]]))
    assert torch.equal(padded, shorter)
    # and the word after <s> is not simply a unigram
    assert not torch.equal(padded[0], model.log_probs(torch.tensor([[UNK, UNK, UNK]]))[0])


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 4))
def test_tensors_hold_the_model(sentences: Sentences, order: int) -> None:
    model = model_of(sentences, order)
    contexts = contexts_of(sentences, order)
    again = BackoffModel.from_tensors(model.tensors())
    assert torch.equal(again.log_probs(contexts), model.log_probs(contexts))
    plain = {name: tensor.numpy() for name, tensor in model.tensors().items()}
    again = BackoffModel.from_tensors(plain, padding="single")
    assert again.reading == Windows(order, "single")
    assert torch.equal(again.log_probs(contexts), model.log_probs(contexts))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("about", lambda t: torch.tensor([3, TYPES, TYPES])),
        ("about", lambda t: torch.tensor([3, TYPES])),
        ("about", lambda t: torch.tensor([0, TYPES, START])),
        ("contexts.2", lambda t: t.flip(0)),
        ("contexts.1", lambda t: t + 1),
        ("backoffs.3", lambda t: t[1:]),
        ("ngrams.2", lambda t: t + 1000),
        ("ngrams.3", lambda t: -t - 1),
        ("ngrams.3", lambda t: t - 1000),
        ("log_probs.1", lambda t: t[:-1]),
        ("log_probs.3", lambda t: None),
    ],
)
def test_damaged_tensors_are_refused(name: str, damage: object) -> None:
    tensors = model_of([[A, B, A], [A, C]], 3).tensors()
    damaged = damage(tensors[name])  # type: ignore[operator]
    tensors = {key: value for key, value in tensors.items() if key != name}
    if damaged is not None:
        tensors[name] = damaged
    with pytest.raises(WordlabError, match="no back-off model"):
        BackoffModel.from_tensors(tensors)


def test_pruning_leaves_out_what_is_rare() -> None:
    text = store([[A, B], [A, B], [A, C], [B, C, A]])
    whole, pruned = (estimate(text, 3, TYPES, prune=prune) for prune in ((), (0, 0, 1)))
    assert whole.model.sizes[:2] == pruned.model.sizes[:2]
    # Of the trigrams <s> a b and a b </s> occur twice, the others once.
    assert (whole.model.sizes[2], pruned.model.sizes[2]) == (7, 2)
    assert pruned.discounts == whole.discounts
    # <s> b c and b c a are gone: what is left behind <s> b is the bigram.
    inputs = torch.tensor([[START, B], [UNK, B]])
    log_probs = pruned.model.log_probs(inputs)
    assert torch.equal(log_probs[0], log_probs[1])


@pytest.mark.parametrize(
    ("order", "prune", "what"),
    [
        (0, (), "an n-gram has 1 word or more, not 0"),
        (3, (1,), "cannot prune by the counts 1"),
        (3, (0, 2, 1), "cannot prune by the counts 0 2 1"),
        (2, (0, 1, 1), "3 counts to prune 2 orders by"),
    ],
)
def test_settings_that_make_no_sense(order: int, prune: tuple[int, ...], what: str) -> None:
    with pytest.raises(WordlabError, match=what):
        estimate(store([[A]]), order, TYPES, prune=prune)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(WordlabError, match="no sentence"):
        estimate(store([]), 2, TYPES)


def test_ids_outside_the_vocabulary_are_refused() -> None:
    model = model_of([[A]], 2)
    with pytest.raises(IndexError, match="from 0 to 5"):
        model.log_probs(torch.tensor([[TYPES]]))
    with pytest.raises(IndexError, match="from 0 to 5"):
        model.target_log_probs(torch.tensor([[A]]), torch.tensor([-1]))
    with pytest.raises(ValueError, match="contexts of 1 words"):
        model.log_probs(torch.tensor([[A, A]]))
