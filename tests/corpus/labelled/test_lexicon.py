"""What a tagger sees of words: numbers of forms and features, from training words only."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordlab.corpus.labelled.lexicon import (
    END,
    LONGEST_SPELLING,
    MARKERS,
    SPELLINGS,
    START,
    UNKNOWN,
    Lexicon,
)
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.errors import WordlabError

WORDS = [
    "the",
    "EU",
    "rejects",
    "the",
    "German",
    "call",
    "to",
    "boycott",
    "EU",
    "lamb",
    "in",
    "1996",
    ".",
]


def lexicon(**options: object) -> Lexicon:
    given = {"form": "lower", "features": ("capitals", "suffix-2"), "min_feature_count": 1}
    return Lexicon.of_words(WORDS, **{**given, **options})  # type: ignore[arg-type]


def test_rows_begin_with_the_markers_and_number_what_training_has() -> None:
    made = lexicon()
    rows = made.rows(["the", "THE", "Berlin", "eu"])
    assert rows[:MARKERS].tolist() == [[UNKNOWN] * 3, [START] * 3, [END] * 3]
    the, upper, berlin, eu = rows[MARKERS:]
    assert the[0] == upper[0]
    assert the[1] != upper[1]
    assert berlin[0] == UNKNOWN
    assert berlin[2] == made.rows(["in"])[MARKERS, 2] != UNKNOWN
    assert eu[0] not in (UNKNOWN, START, END)


def test_rare_forms_are_unknown_and_counted_so() -> None:
    made = lexicon(min_count=2)
    assert made.sizes()["word"] == MARKERS + 2  # the, eu
    assert made.counts == (len(WORDS) - 4, 0, 0, 2, 2)
    assert made.rows(["German"])[MARKERS, 0] == UNKNOWN


def test_words_with_vectors_have_numbers_behind_those_of_training() -> None:
    made = lexicon(known=["berlin", "the"], min_count=2)
    assert made.further == ("berlin",)
    own = made.sizes()["word"]
    assert made.rows(["Berlin"])[MARKERS, 0] == own
    assert made.rows(["the"])[MARKERS, 0] < own


def test_cs224ds_figures_depend_on_what_is_known() -> None:
    made = Lexicon.of_words(["1996", "DGDG"], form="cs224d", known=["dgdg"])
    assert made.rows(["1997"])[MARKERS, 0] == made.rows(["1996"])[MARKERS, 0]


def test_spellings_are_cut_in_the_middle_and_filled_up() -> None:
    made = lexicon(letters=True)
    rows = made.spellings(["EU", "t" * 100])
    assert rows.shape == (MARKERS + 2, LONGEST_SPELLING)
    assert rows[MARKERS, 2:].max() == -1
    assert (rows[MARKERS + 1] >= MARKERS).all()
    assert made.spellings([]).shape == (MARKERS, 1)


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8))
def test_any_words_have_rows_and_survive_a_file(words: list[str]) -> None:
    made = Lexicon.of_words(
        words, form="as-is", features=tuple(SPELLINGS), letters=True, min_feature_count=1
    )
    rows = made.rows(words)
    assert (rows[MARKERS:] >= MARKERS).all()
    again = Lexicon.from_json(json.loads(json.dumps(made.as_json())), "x")
    assert again == made
    assert np.array_equal(again.rows(words), rows)
    assert np.array_equal(again.spellings(words), made.spellings(words))


@pytest.mark.parametrize(
    "change",
    [
        {"columns": {}},
        {"columns": {"capitals": []}},
        {"columns": {"word": [], "smell": []}},
        {"counts": [1]},
        {"form": "upside-down"},
        {"further": None},
        {"hashing": True},
        {"hashing": {"method": "md5", "salt": "00", "bytes": 8}},
        {"hashing": {"method": "blake2b", "salt": "grain", "bytes": 8}},
        {"hashing": {"method": "blake2b", "salt": "00", "bytes": 99}},
    ],
)
def test_files_that_hold_no_lexicon(change: dict[str, object]) -> None:
    data = {**lexicon().as_json(), **change}
    with pytest.raises(WordlabError):
        Lexicon.from_json(data, "lexicon.json")


@given(st.sampled_from(list(SCHEMES)), st.lists(st.lists(st.integers(0, 99), min_size=1)))
def test_entities_are_those_of_the_scheme(scheme: str, rows: list[list[int]]) -> None:
    """Of whole texts at once as of a sentence's tags, well formed or not."""
    tags = TagSet(scheme, ("LOC", "PER"))
    rows = [[tag % len(tags.tags) for tag in row] for row in rows]
    flat = np.array([tag for row in rows for tag in row], dtype=np.int64)
    found = tags.entities(flat, np.array([len(row) for row in rows], dtype=np.int64))
    spelled = [
        (sentence, span.start, span.end, span.type)
        for sentence, row in enumerate(rows)
        for span in SCHEMES[scheme].spans([tags.tags[tag] for tag in row], lenient=True)
    ]
    kinds = [tags.kinds[tag] for tag in found.tag]
    bounds = (found.sentence.tolist(), found.start.tolist(), found.end.tolist(), kinds)
    assert list(zip(*bounds, strict=True)) == spelled


def test_tag_sets() -> None:
    tags = TagSet("IOB2", ("LOC", "PER"))
    assert tags.tags == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert not tags.may_begin[tags.numbers["I-PER"]]
    assert tags.legal[tags.numbers["B-PER"], tags.numbers["I-PER"]]
    assert not tags.legal[tags.numbers["B-PER"], tags.numbers["I-LOC"]]
    assert tags.joined.sum() == 4
    spans = (Span(0, 2, "PER"), Span(2, 3, "PER"))
    sentence = LabelledSentence(("a", "b", "c"), spans)
    assert tags.encode(sentence) == [tags.numbers[tag] for tag in ("B-PER", "I-PER", "B-PER")]
    bare = TagSet("bare", ("LOC", "PER"))
    assert bare.encode(sentence) == [bare.numbers["PER"]] * 3
    with pytest.raises(KeyError):
        tags.encode(LabelledSentence(("a",), (Span(0, 1, "ORG"),)))
