"""Properties that hold for any text."""

import math
from collections import Counter
from itertools import islice

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.batch import Order
from wordlab.batching.windows import Windows
from wordlab.corpus import ngrams
from wordlab.corpus.ngrams import count_ngrams
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.intervals import bootstrap_perplexity
from wordlab.generation.filters import temperature, top_k, top_p, without
from wordlab.models.counts.yardsticks import WittenBell

TYPES = 7
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", "a", "b", "c", "d"), np.ones(TYPES, dtype=np.int64), 0, 1, 2
)

words = st.sampled_from([0, 3, 4, 5, 6])
texts = st.lists(st.lists(words, min_size=1, max_size=9), min_size=1, max_size=12)
paddings = st.sampled_from(["full", "single"])


def store(sentences: list[list[int]]) -> TokenStore:
    return TokenStore.in_memory(sentences, VOCABULARY)


def windows_by_definition(
    sentences: list[list[int]], n: int, padding: str
) -> list[tuple[int, ...]]:
    found = []
    for sentence in sentences:
        starts = n - 1 if padding == "full" else 1
        row = [1] * starts + sentence + [2]
        found += [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]
    return found


@given(texts, st.integers(2, 6), paddings, st.integers(1, 20))
def test_windows_are_those_of_the_definition(
    sentences: list[list[int]], n: int, padding: str, size: int
) -> None:
    reading = Windows(n, padding)  # type: ignore[arg-type]
    batches = list(reading.batches(store(sentences), size))
    found = [
        (*x.tolist(), int(t)) for b in batches for x, t in zip(b.inputs, b.targets, strict=True)
    ]
    assert found == windows_by_definition(sentences, n, padding)
    assert all(len(b.targets) == size for b in batches[:-1])
    assert all(1 not in b.targets.tolist() for b in batches), "a start marker is predicted"


@given(texts, st.integers(2, 5), paddings, st.integers(1, 20), st.integers(0, 3))
def test_an_epoch_holds_each_target_once(
    sentences: list[list[int]], n: int, padding: str, size: int, epoch: int
) -> None:
    reading, text = Windows(n, padding), store(sentences)  # type: ignore[arg-type]

    def rows(order: Order | None, left_out: frozenset[int] = frozenset()) -> list[tuple[int, ...]]:
        return [
            (int(p), int(t), *x.tolist())
            for b in reading.batches(text, size, order=order, left_out=left_out)
            for p, t, x in zip(b.positions, b.targets, b.inputs, strict=True)
        ]

    plain, shuffled = rows(None), rows(Order(1, epoch))
    assert sorted(shuffled) == plain
    assert rows(Order(1, epoch)) == shuffled
    assert len(plain) == reading.target_counts(text, TYPES).sum()
    assert sorted(rows(Order(1, epoch), frozenset({3}))) == [r for r in plain if r[1] != 3]


@given(texts, st.integers(2, 5), st.integers(1, 9))
def test_shuffling_in_blocks_loses_nothing(sentences: list[list[int]], n: int, block: int) -> None:
    import wordlab.batching.windows as module

    before = module.BLOCK_TOKENS
    module.BLOCK_TOKENS = block
    try:
        reading, text = Windows(n), store(sentences)
        found = [p for b in reading.batches(text, 4, order=Order(2, 0)) for p in b.positions]
        sizes = [len(b.targets) for b in reading.batches(text, 4, order=Order(2, 0))]
    finally:
        module.BLOCK_TOKENS = before
    assert sorted(found) == list(range(len(text)))
    assert all(size == 4 for size in sizes[:-1])


