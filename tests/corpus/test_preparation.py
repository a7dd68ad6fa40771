"""Vocabularies and stores: from training text only, in one pass, readable and checked."""

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from wordlab.corpus.preparation import encode, prepare
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Text, TextSettings, read_text, text_of
from wordlab.corpus.vocabulary import Vocabulary, VocabularySettings
from wordlab.errors import WordlabError

PLAIN = VocabularySettings()


def made(folder: Path, train: list[str], **settings: object) -> Vocabulary:
    return prepare(text_of(train), {}, VocabularySettings(**settings), folder).vocabulary


def test_the_vocabulary_is_of_training_text_only(tmp_path: Path) -> None:
    corpus = prepare(
        text_of(["a b a"]), {"validation": text_of(["a new word", "new"])}, PLAIN, tmp_path
    )
    assert corpus.vocabulary.words == ("<unk>", "<s>", "</s>", "a", "b")
    assert corpus.vocabulary.counts.tolist() == [0, 1, 1, 2, 1]
    validation = corpus.stores["validation"]
    assert validation.ids.tolist() == [3, 0, 0, 2, 0, 2]
    assert (validation.header.sentences, validation.header.unknown) == (2, 3)


def test_held_out_sentences_do_not_enter_the_vocabulary(tmp_path: Path) -> None:
    lines = [f"w{i} x" for i in range(200)]
    corpus = prepare(text_of(lines), {}, PLAIN, tmp_path, hold_out=0.2, seed=3)
    train, validation = corpus.stores["train"], corpus.stores["validation"]
    assert train.header.sentences + validation.header.sentences == 200
    assert 20 < validation.header.sentences < 60
    known = set(corpus.vocabulary.words)
    own = {f"w{i}" for i in range(200)} & known
    assert len(own) == train.header.sentences
    assert validation.header.unknown == validation.header.sentences


def test_size_min_count_and_ties(tmp_path: Path) -> None:
    text = ["late b a a b early"]
    assert made(tmp_path, text, size=6).words[3:] == ("b", "a", "late")
    assert made(tmp_path, text, min_count=2).words[3:] == ("b", "a")
    assert len(made(tmp_path, text, size=100)) == 7


def test_a_vocabulary_larger_than_the_text_is_noted(tmp_path: Path) -> None:
    settings = VocabularySettings(size=100)
    corpus = prepare(text_of(["a b"]), {}, settings, tmp_path)
    assert "there are only 5 words" in corpus.notes(settings)[0]


def test_words_spelled_like_markers_are_unknown_and_noted(tmp_path: Path) -> None:
    corpus = prepare(text_of(["a </s> b <unk>"]), {}, PLAIN, tmp_path)
    assert corpus.stores["train"].ids.tolist() == [3, 0, 4, 0, 2]
    assert "1 words of the training text" in corpus.notes(PLAIN)[0]
    assert corpus.vocabulary.counts[0] == 2


def test_it_saves_readable_and_loads_the_same(tmp_path: Path) -> None:
    vocabulary = made(tmp_path, ["the cat the dog"])
    vocabulary.save(tmp_path / "v.tsv")
    assert (tmp_path / "v.tsv").read_text() == "<unk>\t0\n<s>\t1\n</s>\t1\nthe\t2\ncat\t1\ndog\t1\n"
    again = Vocabulary.load(tmp_path / "v.tsv", PLAIN)
    assert again == vocabulary
    assert again.hash == vocabulary.hash
    assert again.counts.tolist() == vocabulary.counts.tolist()
    assert made(tmp_path, ["the dog the cat"]).hash != vocabulary.hash


def test_words_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat\ndog\n")
    settings = VocabularySettings(file=str(path))
    corpus = prepare(text_of(["the cat saw the cat"]), {}, settings, tmp_path)
    assert corpus.vocabulary.words == ("<unk>", "<s>", "</s>", "cat", "dog")
    assert corpus.vocabulary.counts.tolist() == [3, 1, 1, 2, 0]


