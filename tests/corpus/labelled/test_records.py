"""JSON lines: doccano's two shapes and Prodigy's, with offsets; what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from wordlab.corpus.labelled.doctor import Diagnosis, diagnose, read_labelled
from wordlab.corpus.labelled.records import bounds_of, word_offsets
from wordlab.corpus.labelled.repair import repaired
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.text import TOKENIZERS
from wordlab.errors import WordlabError

TEXT = "Mara left Turin.\nAcme hired Bo."


def examine(folder: Path, *records: Any) -> Diagnosis:
    path = folder / "file.jsonl"
    lines = [r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records]
    path.write_text("\n".join(lines) + "\n")
    return diagnose(path)


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        ("doccano", {"text": TEXT, "label": [[0, 4, "PER"], [10, 15, "LOC"], [28, 30, "PER"]]}),
        ("doccano", {"text": TEXT, "labels": [[28, 30, "PER"], [10, 15, "LOC"], [0, 4, "PER"]]}),
        (
            "doccano-entities",
            {
                "text": TEXT,
                "entities": [
                    {"id": 1, "start_offset": 0, "end_offset": 4, "label": "PER"},
                    {"id": 2, "start_offset": 10, "end_offset": 15, "label": "LOC"},
                    {"id": 3, "start_offset": 28, "end_offset": 30, "label": "PER"},
                ],
            },
        ),
        (
            "prodigy",
            {
                "text": TEXT,
                "spans": [
                    {"start": 0, "end": 4, "label": "PER"},
                    {"start": 10, "end": 15, "label": "LOC"},
                    {"start": 28, "end": 30, "label": "PER"},
                ],
                "answer": "accept",
            },
        ),
    ],
)
def test_each_shape(tmp_path: Path, shape: str, record: dict[str, Any]) -> None:
    found = examine(tmp_path, record, {"text": "No one ."})
    assert found.kind == shape
    assert not found.faults
    first, second, third = found.sentences
    assert first.words == ("Mara", "left", "Turin", ".")
    assert first.spans == (Span(0, 1, "PER"), Span(2, 3, "LOC"))
    assert first.source.offsets == ((0, 4), (5, 9), (10, 15), (15, 16))
    assert second.words == ("Acme", "hired", "Bo", ".")
    assert second.spans == (Span(2, 3, "PER"),)
    assert (first.document, second.document, third.document) == (0, 0, 1)
    assert third.spans == ()


def test_words_that_a_record_brings_along(tmp_path: Path) -> None:
    tokens = [{"text": "Mara", "start": 0, "end": 4}, {"text": "left", "start": 5, "end": 9}]
    record = {
        "text": "Mara left",
        "tokens": tokens,
        "spans": [{"start": 5, "end": 9, "label": "X"}],
    }
    found = examine(tmp_path, record)
    assert found.sentences[0].words == ("Mara", "left")
    assert found.sentences[0].spans == (Span(1, 2, "X"),)


def test_an_entity_over_a_line_break_holds_the_lines_together(tmp_path: Path) -> None:
    found = examine(tmp_path, {"text": "at Port\nAvery now", "label": [[3, 13, "LOC"]]})
    assert [s.words for s in found.sentences] == [("at", "Port", "Avery", "now")]


@pytest.mark.parametrize(
    ("record", "kind", "column"),
    [
        ('{"text": "Mara", "label": [', "broken record", 28),
        ('["Mara"]', "broken record", 1),
        ({"words": "Mara"}, "broken record", 1),
        ({"text": "  ", "label": []}, "broken record", 1),
        ({"text": "Mara", "label": [[0, 9, "PER"]]}, "span outside the text", 1),
        ({"text": "Mara", "label": [[2, 2, "PER"]]}, "span outside the text", 1),
        ({"text": "Mara", "label": [["0", 4, "PER"]]}, "span outside the text", 1),
        ({"text": "Mara", "label": [[0, 4, ""]]}, "missing label", 1),
        ({"text": "Mara ran", "label": [[0, 3, "PER"]]}, "span inside a word", 1),
        (
            {"text": "Bo Li ran", "label": [[0, 5, "PER"], [3, 5, "PER"]]},
            "overlapping spans",
            4,
        ),
        ({"text": "Bo", "tokens": [{"start": 0}], "spans": []}, "broken record", 1),
    ],
)
def test_faults_that_leave_a_record_out(
    tmp_path: Path, record: Any, kind: str, column: int
) -> None:
    found = examine(tmp_path, {"text": "Fine ."}, record, {"text": "Fine too ."})
    assert [(f.kind, f.line, f.column) for f in found.faults] == [(kind, 2, column)]
    assert len(found.sentences) == 2
    (tmp_path / "mended.jsonl").write_text("".join(repaired(found)))
    again = diagnose(tmp_path / "mended.jsonl")
    assert not again.faults
    assert len(again.sentences) == 2
    with pytest.raises(WordlabError, match=f"file.jsonl:2:{column}: .*the only fault"):
        read_labelled([tmp_path / "file.jsonl"])


def test_a_space_in_a_span_is_moved_out(tmp_path: Path) -> None:
    spans = [
        {"start": 0, "end": 5, "label": "PER", "score": 1},
        {"start": 8, "end": 13, "label": "LOC"},
    ]
    found = examine(tmp_path, {"text": "Mara in Turin .", "spans": spans})
    assert [f.kind for f in found.faults] == ["space in a span"]
    mended = json.loads("".join(repaired(found)))
    assert mended["spans"][0] == {"start": 0, "end": 4, "label": "PER", "score": 1}
    assert mended["spans"][1] == spans[1]


def test_rejected_examples_are_worth_a_look(tmp_path: Path) -> None:
    found = examine(tmp_path, {"text": "Fine .", "spans": [], "answer": "reject"})
    assert not found.faults
    assert [(f.kind, f.line) for f in found.doubts] == [("rejected example", 1)]


@pytest.mark.parametrize("text", [TEXT, "Mara left Turin . Acme hired Bo .", " Bo  Bo\tBo ", "Bo"])
def test_entities_stand_where_their_words_do(text: str) -> None:
    words = TOKENIZERS["words"](text)
    offsets = word_offsets(text, "words")
    spans = [Span(at, at + 1, "PER") for at in range(len(words))]
    longest = [Span(0, len(words), "PER")]
    assert bounds_of(text, words, []) == []
    assert bounds_of(text, words, spans) == offsets
    assert bounds_of(text, words, longest) == [(offsets[0][0], offsets[-1][1])]
    for word, (first, last) in zip(words, bounds_of(text, words, spans), strict=True):
        assert text[first:last] == word
