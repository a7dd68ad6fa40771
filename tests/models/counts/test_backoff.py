"""Back-off models from any n-grams, held against looking them up one by one."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.models.counts.backoff import BackoffModel, Ngrams
from wordlab.models.counts.backoff_tables import RepeatedNgramError, build_model

TYPES, START = 4, 1

Gram = tuple[int, ...]
Listed = dict[Gram, tuple[float, float]]

numbers = st.tuples(st.floats(-5, 0), st.sampled_from([0.0, 0.0, -0.5, -2.0, 0.25]))


@st.composite
def listings(draw: st.DrawFn) -> list[Listed]:
    """Some n-grams of each length with log-probability and back-off weight; any may be missing."""
    order = draw(st.integers(1, 4))
    return [
        draw(st.dictionaries(st.tuples(*[st.integers(0, TYPES - 1)] * n), numbers, max_size=12))
        for n in range(1, order + 1)
    ]


def table_of(listed: Listed, length: int) -> Ngrams:
    return Ngrams(
        np.array(list(listed), dtype=np.int64).reshape(-1, length),
        np.array([log_prob for log_prob, _ in listed.values()]),
        np.array([backoff for _, backoff in listed.values()]),
    )


def model_of(listing: list[Listed]) -> tuple[BackoffModel, int]:
    return build_model([table_of(t, n) for n, t in enumerate(listing, 1)], TYPES, START)


def looked_up(listing: list[Listed], context: Gram, word: int) -> float:
    """The definition of backing off, by recursion."""
    if word == START:
        return -math.inf
    found = listing[len(context)].get((*context, word))
    if found is not None:
        return found[0]
    if not context:
        return -math.inf
    _, backoff = listing[len(context) - 1].get(context, (0.0, 0.0))
    return backoff + looked_up(listing, context[1:], word)


@settings(max_examples=50, deadline=None)
@given(listings(), st.randoms())
def test_distributions_are_those_of_the_definition(listing: list[Listed], random: object) -> None:
    model, _ = model_of(listing)
    contexts = list(product(range(TYPES), repeat=len(listing) - 1))
    random.shuffle(contexts)  # type: ignore[attr-defined]
    inputs = torch.tensor(contexts, dtype=torch.int64).reshape(len(contexts), -1)
    expected = np.array([[looked_up(listing, c, w) for w in range(TYPES)] for c in contexts])
    found = model.log_probs(inputs).numpy()
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
    for word in range(TYPES):
        targets = torch.full((len(contexts),), word)
        assert model.target_log_probs(inputs, targets).tolist() == found[:, word].tolist()


@settings(max_examples=50, deadline=None)
@given(listings())
def test_what_is_listed_spells_out_the_model(listing: list[Listed]) -> None:
    model, added = model_of(listing)
    tables = []
    for length, size in enumerate(model.sizes, start=1):
        empty = table_of({}, length)
        parts = [empty, *model.ngrams(length)]
        words, log_probs, backoffs = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("words", "log_probs", "backoffs")
        )
        tables.append(Ngrams(words, log_probs, backoffs))
        assert len(words) == size
        rows = {tuple(row): p for row, p in zip(words.tolist(), log_probs, strict=True)}
        kept = {gram: p for gram, (p, _) in listing[length - 1].items() if gram[-1] != START}
        assert kept == pytest.approx({gram: rows[gram] for gram in kept})
    listed = sum(len(listed) for listed in listing[1:])
    assert sum(model.sizes) == TYPES + listed + added
    again, more = build_model(tables, TYPES, START)
    assert more == 0
    for name, tensor in model.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name


def test_a_repeated_ngram_is_refused() -> None:
    unigrams = table_of({(0,): (-1.0, 0.0), (2,): (-1.0, 0.0)}, 1)
    words = np.array([[0, 2], [2, 0], [0, 0], [2, 0], [0, 2]])
    bigrams = Ngrams(words, np.full(5, -1.0), np.zeros(5))
    with pytest.raises(RepeatedNgramError, match="row 3 of the 2-grams") as caught:
        build_model([unigrams, bigrams], TYPES, START)
    assert (caught.value.length, caught.value.row) == (2, 3)
    twice = Ngrams(np.array([[2], [2]]), np.zeros(2), np.zeros(2))
    with pytest.raises(RepeatedNgramError, match="row 1 of the 1-grams"):
        build_model([twice], TYPES, START)


@pytest.mark.parametrize("types", [10, 3_000_000])
def test_large_vocabularies(types: int) -> None:
    # Three words of 3,000,000 types do not fit into 63 bits: keys are numbered anew on the way.
    draw = np.random.default_rng(1)
    listing = [
        {tuple(row): (-1.0 / (1 + sum(row) % 7), -0.25) for row in rows.tolist()}
        for rows in (draw.integers(types - 8, types, (60, n)) for n in range(1, 6))
    ]
    tables = [table_of(listed, n) for n, listed in enumerate(listing, 1)]
    model, _ = build_model(tables, types, START)
    rows = draw.integers(types - 8, types, (50, 5))
    expected = [looked_up(listing, tuple(context), word) for *context, word in rows.tolist()]
    assert model.wide_target_log_probs(rows[:, :-1], rows[:, -1]) == pytest.approx(expected)
