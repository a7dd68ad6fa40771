"""Pieces of a text as numbers on disk: a file, or some lines of a large one.

A piece is numbered by itself, and its files are there only when they are whole. So pieces can be
shared out among processes, and whoever was stopped finds again what was done.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

import numpy as np

from wordlab.corpus.readers import GZIP_MAGIC, PIECE_BYTES, Stretch, read_blocks
from wordlab.corpus.spellings import Numbers, Spellings
from wordlab.corpus.text import LAYOUTS, TOKENIZERS, TextSettings
from wordlab.errors import WordlabError

STRETCH_BYTES = 1 << 26
"""Larger files are cut where lines are sentences."""

CHUNK_NUMBERS = 1 << 18
"""Numbers that are read at a time."""

_SENTENCES_AT_ONCE = 1 << 10

_LINES = {"lines": False, "every-line": True}
"""Layouts in which each line stands for itself: whether blank ones are sentences."""

_FORMAT = 1
"""Of the files; others are not taken for done."""


@dataclass(frozen=True)
class Piece:
    """The files of a numbered piece: its numbers, 4 bytes each, and its words, one a line.

    Attributes:
        path: of both files, without their endings.
    """

    path: Path

    @property
    def is_there(self) -> bool:
        """Whether the piece is whole: its words take their place last."""
        return self.path.with_suffix(".words").exists()

    @property
    def words(self) -> list[str]:
        """The different words, first seen first; number k is at place k - 1."""
        text = self.path.with_suffix(".words").read_bytes().decode()
        return text.split("\n") if text else []

    def numbers(self) -> Iterator[Numbers]:
        """Yield the numbers, some whole sentences together."""
        rest = np.empty(0, dtype="<u4")
        with self.path.with_suffix(".numbers").open("rb") as stream:
            while data := stream.read(4 * CHUNK_NUMBERS):
                numbers = np.concatenate([rest, np.frombuffer(data, dtype="<u4")])
                ends = np.flatnonzero(numbers == 0)
                cut = int(ends[-1]) + 1 if len(ends) else 0
                if cut:
                    yield numbers[:cut]
                rest = numbers[cut:]

    def write(self, numbers: Iterable[Numbers], spellings: Spellings) -> None:
        """Write both files.

        Args:
            spellings: what numbers the words, and knows them all in the end.

        Raises:
            WordlabError: where the disk is full or cannot be written.
        """
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                for some in numbers:
                    stream.write(some.astype("<u4", copy=False).tobytes())
            os.replace(part, self.path.with_suffix(".numbers"))
            part.write_bytes("\n".join(spellings.words).encode())
            os.replace(part, self.path.with_suffix(".words"))
        except OSError as error:
            what = error.strerror or str(error)
            raise WordlabError(what, where=str(self.path.parent.parent)) from None


def stretches_of(path: str, settings: TextSettings) -> list[Stretch]:
    """Cut a large plain file at ends of lines, where each line is a sentence."""
    if not is_kept(path) or settings.layout not in _LINES:
        return [Stretch(path)]
    cuts = [0]
    with Path(path).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            return [Stretch(path)]
        while size - cuts[-1] > STRETCH_BYTES:
            stream.seek(cuts[-1] + STRETCH_BYTES)
            if not stream.readline(PIECE_BYTES).endswith(b"\n") or stream.tell() == size:
                break  # this line is too long, or the last: whoever reads it will see
            cuts.append(stream.tell())
    ends = [*cuts[1:], None]
    return [Stretch(path, begin, end) for begin, end in zip(cuts, ends, strict=True)]


def is_kept(path: str) -> bool:
    """Whether a path is a file that can be read again, and by another process."""
    return Path(path).is_file()


def piece_of(stretch: Stretch, settings: TextSettings, folder: Path) -> Piece:
    """Where the numbers of a stretch belong; another file, or a changed one, has another place."""
    if not is_kept(stretch.path):
        return new_piece(folder)
    about = Path(stretch.path).stat()
    key = [_FORMAT, str(Path(stretch.path).resolve()), about.st_size, about.st_mtime_ns]
    key += [stretch.begin, stretch.end, settings.layout, settings.tokens]
    return Piece(folder / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24])


def new_piece(folder: Path) -> Piece:
    """A place for numbers that nobody will look for again."""
    return Piece(folder / f"once-{uuid4().hex}")


def write_piece(stretch: Stretch, settings: TextSettings, piece: Piece) -> None:
    """Number the words of a stretch.

    Raises:
        WordlabError: where it cannot be read, or the disk is full.
    """
    spellings = Spellings()
    piece.write(_numbers_of(stretch, settings, spellings), spellings)


def _numbers_of(
    stretch: Stretch, settings: TextSettings, spellings: Spellings
) -> Iterator[Numbers]:
    tokenize = TOKENIZERS[settings.tokens]
    if settings.layout not in _LINES:
        sentences = LAYOUTS[settings.layout](stretch.path, tokenize)
        yield from numbers_of(spellings, (sentence.words for sentence in sentences))
        return
    blank = _LINES[settings.layout]
    for block in read_blocks(stretch):
        if settings.tokens == "spaces":
            yield spellings.of_lines(block, blank=blank)
        else:
            lines = map(tokenize, io.StringIO(block.decode(), newline="\n"))
            yield spellings.of_sentences(words for words in lines if words or blank)


def numbers_of(spellings: Spellings, sentences: Iterable[list[str]]) -> Iterator[Numbers]:
    """Number sentences that are split into words already, some at a time."""
    sentences = iter(sentences)
    while len(numbers := spellings.of_sentences(islice(sentences, _SENTENCES_AT_ONCE))):
        yield numbers
