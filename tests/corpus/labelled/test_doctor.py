"""The doctor for labelled columns: each fault is found at its place, and mended for good."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wordlab.corpus.labelled.column_checks import LONG_SENTENCE
from wordlab.corpus.labelled.doctor import (
    Diagnosis,
    LabelledSettings,
    diagnose,
    read_labelled,
)
from wordlab.corpus.labelled.repair import changes, repaired
from wordlab.corpus.labelled.spans import Span
from wordlab.errors import WordlabError
from wordlab.samples import dirty_entities, entities

CLEAN = """\
Mara B-PER
Ellingsen I-PER
left O
Turin B-LOC
. O

Acme B-ORG
Corp I-ORG
hired O
Bo B-PER
. O

Bo B-PER
saw O
Oslo B-LOC
. O

"""


def examine(folder: Path, text: str, **settings: object) -> Diagnosis:
    path = folder / "file.conll"
    path.write_bytes(text.encode())
    return diagnose(path, LabelledSettings.model_validate(settings))


def after_repair(folder: Path, diagnosis: Diagnosis) -> tuple[str, Diagnosis]:
    mended = folder / "mended.conll"
    mended.write_text("".join(repaired(diagnosis)))
    return mended.read_text(), diagnose(mended)


def test_a_clean_file(tmp_path: Path) -> None:
    found = examine(tmp_path, CLEAN)
    assert (found.kind, found.scheme) == ("columns", "IOB2")
    assert not found.faults
    assert not found.doubts
    assert found.types() == {"PER": 3, "LOC": 2, "ORG": 1}
    first = found.sentences[0]
    assert first.words == ("Mara", "Ellingsen", "left", "Turin", ".")
    assert first.spans == (Span(0, 2, "PER"), Span(3, 4, "LOC"))
    assert first.text_of(first.spans[0]) == "Mara Ellingsen"
    assert [sentence.line for sentence in found.sentences] == [1, 7, 13]


FAULTS = {
    "a missing tag": ("left O", "left", "ragged row", (3, 1), None),
    "a column too many": ("left O", "left O O", "ragged row", (3, 8), None),
    "digit 0": ("left O", "left 0", "not the letter O", (3, 6), "left O"),
    "small o": ("left O", "left o", "not the letter O", (3, 6), "left O"),
    "a Cyrillic O": ("left O", "left \u041e", "not the letter O", (3, 6), "left O"),
    "swapped": ("Turin B-LOC", "Turin LOC-B", "swapped prefix", (4, 7), "Turin B-LOC"),
    "BIOES in IOB2": ("Turin B-LOC", "Turin S-LOC", "mixed schemes", (4, 7), "Turin B-LOC"),
    "BILOU in IOB2": ("Corp I-ORG", "Corp L-ORG", "mixed schemes", (8, 6), "Corp I-ORG"),
    "IOB1 in IOB2": ("Mara B-PER", "Mara I-PER", "illegal transition", (1, 6), "Mara B-PER"),
    "another type": ("Corp I-ORG", "Corp I-LOC", "illegal transition", (8, 6), "Corp B-LOC"),
    "small letters": ("Turin B-LOC", "Turin b-loc", "stray label", (4, 7), "Turin B-LOC"),
    "an underscore": ("Turin B-LOC", "Turin B_LOC", "stray label", (4, 7), "Turin B-LOC"),
    "a type alone": ("Turin B-LOC", "Turin LOC", "stray label", (4, 7), "Turin B-LOC"),
    "a type alone, going on": ("Corp I-ORG", "Corp ORG", "stray label", (8, 6), "Corp I-ORG"),
    "nonsense": ("Turin B-LOC", "Turin ???", "stray label", (4, 7), None),
    "a zero-width space": (
        "Turin B-LOC",
        "Tu\u200brin B-LOC",
        "unseen character",
        (4, 1),
        "Turin B-LOC",
    ),
}


@pytest.mark.parametrize(("was", "now", "kind", "place", "mended"), FAULTS.values(), ids=FAULTS)
def test_each_fault_and_its_mend(
    tmp_path: Path, was: str, now: str, kind: str, place: tuple[int, int], mended: str | None
) -> None:
    found = examine(tmp_path, CLEAN.replace(was, now, 1))
    assert [(fault.kind, fault.line, fault.column) for fault in found.faults] == [(kind, *place)]
    text, again = after_repair(tmp_path, found)
    assert not again.faults
    if mended is None:  # the sentence is left out, whole, and nothing else
        number = 0 if place[0] < 6 else 1
        sentences = CLEAN.split("\n\n")
        kept = [s for at, s in enumerate(sentences) if at != number]
        assert text.split() == "\n\n".join(kept).split()
        assert "left out" in changes(found)[0][1]
    else:
        assert text == CLEAN.replace(was, mended, 1)
        assert changes(found)[0][0] == place[0]


def test_a_rare_twist_of_a_frequent_type(tmp_path: Path) -> None:
    many = "".join(f"Town{n} B-LOC\nis O\nold O\n. O\n\n" for n in range(30))
    found = examine(tmp_path, many + "Here B-LCO\n. O\n\nThere B-EVENT\n. O\n\n")
    assert [(f.kind, f.mend) for f in found.faults] == [("stray label", "write 'B-LOC'")]
    assert ("rare type", 154) in [(f.kind, f.line) for f in found.doubts]


def test_lost_blank_lines(tmp_path: Path) -> None:
    sentence = "He O\nsaw O\nBo B-PER\n. O\n"
    joined = sentence * (LONG_SENTENCE // 4 + 1)
    found = examine(tmp_path, CLEAN + joined)
    assert [fault.kind for fault in found.faults] == ["sentence without end"]
    _, again = after_repair(tmp_path, found)
    assert not again.faults
    assert len(again.sentences) == 3 + LONG_SENTENCE // 4 + 1
    none_at_all = examine(tmp_path, sentence * 2)
    assert [fault.kind for fault in none_at_all.faults] == ["sentence without end"]
    assert len(after_repair(tmp_path, none_at_all)[1].sentences) == 2


def test_doubts_change_nothing(tmp_path: Path) -> None:
    extra = CLEAN[: CLEAN.index("Acme")] + "New B-LOC\nYork I-LOC\nis O\nbig O\n. O\n\n"
    extra += "New B-LOC\nYork B-LOC\nis O\nold O\n. O\n\n"
    found = examine(tmp_path, CLEAN + extra)
    assert not found.faults
    kinds = [(fault.kind, fault.line) for fault in found.doubts]
    assert kinds == [("duplicate sentence", 18), ("split entity", 31)]
    assert "".join(repaired(found)) == CLEAN + extra


def test_a_name_that_is_labelled_otherwise_once(tmp_path: Path) -> None:
    others = "".join(f"in O\nNew B-LOC\nYork I-LOC\nsince O\n{n} O\n\n" for n in range(6))
    found = examine(tmp_path, others + "near O\nNew O\nYork O\nsince O\nx O\n\n")
    assert [(f.kind, f.line) for f in found.doubts] == [("inconsistent name", 38)]
    assert "not labelled here and LOC in 6 other places" in found.doubts[0].what


@pytest.mark.parametrize(
    "text",
    [
        "-DOCSTART- -X- O O\n\nBo NNP I-NP I-PER\n. . O O\n\n"
        "-DOCSTART- -X- O O\n\nOslo NNP I-NP I-LOC\n",
        "# newdoc id = 1\n# text = Bo .\n1\tBo\tB-PER\t-\tann\n2\t.\tO\t-\tann\n\n"
        "# newdoc\n1\tOslo\tB-LOC\t-\tann\n",
        "--DOCSTART--\tO\nBo\tPER\n.\tO\n\n-docstart-\n\nOslo\tLOC\n",
        "\ufeffBo\tB-PER\r\n.\tO\r\n \t\r\n-DOCSTART-|x\r\nOslo\tB-LOC",
        "Bo | B-PER\n. | O\n\n-DOCSTART- | O\n\nOslo | B-LOC\n",
    ],
    ids=["CoNLL-2003", "UNER", "bare", "Windows", "bars"],
)
def test_shapes_of_columns(tmp_path: Path, text: str) -> None:
    found = examine(tmp_path, text)
    assert not found.faults
    assert [s.words for s in found.sentences] == [("Bo", "."), ("Oslo",)]
    assert [s.spans for s in found.sentences] == [(Span(0, 1, "PER"),), (Span(0, 1, "LOC"),)]
    assert [s.document for s in found.sentences] == [0, 1]


def test_columns_can_be_named(tmp_path: Path) -> None:
    text = "B-PER O Bo\nO O runs\n\n"
    found = examine(tmp_path, text, word_column=3, tag_column=1)
    assert found.sentences[0].words == ("Bo", "runs")
    assert found.sentences[0].spans == (Span(0, 1, "PER"),)
    with pytest.raises(WordlabError, match="there is no column 4 for the words; most rows have 3"):
        examine(tmp_path, text, word_column=4)


def test_a_hash_may_be_a_word(tmp_path: Path) -> None:
    found = examine(tmp_path, "# O\n1 O\nfan O\n\n#Oslo B-LOC\n! O\n")
    assert [s.words for s in found.sentences] == [("#", "1", "fan"), ("#Oslo", "!")]
    lost = examine(tmp_path, CLEAN + "#Oslo\n! O\n")
    assert [(f.kind, f.line) for f in lost.faults] == [("ragged row", 18)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no row with a word"),
        ("\n\n \n", "there is no row with a word"),
        ("just\nwords\n\nhere\n", "file.conll:1:1: most rows have one column"),
        ("word O\n" + "x" * 2_200_000 + " O\n", "file.conll:2:1: the line is longer than 1 MiB"),
    ],
)
def test_files_that_are_no_labelled_text(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WordlabError, match=message):
        examine(tmp_path, text)


@pytest.mark.parametrize("tag", ["O", "B-PER", "PER"])
def test_one_kind_of_tag_only(tmp_path: Path, tag: str) -> None:
    found = examine(tmp_path, f"Bo {tag}\nLi {tag}\n\n")
    assert not found.faults
    assert len(found.sentences) == 1
    assert sum(found.types().values()) == {"O": 0, "B-PER": 2, "PER": 1}[tag]


def test_an_entity_to_the_end_of_the_file(tmp_path: Path) -> None:
    found = examine(tmp_path, "in O\nNew B-LOC\nYork I-LOC")
    assert found.sentences[0].spans == (Span(1, 3, "LOC"),)


def test_a_long_sentence_is_read_whole(tmp_path: Path) -> None:
    found = examine(tmp_path, CLEAN + "word O\n" * 100_000)
    assert not found.faults
    assert len(found.sentences[-1].words) == 100_000


def test_reading_refuses_what_the_doctor_would_report(tmp_path: Path) -> None:
    (tmp_path / "good.conll").write_text(CLEAN)
    (tmp_path / "bad.conll").write_text(CLEAN.replace("left O", "left 0").replace("Bo B-PER", "Bo"))
    with pytest.raises(WordlabError) as raised:
        read_labelled([tmp_path / "good.conll", tmp_path / "bad.conll"])
    assert raised.value.where == f"{tmp_path / 'bad.conll'}:3:6"
    assert "the first of 3 faults" in str(raised.value)
    assert "wordlab check" in str(raised.value)


def test_unseen_characters_are_reported_but_do_not_keep_a_file_from_use(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(CLEAN.replace("left O", "le\u200bft O"))
    assert [fault.kind for fault in diagnose(tmp_path / "a.conll").faults] == ["unseen character"]
    assert "le\u200bft" in read_labelled([tmp_path / "a.conll"])[0].words


def test_documents_are_numbered_on(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("-DOCSTART- O\n\n" + CLEAN + "-DOCSTART- O\n\nBo B-PER\n")
    found = read_labelled([tmp_path / "a.conll", tmp_path / "a.conll"])
    assert [sentence.document for sentence in found] == [0, 0, 0, 1, 2, 2, 2, 3]


def test_the_dirty_sample(tmp_path: Path) -> None:
    text, planted = dirty_entities()
    found = examine(tmp_path, text)
    listed = {(f.kind, f.line) for f in (*found.faults, *found.doubts)}
    assert listed == {(fault.kind, fault.line) for fault in planted}
    assert len({fault.kind for fault in planted}) == 12
    _, again = after_repair(tmp_path, found)
    assert not again.faults


def test_the_sample_is_clean(tmp_path: Path) -> None:
    found = examine(tmp_path, entities())
    assert not found.faults
    assert not found.doubts
    assert found.scheme == "IOB2"
    assert set(found.types()) == {"PER", "LOC", "ORG", "MISC"}
    assert len({sentence.document for sentence in found.sentences}) == 66


@example(["\u200b\u200b O"])
@example(["0 0", "", *["0 0"] * 6, "0 0 0"])
@example(["0 P", "", *["0 P"] * 7, "P"])
@given(st.lists(st.text(alphabet="Ba0OILPER-_ \t\n\u200b#", max_size=12), max_size=30))
def test_whatever_is_in_a_file_its_repair_is_clean(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        found = examine(folder, CLEAN + "\n".join(lines))
    except WordlabError:
        return
    text, again = after_repair(folder, found)
    assert not again.faults, (text, again.faults)


@pytest.mark.parametrize(
    ("name", "scheme", "sentences", "entities"),
    [
        ("conll2003/eng.train", "IOB1", 14_041, 23_499),
        ("conll2003/eng.testa", "IOB1", 3_250, 5_942),
        ("wikigold/wikigold.conll.txt", "IOB1", 1_696, 3_558),
        ("wnut17/wnut17train.conll", "IOB2", 3_394, 1_975),
        ("cs224d/ner/dev", "bare", 3_250, 5_938),
    ],
)
def test_real_files(data: Path, name: str, scheme: str, sentences: int, entities: int) -> None:
    found = diagnose(data / name, doubts=False)
    assert found.scheme == scheme
    assert not found.faults
    assert len(found.sentences) == sentences
    assert sum(found.types().values()) == entities
