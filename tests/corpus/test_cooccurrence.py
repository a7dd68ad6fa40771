"""Co-occurrence vectors: words used alike lie near each other; markers and small texts."""

import numpy as np
import pytest

from wordlab.corpus.cooccurrence import REACH, _counts, _positive_information, cooccurrence_vectors
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary

WORDS = ("<unk>", "<s>", "</s>", "a", "b", "x", "y", "never", "p", "q")
VOCABULARY = Vocabulary(WORDS, np.ones(10, dtype=np.int64), 0, 1, 2)
A, B, X, Y, NEVER, P, Q = range(3, 10)


def store(rows: list[list[int]]) -> TokenStore:
    return TokenStore.in_memory(rows, VOCABULARY)


def test_counts_by_hand() -> None:
    """a b END: a and b once at distance 1, a and END at 2, b and END at 1; in both orders."""
    counts = _counts(store([[A, B]]), 10).toarray()
    wanted = np.zeros((10, 10))
    wanted[A, B] = wanted[B, A] = wanted[B, 2] = wanted[2, B] = 1
    wanted[A, 2] = wanted[2, A] = 0.5
    assert counts == pytest.approx(wanted)


def test_no_word_counts_beyond_the_reach() -> None:
    counts = _counts(store([[A, *[X] * REACH, B]]), 10)
    assert counts[A, B] == 0
    near = _counts(store([[A, *[X] * (REACH - 1), B]]), 10)
    assert near[A, B] == pytest.approx(1 / REACH)


def test_information_is_positive_and_symmetric_where_contexts_are_even() -> None:
    information = _positive_information(_counts(store([[A, X], [B, Y]] * 5), 10))
    assert (information.data > 0).all()
    assert information[A, X] > 0
    assert information[A, B] == 0


def test_words_used_alike_have_vectors_alike() -> None:
    """a and b stand between x's, p and q between y's."""
    draw = np.random.default_rng(1)
    rows = []
    for _ in range(400):
        pair, other = (((A, B), X), ((P, Q), Y))[int(draw.integers(2))]
        rows.append([other, other, other, pair[int(draw.integers(2))], other, other, other])
    vectors = cooccurrence_vectors(store(rows), 10, 4, seed=1)
    assert vectors.shape == (10, 4)
    assert float(np.sqrt(np.mean(vectors**2))) == pytest.approx(1, rel=1e-5)

    def alike(one: int, two: int) -> float:
        u, v = vectors[one], vectors[two]
        return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))

    assert alike(A, B) > max(alike(A, P), alike(A, Q)) + 0.3
    assert alike(P, Q) > max(alike(A, P), alike(A, Q)) + 0.3
    assert not vectors[NEVER].any()


def test_the_same_seed_gives_the_same_vectors() -> None:
    text = store([[A, B, X], [Y, B, A]])
    one, two = (cooccurrence_vectors(text, 10, 3, seed=5) for _ in range(2))
    assert (one == two).all()


@pytest.mark.parametrize("rows", [[], [[]], [[A]]])
def test_texts_too_small_give_what_there_is(rows: list[list[int]]) -> None:
    vectors = cooccurrence_vectors(store(rows), 10, 20, seed=1)
    assert vectors.shape == (10, 20)
    assert np.isfinite(vectors).all()
