"""Tagging schemes: there and back, against seqeval, and against the rules of conlleval."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE2, Entities

from wordlab.corpus.labelled.naming import name_scheme
from wordlab.corpus.labelled.schemes import OUTSIDE, SCHEMES, Meeting
from wordlab.corpus.labelled.spans import Span

TYPES = ("PER", "LOC")
# Not IOE1: in seqeval no entity of one word begins with E, as one must that touches the next.
SEQEVAL = {
    "IOB1": IOB1,
    "IOB2": IOB2,
    "IOE2": IOE2,
    "BIOES": IOBES,
    "BILOU": BILOU,
}


@st.composite
def labelled(draw: st.DrawFn, apart: bool = False) -> tuple[list[Span], int]:
    """Spans that do not overlap, and the length of their sentence."""
    spans, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.integers(int(apart), 2))
        end = start + draw(st.integers(1, 3))
        spans.append(Span(start, end, draw(st.sampled_from(TYPES))))
        at = end
    return spans, at + draw(st.integers(0, 2))


@pytest.mark.parametrize("name", list(SCHEMES))
@given(example=labelled())
def test_tags_read_back_as_the_entities_they_were_written_for(
    name: str, example: tuple[list[Span], int]
) -> None:
    spans, length = example
    scheme = SCHEMES[name]
    touching = any(a.end == b.start and a.type == b.type for a, b in pairwise(spans))
    if name == "bare" and touching:
        with pytest.raises(ValueError, match="touch"):
            scheme.tags(spans, length)
        return
    tags = scheme.tags(spans, length)
    assert len(tags) == length
    assert scheme.spans(tags) == spans
    assert scheme.spans(tags, lenient=True) == spans
    assert not list(scheme.clashes(tags))


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("IOB1", "O I-PER I-PER B-PER I-LOC O"),
        ("IOB2", "O B-PER I-PER B-PER B-LOC O"),
        ("IOE1", "O I-PER E-PER I-PER I-LOC O"),
        ("IOE2", "O I-PER E-PER E-PER E-LOC O"),
        ("BIOES", "O B-PER E-PER S-PER S-LOC O"),
        ("BILOU", "O B-PER L-PER U-PER U-LOC O"),
        ("BMES", "O B-PER E-PER S-PER S-LOC O"),
    ],
)
def test_the_same_entities_in_each_scheme(name: str, tags: str) -> None:
    spans = [Span(1, 3, "PER"), Span(3, 4, "PER"), Span(4, 5, "LOC")]
    assert SCHEMES[name].tags(spans, 6) == tags.split()


def any_tags(name: str) -> st.SearchStrategy[list[str]]:
    tags = [OUTSIDE, *(tag for kind in TYPES for tag in SCHEMES[name].tags_of(kind))]
    return st.lists(st.sampled_from(tags), max_size=9)


@pytest.mark.parametrize("name", list(SEQEVAL))
@given(data=st.data())
def test_any_tags_read_as_seqeval_reads_them_in_strict_mode(name: str, data: st.DataObject) -> None:
    """But for letters that set apart where nothing touches: conlleval counts those, so do we."""
    scheme = SCHEMES[name]
    tags = data.draw(any_tags(name))
    if any(clash.needless for _, clash in scheme.clashes(tags)):
        return
    theirs = [] if not tags else Entities([tags], SEQEVAL[name]).entities[0]
    assert {(s.start, s.end, s.type) for s in scheme.spans(tags)} == {
        (e.start, e.end, e.tag) for e in theirs
    }


def conlleval(tags: list[str]) -> list[Span]:
    """Entities by the rules of the script conlleval: what begins and what ends a chunk."""
    spans: list[Span] = []
    start = None
    for at, (before, after) in enumerate(pairwise([OUTSIDE, *tags, OUTSIDE])):
        (left, _, kind), (right, _, other) = before.partition("-"), after.partition("-")
        changed = kind != other
        ends = left != "O" and (left in "ES" or right in "BSO" or changed)
        begins = right != "O" and (right in "BS" or left in "EOS" or changed)
        if ends and start is not None:
            spans.append(Span(start, at, kind))
            start = None
        if begins:
            start = at
    return spans


@pytest.mark.parametrize("name", ["IOB1", "IOB2", "BIOES"])
@given(data=st.data())
def test_any_tags_read_leniently_as_conlleval_reads_them(name: str, data: st.DataObject) -> None:
    tags = data.draw(any_tags(name))
    assert SCHEMES[name].spans(tags, lenient=True) == conlleval(tags)


@pytest.mark.parametrize("name", list(SCHEMES))
@given(data=st.data())
def test_lenient_entities_written_again_are_legal_and_stay(name: str, data: st.DataObject) -> None:
    scheme = SCHEMES[name]
    tags = data.draw(any_tags(name))
    read = scheme.spans(tags, lenient=True)
    again = scheme.tags(read, len(tags))
    assert scheme.spans(again) == read
    assert not list(scheme.clashes(again))


def test_strict_reading_gives_no_credit_for_another_schemes_letters() -> None:
    """Gold `U U` against `B L`: one entity of two words is not two entities of one."""
    bilou = SCHEMES["BILOU"]
    gold, predicted = bilou.spans(["U-PER", "U-PER"]), bilou.spans(["B-PER", "L-PER"])
    assert gold == [Span(0, 1, "PER"), Span(1, 2, "PER")]
    assert predicted == [Span(0, 2, "PER")]


def test_clashes_name_the_tag_and_the_reason() -> None:
    assert [(at, c.why) for at, c in SCHEMES["IOB2"].clashes(["B-PER", "I-LOC"])] == [
        (1, "'I-LOC' goes on with no LOC before it")
    ]
    assert [(at, c.why) for at, c in SCHEMES["BIOES"].clashes(["O", "B-LOC"])] == [
        (1, "the entity of 'B-LOC' does not end")
    ]
    assert [(at, c.needless) for at, c in SCHEMES["IOB1"].clashes(["B-PER", "B-PER"])] == [
        (0, True)
    ]


@given(spans=st.lists(labelled(apart=True), min_size=5, max_size=9), data=st.data())
def test_the_scheme_is_named_from_its_tags(
    spans: list[tuple[list[Span], int]], data: st.DataObject
) -> None:
    """Where it can be told at all: the scheme that is named fits every tag."""
    name = data.draw(st.sampled_from(list(SCHEMES)))
    tags = [SCHEMES[name].tags(*example) for example in spans]
    named, why = name_scheme(tags)
    assert why
    if any(tag != OUTSIDE for sentence in tags for tag in sentence):
        for sentence, (wanted, _) in zip(tags, spans, strict=True):
            assert not list(named.clashes(sentence))
            assert (name == "bare") == (named.name == "bare")
            if name in ("IOB2", "BIOES"):  # the first of those that fit
                assert named.spans(sentence) == wanted


def test_edges_count_as_outside() -> None:
    bioes = SCHEMES["BIOES"]
    outside, begin = bioes.parse("O"), bioes.parse("B-PER")
    assert outside is not None
    assert begin is not None
    assert bioes.meeting(begin, outside) is Meeting.ILLEGAL
    assert bioes.meeting(outside, begin) is Meeting.APART