@given(texts, texts, st.integers(1, 6), st.integers(1, 5))
def test_ngrams_are_counted_exactly_in_any_number_of_parts(
    first: list[list[int]], second: list[list[int]], n: int, parts: int
) -> None:
    def grams(sentences: list[list[int]]) -> Counter[tuple[int, ...]]:
        rows = [[1, *s, 2] for s in sentences]
        return Counter(tuple(r[i : i + n]) for r in rows for i in range(len(r) - n + 1))

    one, two = grams(first), grams(second)
    if n == 1:  # the start marker is no word of a text
        del one[(1,)], two[(1,)]
    before = ngrams.PART_NGRAMS, ngrams._CHUNK
    longest = max(len(store(first)), len(store(second)))
    ngrams.PART_NGRAMS, ngrams._CHUNK = max(1, longest // parts), max(1, longest // 3)
    try:
        found = count_ngrams(store(first), n, TYPES, top=4, second=store(second))
    finally:
        ngrams.PART_NGRAMS, ngrams._CHUNK = before
    assert found.total == one.total()
    assert found.distinct == len(one)
    assert dict(found.count_of_counts) == Counter(one.values())
    assert found.covered == sum(count for gram, count in two.items() if gram in one)
    best = sorted(one.items(), key=lambda item: (-item[1], item[0]))[:4]
    assert list(found.top) == best


@given(texts, texts, st.integers(2, 5))
@settings(max_examples=50)
def test_witten_bell_is_its_definition(
    train: list[list[int]], test: list[list[int]], n: int
) -> None:
    counts = [Counter[tuple[int, ...]]() for _ in range(n)]
    for gram in windows_by_definition(train, n, "full"):
        for length in range(n):
            counts[length][gram[n - 1 - length :]] += 1

    def p(context: tuple[int, ...], word: int, length: int) -> float:
        if length < 0:
            return 1 / TYPES
        h = context[len(context) - length :]
        after = {g[-1]: c for g, c in counts[length].items() if g[:-1] == h}
        lower = p(context, word, length - 1)
        if not after:
            return lower
        total, types = sum(after.values()), len(after)
        return (after.get(word, 0) + types * lower) / (total + types)

    model = WittenBell(Windows(n), store(train), TYPES)
    for batch in islice(Windows(n).batches(store(test), 5), 3):
        found = model.predict(batch)[0].exp()
        for row, context in zip(found, batch.inputs.tolist(), strict=True):
            wanted = [p(tuple(context), word, n - 1) for word in range(TYPES)]
            assert np.allclose(row.numpy(), wanted, rtol=1e-5)
            assert math.isclose(sum(wanted), 1, rel_tol=1e-9)


# Equal, or further apart than rounding reaches: a temperature may make a tie of two neighbours.
logits = st.lists(st.integers(-(2**13), 2**13).map(lambda n: n / 2**10), min_size=3, max_size=12)


@given(logits, st.integers(1, 12), st.floats(0.05, 1), st.floats(0.2, 4))
def test_filters_give_distributions_whatever_the_shape(
    values: list[float], k: int, mass: float, heat: float
) -> None:
    row = torch.tensor(values, dtype=torch.float64).log_softmax(-1)
    for change in (
        lambda x: top_k(x, k),
        lambda x: top_p(x, mass),
        lambda x: temperature(x, heat),
        lambda x: without(x, [0]),
    ):
        one = change(row)
        assert math.isclose(float(one.exp().sum()), 1, rel_tol=1e-9)
        assert torch.equal(change(row.expand(2, 3, -1).clone())[1, 2], one)
        kept = torch.isfinite(one)
        assert torch.equal(one[kept].argsort(stable=True), row[kept].argsort(stable=True))
    kept = torch.isfinite(top_p(row, mass))
    assert float(row[kept].exp().sum()) >= mass - 1e-9
    assert float(row[kept].exp().sum() - row[kept].exp().min()) < mass + 1e-9
    assert int(torch.isfinite(top_k(row, k)).sum()) >= min(k, len(values))
    assert float(without(row, [0])[0]) == -math.inf


@given(st.lists(st.floats(0.1, 9), min_size=2, max_size=40), st.integers(1, 5))
@settings(max_examples=25)
def test_the_interval_holds_the_figure(nats: list[float], sentences: int) -> None:
    values = np.array(nats)
    owner = np.arange(len(values)) % sentences
    low, high = bootstrap_perplexity(values, owner, resamples=200)
    assert low <= high
    per_sentence = [values[owner == s].mean() for s in np.unique(owner)]
    assert math.exp(min(per_sentence)) <= low * (1 + 1e-9)
    assert high <= math.exp(max(per_sentence)) * (1 + 1e-9)
    assert bootstrap_perplexity(values, owner, resamples=200) == (low, high)
