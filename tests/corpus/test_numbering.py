"""Words to numbers: as if one by one, whatever the pieces and the processes."""

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wordlab.corpus import numbering, pieces, preparation, readers, spellings
from wordlab.corpus.preparation import PIECES, PreparedCorpus, prepare
from wordlab.corpus.readers import Stretch, read_blocks
from wordlab.corpus.spellings import SPACES, Spellings
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import TOKENIZERS, Text, TextSettings, read_text
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.errors import WordlabError

PLAIN = VocabularySettings()

LETTERS = ["a", "b", "é", "ж", "語", "\U0001f600", "\x00", "\x7f", "\x01", "\u200b", "'"]


def one_by_one(lines: list[str], *, blank: bool) -> list[int]:
    """What the numbers should be."""
    index: dict[str, int] = {}
    numbers = []
    for line in lines:
        words = line.split()
        if words or blank:
            numbers += [index.setdefault(word, len(index) + 1) for word in words] + [0]
    return numbers


def drawn_lines(seed: int, spaces: str, letters: list[str], count: int = 400) -> list[str]:
    """Lines of words of 1 to 30 letters, some of them blank."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(letters, k=draw.randint(1, 30))) for _ in range(300)]
    ends = [c for c in spaces if c != "\n"]
    return [
        "".join(
            draw.choice(words) + "".join(draw.choices(ends, k=draw.randint(1, 3)))
            for _ in range(draw.choice([0, 0, 1, 5, 20]))
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize(
    ("spaces", "letters"),
    [
        (" ", LETTERS[:6]),
        (" \t\r\x0b\x1c", LETTERS[:2]),
        (" ", LETTERS),
        (" \x85\xa0", LETTERS[:6]),
        (" \u1680\u2009\u205f\u3000", LETTERS[:6]),
        (SPACES, LETTERS),
    ],
)
def test_blocks_are_numbered_as_words_are_one_by_one(
    spaces: str, letters: list[str], blank: bool
) -> None:
    lines = drawn_lines(1, spaces, letters)
    numbers = Spellings()
    found = []
    for first in range(0, len(lines), 40):
        block = "\n".join(lines[first : first + 40]) + "\n"
        found += numbers.of_lines(block.encode(), blank=blank).tolist()
    assert found == one_by_one(lines, blank=blank)
    assert len(set(numbers.words)) == len(numbers.words) == max(found)


def test_a_place_taken_by_another_word_misleads_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spellings, "_SLOT_BITS", 3)
    begins = ("12345678", "1234567890123456", "12345678901234567")
    alike = [" ".join(begin + end for begin in begins) for end in ("", "x", "y", "x")]
    lines = [*alike, *drawn_lines(2, " ", LETTERS[:6]), *alike]
    numbers = Spellings()
    found = [n for line in lines for n in numbers.of_lines(line.encode(), blank=False).tolist()]
    assert found == one_by_one(lines, blank=False)


def test_white_space_is_all_that_parts_words() -> None:
    assert "".join(sorted(SPACES)) == "".join(c for c in map(chr, range(0x110000)) if c.isspace())


FAULTY = {
    "a wrong byte": b"ab\ncd \xff e\n",
    "cut within a letter": b"fine\n" * 50 + b"\xc3",
    "another encoding": b"\xff\xfea\0",
    "a second mark of order": b"\xef\xbb\xbfone\n\xef\xbb\xbf\x80",
    "a long line": b"x y\n" * 9 + b"long " * 60 + b"\nmore\n",
    "a long line, a wrong byte": b"x y\n" * 9 + b"long " * 60 + b"\x80",
    "a long word": b"x" * 600 + b"\nmore\n",
    "a word over a piece's end": b"x" * 255 + b"\n" + b"x" * 256,
    "gzip, cut": gzip.compress(b"some words here\n" * 1000, mtime=0)[:-20],
    "gzip, a wrong byte": gzip.compress(b"some words here\n" * 90 + b"bad \xff\n", mtime=0),
}


@pytest.mark.parametrize("content", FAULTY.values(), ids=FAULTY)
def test_faults_are_those_of_lines_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(readers, "PIECE_BYTES", 256)
    monkeypatch.setattr(readers, "LONGEST_WORD", 512)
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(WordlabError) as expected:
        list(read_text(path).sentences())
    for size in (7, 64, 256):
        monkeypatch.setattr(readers, "BLOCK_BYTES", size)
        with pytest.raises(WordlabError) as found:
            list(read_blocks(Stretch(str(path))))
        assert str(found.value) == str(expected.value)


def test_blocks_hold_all_lines_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n" + "zwö\nlast".encode())
    for size in (1, 5, 100):
        monkeypatch.setattr(readers, "BLOCK_BYTES", size)
        blocks = list(read_blocks(Stretch(str(path))))
        assert b"".join(blocks) == "one\r\n\nzwö\nlast".encode()
        assert all(block.endswith(b"\n") for block in blocks[:-1])


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A large file in pieces of some lines, a gzip file and a small one."""
    monkeypatch.setattr(pieces, "STRETCH_BYTES", 3000)
    monkeypatch.setattr(numbering, "BYTES_WORTH_A_PROCESS", 1)
    paths = [tmp_path / name for name in ("large.txt", "packed.gz", "small.txt")]
    paths[0].write_text("\n".join(drawn_lines(3, " ", LETTERS[:6])), encoding="utf-8")
    packed = "\n".join(drawn_lines(4, SPACES, LETTERS[:6]))
    paths[1].write_bytes(gzip.compress(packed.encode()))
    paths[2].write_text("a b\n\nno end")
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def prepared(texts: list[Path], folder: Path, jobs: int = 1, **settings: str) -> PreparedCorpus:
    text = read_text(texts).with_settings(TextSettings.model_validate(settings))
    others = {"other": text.with_settings(TextSettings())}
    return prepare(text, others, PLAIN, folder, hold_out=0.2, seed=5, jobs=jobs)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"form": "cs224d"},
        {"layout": "every-line", "tokens": "words"},
        {"layout": "running", "form": "lower"},
    ],
)
def test_pieces_and_processes_change_nothing(
    texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    several = prepared(texts, tmp_path / "several", jobs=2, **settings)
    monkeypatch.setattr(pieces, "STRETCH_BYTES", 1 << 26)
    one = prepared(texts, tmp_path / "one", **settings)
    assert contents(tmp_path / "several") == contents(tmp_path / "one")
    assert several.vocabulary.words == one.vocabulary.words
    assert several.vocabulary.counts.tolist() == one.vocabulary.counts.tolist()
    assert several.types == one.types


def test_what_is_held_out_is_drawn_sentence_by_sentence(texts: list[Path], tmp_path: Path) -> None:
    corpus = prepared(texts, tmp_path / "out")
    draw = np.random.default_rng(5)
    kept: list[str] = []
    held_out: list[str] = []
    for sentence in read_text(texts).sentences():
        (held_out if draw.random() < 0.2 else kept).extend([*sentence.words, "</s>"])
    decode = corpus.vocabulary.decode
    assert decode(corpus.stores["train"].ids.tolist()) == kept
    known = set(corpus.vocabulary.words)
    assert decode(corpus.stores["validation"].ids.tolist()) == [
        word if word in known else "<unk>" for word in held_out
    ]
    # As many of each word as there are, first seen first where as many.
    own = [word for word in kept if word != "</s>"]
    order = sorted(dict.fromkeys(own), key=own.count, reverse=True)
    assert list(corpus.vocabulary.words[3:]) == order


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_fault_is_told_with_its_place(
    texts: list[Path], tmp_path: Path, jobs: int
) -> None:
    content = texts[0].read_bytes()
    half = content.rindex(b"\n", 0, len(content) // 2) + 1
    texts[0].write_bytes(content[:half] + b"ab \xff\n" + content[half:] + b"\n\xff")
    line = content[:half].count(b"\n") + 1
    with pytest.raises(WordlabError, match=rf"large.txt:{line}:4: byte 0xff is not UTF-8"):
        prepared(texts, tmp_path / "out", jobs)
    assert list((tmp_path / "out").iterdir()) == []


def test_parts_of_ones_own_are_kept_to_this_process(texts: list[Path], tmp_path: Path) -> None:
    name = "by-commas"
    if name not in TOKENIZERS:
        TOKENIZERS.register(name)(lambda line: line.strip().split(","))
    texts[2].write_text("a b,c\n")
    corpus = prepare(Text((str(texts[2]),) * 2, TextSettings(tokens=name)), {}, PLAIN,
                     tmp_path / "out", jobs=2)  # fmt: skip
    assert corpus.vocabulary.words[3:] == ("a b", "c")


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_pieces_that_are_done_are_not_done_again(
    texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Stretch] = []
    write = pieces.write_piece

    def counted(stretch: Stretch, *rest: object) -> None:
        if len(done) == 3:
            stopped()
        done.append(stretch)
        write(stretch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(numbering, "write_piece", counted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            prepared(texts, tmp_path / "out")
    assert len(done) == 3
    monkeypatch.setattr(numbering, "write_piece", lambda *a: (done.append(a[0]), write(*a)))
    prepared(texts, tmp_path / "out")
    assert len(done) == len(set(done)) > 5
    monkeypatch.setattr(numbering, "write_piece", write)
    prepared(texts, tmp_path / "new")
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_a_text_that_has_changed_is_read_anew(
    texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "write_store", stopped)
        with pytest.raises(KeyboardInterrupt):
            prepared(texts, tmp_path / "out")
    assert list((tmp_path / "out" / PIECES).iterdir())
    texts[2].write_text("other words, now\n")
    corpus = prepared(texts, tmp_path / "out")
    assert "now" in corpus.vocabulary.words
    assert not (tmp_path / "out" / PIECES).exists()


def test_there_is_no_header_beside_ids_that_are_not_its_own(
    texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prepared(texts, tmp_path / "out")
    replace = os.replace

    def until_the_header(source: Path, target: Path) -> None:
        if Path(target).suffix == ".json":
            stopped()
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", until_the_header)
        with pytest.raises(KeyboardInterrupt):
            prepared(texts, tmp_path / "out", form="lower")
    with pytest.raises(WordlabError):
        TokenStore.open(tmp_path / "out" / "train", corpus.vocabulary)


def later(seconds: float) -> Callable[["subprocess.Popen[bytes]"], None]:
    def kill(process: "subprocess.Popen[bytes]") -> None:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()

    return kill


def test_killed_at_any_moment_it_goes_on(texts: list[Path], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from wordlab.corpus import numbering, pieces\n"
        "from wordlab.corpus.preparation import prepare\n"
        "from wordlab.corpus.text import read_text\n"
        "from wordlab.corpus.vocabulary import VocabularySettings\n"
        "pieces.STRETCH_BYTES, numbering.BYTES_WORTH_A_PROCESS = 3000, 1\n"
        "print('ready', flush=True)\n"
        "prepare(read_text(sys.argv[2:]), {}, VocabularySettings(), Path(sys.argv[1]), jobs=2)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "out"), *map(str, texts)]
    for seconds in (0.05, 0.3, 0.6):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            later(seconds)(process)
    for folder in ("out", "new"):
        prepare(read_text(texts), {}, PLAIN, tmp_path / folder)
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
