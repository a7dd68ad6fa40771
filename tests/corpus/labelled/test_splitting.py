"""Splits keep documents whole and types in their shares; leaks are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.splitting import leaks, nested, split
from wordlab.errors import WordlabError


def sentence(words: str, kind: str = "", document: int = 0) -> LabelledSentence:
    spans = (Span(0, 1, kind),) if kind else ()
    return LabelledSentence(tuple(words.split()), spans, document=document)


@given(documents=st.lists(st.integers(1, 6), min_size=4, max_size=30), seed=st.integers(0, 3))
def test_every_sentence_is_in_one_part_and_documents_stay_whole(
    documents: list[int], seed: int
) -> None:
    text = [
        sentence(f"w{number} in {at}", "XY"[at % 2], number)
        for number, size in enumerate(documents)
        for at in range(size)
    ]
    parts = split(text, [0.6, 0.2, 0.2], seed=seed)
    assert sorted(s.words for part in parts for s in part) == sorted(s.words for s in text)
    homes = {s.document: number for number, part in enumerate(parts) for s in part}
    assert all(homes[s.document] == number for number, part in enumerate(parts) for s in part)
    assert all(part == sorted(part, key=text.index) for part in parts)
    assert parts == split(text, [0.6, 0.2, 0.2], seed=seed)


@given(
    documents=st.lists(st.integers(1, 9), min_size=1, max_size=30).filter(lambda d: sum(d) > 3),
    seed=st.integers(0, 3),
)
def test_nested_parts_are_drawn_whole_and_near_their_share(documents: list[int], seed: int) -> None:
    text = [
        sentence(f"w{number} in {at}", "X", number)
        for number, size in enumerate(documents)
        for at in range(size)
    ]
    (quarter, half), by = nested(text, [0.25, 0.5], seed=seed)
    assert (quarter, half) == tuple(nested(text, [0.25, 0.5], seed=seed)[0])
    whole = len(documents) >= 8 and max(documents) <= sum(documents) / 4
    assert by == ("document" if whole else "sentence")
    step = max(documents) if whole else 1
    for part, share in ((quarter, 0.25), (half, 0.5)):
        assert part
        assert abs(len(part) - share * len(text)) <= step / 2 or len(part) <= step
        assert part == sorted(part, key=text.index)
        inside = {s.document for s in part}
        assert not whole or part == [s for s in text if s.document in inside]
    assert all(s in half for s in quarter)
    assert len(quarter) < len(half)


def test_another_seed_draws_other_documents() -> None:
    text = [sentence(f"w{at}", "X", at) for at in range(100)]
    draws = [nested(text, [0.5], seed=seed)[0][0] for seed in range(5)]
    assert len({tuple(s.document for s in draw) for draw in draws}) == 5


def test_types_get_their_share() -> None:
    kinds = ["PER"] * 50 + ["LOC"] * 10 + [""] * 40
    text = [sentence(f"w{at} x y", kind, at) for at, kind in enumerate(kinds)]
    train, validation = split(text, [0.8, 0.2])
    for part, share in ((train, 0.8), (validation, 0.2)):
        counts = [
            sum(bool(s.spans) and s.spans[0].type == kind for s in part) for kind in ("PER", "LOC")
        ]
        assert counts == [round(50 * share), round(10 * share)]


def test_another_seed_is_another_split() -> None:
    text = [sentence(f"w{at} x", document=at) for at in range(40)]
    assert split(text, [0.5, 0.5], seed=1) != split(text, [0.5, 0.5], seed=2)


def test_equal_sentences_stay_together() -> None:
    text = [sentence(f"w{at % 10} x", document=at) for at in range(40)]
    train, validation = split(text, [0.7, 0.3], by="sentence")
    assert not leaks(train, validation).known


def test_too_few_documents() -> None:
    with pytest.raises(WordlabError, match="1 documents cannot be dealt out to 2 parts"):
        split([sentence("a b"), sentence("c d")], [0.5, 0.5])


def test_leaks() -> None:
    train = [sentence("Bo ran", "PER"), sentence("Oslo is old", "LOC")]
    text = [sentence("Oslo is old"), sentence("Oslo grew", "LOC"), sentence("Li ran", "PER")]
    found = leaks(train, text)
    assert found.known == (0,)
    assert (found.sentences, found.names, found.known_names) == (3, 2, 1)
    assert found.table("x").rows[0] == ("sentences that are training sentences", 1, 3, 1 / 3)