def test_words_and_counts_from_a_file_that_has_markers(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text(", 50 0.5\nUUUNKKK 9 0.1\n<s> 9 0.1\n</s> 9 0.1\ncat 20 0.2\nrare 3 0.1\n")
    settings = VocabularySettings(file=str(path), size=5, unknown="UUUNKKK")
    vocabulary, counted = Vocabulary.from_file(str(path), settings)
    assert counted
    assert vocabulary.words == (",", "UUUNKKK", "<s>", "</s>", "cat")
    assert (vocabulary.unknown, vocabulary.start, vocabulary.end) == (1, 2, 3)
    assert vocabulary.counts.tolist() == [50, 3, 9, 9, 20]


def test_the_unknown_share_of_cs224d(data: Path) -> None:
    path = str(data / "cs224d" / "lm" / "vocab.ptb.txt")
    settings = VocabularySettings(file=path, size=2000, unknown="UUUNKKK")
    vocabulary, _ = Vocabulary.from_file(path, settings)
    assert len(vocabulary) == 2000
    assert vocabulary.unknown_share == pytest.approx(0.15996783, abs=5e-9)


def test_rows_that_are_left_out_count_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("a 10\nb 5\nc 1\nd 1\n<unk> 7\n<s> 3\n</s> 3\n")
    for settings in ({"min_count": 2}, {"size": 5}):
        checked = VocabularySettings.model_validate({"file": str(path), **settings})
        vocabulary, _ = Vocabulary.from_file(str(path), checked)
        assert vocabulary.words == ("a", "b", "<unk>", "<s>", "</s>")
        assert vocabulary.counts.tolist() == [10, 5, 2, 3, 3]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("a\na\n", "'a' stands in it twice"),
        ("", "no word in it"),
        ("a x\n", ":1:3: 'x' is not a count"),
    ],
)
def test_a_bad_word_list_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(content)
    with pytest.raises(WordlabError, match=fault):
        Vocabulary.from_file(str(path), VocabularySettings(file=str(path)))


def test_the_cs224d_form_keeps_known_figures(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("1987\nDGDG\nthe\n")
    settings = VocabularySettings(file=str(path))
    text = Text((), TextSettings(form="cs224d"), ("The 1987 1988 1,9 Zzz",))
    corpus = prepare(text, {"same": text}, settings, tmp_path)
    words = corpus.vocabulary.decode(corpus.stores["train"].ids.tolist())
    assert words == ["the", "1987", "<unk>", "DGDG", "<unk>", "</s>"]
    assert corpus.stores["same"].ids.tolist() == corpus.stores["train"].ids.tolist()


def test_forms_apply_to_what_is_scored(tmp_path: Path) -> None:
    text = Text((), TextSettings(form="lower"), ("The THE cat",))
    corpus = prepare(text, {}, PLAIN, tmp_path)
    assert corpus.vocabulary.words[3:] == ("the", "cat")
    assert list(encode(text, corpus.vocabulary)) == [[3, 3, 4]]


def test_standard_input_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BufferedReader(io.BytesIO(b"a b\nb c\n"))  # type: ignore[arg-type]

    monkeypatch.setattr("sys.stdin", Input())
    corpus = prepare(read_text("-"), {}, PLAIN, tmp_path)
    assert corpus.stores["train"].ids.tolist() == [4, 3, 2, 3, 5, 2]


def test_a_store_is_checked_when_it_is_opened(tmp_path: Path) -> None:
    corpus = prepare(text_of(["a b c"]), {}, PLAIN, tmp_path)
    path = tmp_path / "train"
    other = made(tmp_path / "other", ["x"])
    with pytest.raises(WordlabError, match="belongs to vocabulary"):
        TokenStore.open(path, other)
    path.with_suffix(".ids").write_bytes(b"\0")
    with pytest.raises(WordlabError, match="holds 1 bytes where its header promises 8"):
        TokenStore.open(path, corpus.vocabulary)
    path.with_suffix(".json").write_text(json.dumps({"tokens": 1}))
    with pytest.raises(WordlabError, match="is no token store"):
        TokenStore.open(path, corpus.vocabulary)


def test_nothing_is_left_behind_when_it_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"fine\n\xff\n")
    with pytest.raises(WordlabError):
        prepare(read_text(bad), {}, PLAIN, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    draw = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(500)])

    def peak(lines: int) -> int:
        with path.open("w") as stream:
            for _ in range(lines // 1000):
                picked = words[draw.integers(500, size=(1000, 20))]
                stream.writelines(" ".join(row) + "\n" for row in picked)
        tracemalloc.start()
        prepare(read_text(path), {}, PLAIN, tmp_path / "out")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(150_000) < 1.3 * peak(60_000)
