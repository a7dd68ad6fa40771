"""Lexicons to pass on: the same look-ups, and no word in clear."""

import json
from itertools import islice, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wordlab.corpus.labelled.lexicon import MARKERS, SPELLINGS, UNKNOWN, WORD, Lexicon
from wordlab.corpus.labelled.release import Order, released
from wordlab.corpus.word_forms import WORD_FORMS

TEXTS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8)


def former(order: Order, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """The numbers that rows of a released lexicon had before."""
    found = rows.copy()
    for at, places in enumerate(order.columns.values()):
        every = np.concatenate([places, order.further + len(places)]) if at == 0 else places
        found[:, at] = every[rows[:, at]]
    return found


def many_words(count: int) -> list[str]:
    return ["".join(letters) for letters in islice(product("abcdefghij", repeat=4), count)]


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(list(WORD_FORMS)), st.booleans())
def test_look_ups_find_what_they_found(
    words: list[str], known: list[str], asked: list[str], form: str, hashed: bool
) -> None:
    made = Lexicon.of_words(
        [*words, "1996", "1,987", "DGDG"],
        form=form,
        features=tuple(SPELLINGS),
        letters=True,
        min_feature_count=1,
        known=[*known, "1996"],
    )
    passed_on, order = released(made, hashed=hashed)
    asked = list(dict.fromkeys([*asked, *words, *known, "1996", "1997", "1,988", "\ud800"]))
    assert np.array_equal(former(order, passed_on.rows(asked)), made.rows(asked))
    letters = passed_on.spellings(asked)
    assert np.array_equal(
        np.where(letters < 0, letters, order.letters[letters]), made.spellings(asked)
    )
    again = Lexicon.from_json(json.loads(json.dumps(passed_on.as_json())), "x")
    assert again == passed_on


def test_it_tells_neither_order_nor_counts_nor_words() -> None:
    words = ["zebra", "apple", "zebra", "Mango", "zebras"]
    made = Lexicon.of_words(
        words, form="lower", features=["prefix-5", "shape"], letters=True, known=["quince"]
    )
    plain, _ = released(made, hashed=False)
    assert plain.columns[WORD] == ("apple", "mango", "zebra", "zebras")
    assert plain.further == ("quince",)
    assert not any(plain.counts)
    assert list(plain.letters) == sorted(plain.letters)
    hashed, _ = released(made, hashed=True)
    written = json.dumps(hashed.as_json())
    for word in (*words, "mango", "quince", "Xxx"):
        assert word not in written
    assert len({*hashed.columns[WORD]} & {*hashed.columns["prefix-5"]}) == 0
    other, _ = released(made, hashed=True)
    assert not {*hashed.columns[WORD]} & {*other.columns[WORD]}  # under another salt


def test_hashes_grow_until_no_two_are_alike() -> None:
    words = many_words(700)
    made = Lexicon.of_words(words, form="as-is", known=many_words(1000))
    hashed, order = released(made, hashed=True, hash_bytes=1)
    assert hashed.hashing is not None
    assert hashed.hashing.size > 1
    assert np.array_equal(former(order, hashed.rows(words)), made.rows(words))
    assert len({*hashed.columns[WORD], *hashed.further}) == 1000
    assert (hashed.rows(["other", "words"])[MARKERS:] == UNKNOWN).all()


def test_what_is_hashed_is_not_hashed_again() -> None:
    made = Lexicon.of_words(["one", "two"], form="lower")
    once, _ = released(made, hashed=True)
    for hashed in (True, False):
        assert released(once, hashed=hashed)[0] == once
