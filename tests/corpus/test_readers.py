"""Bytes to lines, and the faults in them."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from wordlab.corpus.readers import PIECE_BYTES, read_pieces
from wordlab.corpus.text import read_text, text_of
from wordlab.errors import WordlabError


def lines(path: Path) -> list[tuple[int, str, bool]]:
    return list(read_pieces(path))


def test_lines_come_whole_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\ntw\xc3\xb6")
    assert lines(path) == [(1, "one\r\n", True), (2, "\n", True), (3, "tw\u00f6", True)]


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert [text for _, text, _ in lines(path)] == ["one\n", "two\n"]


def test_a_long_line_comes_in_pieces_that_cut_no_word(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    words = ["w\u00f6rd"] * (PIECE_BYTES // 4)
    path.write_text("first\n" + " ".join(words) + "\nlast\n")
    found = lines(path)
    assert len(found) > 3
    assert [line for line, _, _ in found] == [1, *[2] * (len(found) - 2), 3]
    assert [whole for _, _, whole in found] == [True, *[False] * (len(found) - 2), True]
    assert " ".join(text for line, text, _ in found if line == 2).split() == words


def test_a_long_word_stays_one_word(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x" * (2 * PIECE_BYTES + 5))
    assert [(line, len(text), whole) for line, text, whole in lines(path)] == [
        (1, 2 * PIECE_BYTES + 5, False)
    ]


def test_a_file_without_white_space_is_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("fine\n" + "x" * (20 * PIECE_BYTES))
    with pytest.raises(WordlabError, match=":2:1: there is no white space in 4 MiB"):
        lines(path)


def test_gzip_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    packed = gzip.compress(b"one\ntwo\n")
    with subprocess.Popen(["bash", "-c", f'cat > "{path}"'], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(packed)
        writer.stdin.close()
        assert [text for _, text, _ in lines(path)] == ["one\n", "two\n"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"ab\ncd \xff e\n", ":2:4: byte 0xff"),
        (b"\xc3", ":1:1: byte 0xc3"),
        (b"\xff\xfea\0", ":1:1: is UTF-16"),
    ],
)
def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(WordlabError) as caught:
        lines(path)
    assert str(caught.value).startswith(str(path) + place)


def test_a_bad_byte_far_into_a_long_line_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ok\n" + b"word " * PIECE_BYTES + b"\x80")
    with pytest.raises(WordlabError, match=f":2:{5 * PIECE_BYTES + 1}: byte 0x80"):
        lines(path)


def test_broken_gzip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"some words here\n" * 1000)[:-20])
    with pytest.raises(WordlabError, match="gzip data are broken"):
        lines(path)


def test_missing_files_and_folders_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="no such file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(WordlabError, match="is a folder"):
        read_text(tmp_path)


def test_a_text_without_a_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in ("", "\n \n\t\n"):
        path.write_text(content)
        with pytest.raises(WordlabError, match="no word in it"):
            list(read_text(path).sentences())


def test_several_files_are_one_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "b").write_text("two three")
    text = read_text([tmp_path / "a", tmp_path / "b"])
    assert [s.words for s in text.sentences()] == [["one"], ["two", "three"]]


def test_running_text_breaks_at_ends_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('He left. "Why?" she said.\nA title\n\nIt was\n3.5 km away! (Far.) So')
    text = read_text(path, layout="running", tokens="words")
    assert [" ".join(s.words) for s in text.sentences()] == [
        "He left .",
        '" Why ? "',
        "she said .",
        "A title",
        "It was 3.5 km away !",
        "( Far . )",
        "So",
    ]
    assert [s.line for s in text.sentences()] == [1, 1, 1, 2, 4, 5, 5]


def test_text_in_memory() -> None:
    assert [s.line for s in text_of(["a b", "", "c"]).sentences()] == [1, 3]
