"""Conversions: there and back without loss, or refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordlab.corpus.labelled.doctor import diagnose, read_labelled
from wordlab.corpus.labelled.records import SHAPES
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.writing import WRITERS, WritingOptions
from wordlab.errors import WordlabError
from wordlab.samples import entities


def written(
    path: Path, sentences: Sequence[LabelledSentence], to: str, **options: Any
) -> list[LabelledSentence]:
    """Write sentences and read them again."""
    path.write_text("".join(WRITERS[to](sentences, WritingOptions(**options))))
    return read_labelled([path])


def alike(left: Sequence[LabelledSentence], right: Sequence[LabelledSentence]) -> bool:
    return [(s.words, s.spans) for s in left] == [(s.words, s.spans) for s in right]


@pytest.fixture
def sample(tmp_path: Path) -> list[LabelledSentence]:
    (tmp_path / "sample.iob2").write_text(entities())
    return read_labelled([tmp_path / "sample.iob2"])


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "bare"])
def test_the_sample_through_each_scheme(
    tmp_path: Path, sample: list[LabelledSentence], scheme: str
) -> None:
    again = written(tmp_path / "x", sample, "columns", scheme=scheme)
    assert alike(again, sample)
    assert [s.document for s in again] == [s.document for s in sample]
    assert [s.source.comments for s in again] == [s.source.comments for s in sample]


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_sample_through_json_lines(
    tmp_path: Path, sample: list[LabelledSentence], shape: str
) -> None:
    with pytest.raises(WordlabError, match=r"has comments that .* cannot hold; .*--drop comments"):
        written(tmp_path / "x", sample, shape)
    again = written(tmp_path / "x", sample, shape, drop=frozenset({"comments"}))
    assert alike(again, sample)


def test_bare_labels_cannot_tell_touching_entities_apart(tmp_path: Path) -> None:
    sentence = LabelledSentence(("Bo", "Li"), (Span(0, 1, "PER"), Span(1, 2, "PER")), line=7)
    with pytest.raises(WordlabError, match="line 7: entities of one type touch"):
        written(tmp_path / "x", [sentence], "columns", scheme="bare")


def test_further_columns_are_kept_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("Bo NNP I-PER\nran VBD O\n\n")
    sentences = read_labelled([tmp_path / "a"])
    again = written(tmp_path / "b", sentences, "columns")
    assert (tmp_path / "b").read_text() == "Bo\tNNP\tB-PER\nran\tVBD\tO\n\n"
    assert again[0].source.columns == (("NNP",), ("VBD",))
    with pytest.raises(WordlabError, match="has columns that prodigy cannot hold"):
        written(tmp_path / "c", sentences, "prodigy")
    assert alike(written(tmp_path / "c", sentences, "prodigy", drop=frozenset({"columns"})), again)


def test_a_word_with_a_space_stays_in_json(tmp_path: Path) -> None:
    tokens = [{"start": 0, "end": 8}]
    record = {"text": "New York", "tokens": tokens, "label": [[0, 8, "LOC"]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    sentences = read_labelled([tmp_path / "a.jsonl"])
    with pytest.raises(WordlabError, match="'New York' of line 1 holds white space"):
        written(tmp_path / "b", sentences, "columns")


RECORDS: list[dict[str, Any]] = [
    {
        "id": 7,
        "text": "Mara left  Turin.\n\n Acme hired Bo.",
        "label": [[11, 16, "LOC"]],
        "Comments": [],
    },
    {"text": "U.S. troops", "label": []},
    {"text": "no entities here", "label": [], "meta": {"source": "é"}},
]


def test_records_through_columns_and_back(tmp_path: Path) -> None:
    """Texts keep their spacing, records their keys, and documents stay apart."""
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    sentences = read_labelled([tmp_path / "a.jsonl"])
    columns = written(tmp_path / "b.iob2", sentences, "columns", scheme="BIOES")
    assert alike(columns, sentences)
    back = "".join(WRITERS["doccano"](columns, WritingOptions()))
    assert [json.loads(line) for line in back.splitlines()] == RECORDS


def test_entities_that_say_more_keep_it_in_their_own_shape(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 2, "label": "PER", "source": "gazetteer"}]
    record = {"text": "Bo ran", "spans": spans, "_input_hash": 3}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    sentences = read_labelled([tmp_path / "a.jsonl"])
    columns = written(tmp_path / "b.iob2", sentences, "columns")
    back = json.loads("".join(WRITERS["prodigy"](columns, WritingOptions())))
    expected = {**spans[0], "token_start": 0, "token_end": 0}
    assert back == {**record, "spans": [expected]}
    with pytest.raises(WordlabError, match="has fields that doccano cannot hold"):
        "".join(WRITERS["doccano"](columns, WritingOptions()))


def test_labels_changed_in_columns_come_back_changed(tmp_path: Path) -> None:
    record = {"text": "Bo saw Li.", "label": [[0, 2, "PER"]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    written(tmp_path / "b.iob2", read_labelled([tmp_path / "a.jsonl"]), "columns")
    text = (tmp_path / "b.iob2").read_text().replace("Li\tO", "Li\tB-PER")
    (tmp_path / "b.iob2").write_text(text)
    changed = read_labelled([tmp_path / "b.iob2"])
    back = json.loads("".join(WRITERS["doccano"](changed, WritingOptions())))
    assert back == {"text": "Bo saw Li.", "label": [[0, 2, "PER"], [7, 9, "PER"]]}


@given(
    text=st.text(alphabet="ab. \n\u00e9\U0001f600'", min_size=1, max_size=40),
    shape=st.sampled_from(list(SHAPES)),
    data=st.data(),
)
def test_any_text_through_columns_and_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, shape: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "plain.jsonl").write_text(json.dumps({"text": text}) + "\n")
    found = diagnose(folder / "plain.jsonl")
    if found.faults:
        assert not text.split()
        return
    offsets = [pair for s in found.sentences for pair in s.source.offsets]
    first = data.draw(st.integers(0, len(offsets) - 1))
    last = data.draw(st.integers(first, len(offsets) - 1))
    record = {"text": text, "label": [[offsets[first][0], offsets[last][1], "X"]]}
    (folder / "a.jsonl").write_text(json.dumps(record))
    sentences = read_labelled([folder / "a.jsonl"])
    columns = written(folder / "b.iob2", sentences, "columns")
    assert alike(columns, sentences)
    again = written(folder / "c.jsonl", columns, shape)
    assert alike(again, sentences)
    back = "".join(WRITERS["doccano"](again, WritingOptions()))
    assert [json.loads(line) for line in back.splitlines()] == [record]
