"""Words and tags in columns: lines to rows and blocks, and which column holds what (CoNLL)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.readers import read_lines
from wordlab.errors import WordlabError

_DOCUMENT = re.compile(r"[-=_|* ]*docstart\b", re.IGNORECASE)
_NEW_DOCUMENT = re.compile(r"#\s*newdoc\b", re.IGNORECASE)
_LIKE_A_TAG = re.compile(r"[Oo0]|[BIESLUM]-\S+")
_COMMENT = re.compile(r"#(\s|#|\s*\w+\s*=)")


class Row(NamedTuple):
    """A line with a word: its number, its fields, and the line itself."""

    line: int
    fields: tuple[str, ...]
    text: str

    @property
    def starts(self) -> tuple[int, ...]:
        """The column (from 1) where each field begins."""
        found, at = [], 0
        for field in self.fields:
            at = self.text.index(field, at)
            found.append(at + 1)
            at += len(field) + (not field)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of a sentence, and the comments before it."""

    rows: tuple[Row, ...]
    comments: tuple[str, ...]
    document: int

    @property
    def line(self) -> int:
        """Where the sentence begins."""
        return self.rows[0].line


@dataclass(frozen=True)
class Columns:
    """A file in columns.

    Attributes:
        blocks: its sentences.
        separator: a tab or a space, what stands between columns in most lines.
        width: columns of most rows.
        word, tag: which column holds the words, and which the tags, from 0.
        blank_lines: whether sentences are told apart at all.
    """

    path: str
    blocks: tuple[Block, ...]
    separator: str
    width: int
    word: int
    tag: int
    blank_lines: bool

    def tags(self, block: Block) -> list[str]:
        """The tags of a block, empty where a row has none."""
        return [row.fields[self.tag] if len(row.fields) > self.tag else "" for row in block.rows]

    def is_whole(self, block: Block) -> bool:
        """Whether each row has all columns and no more."""
        return all(len(row.fields) == self.width for row in block.rows)

    def words(self, block: Block) -> list[str]:
        """The words of a block."""
        return [row.fields[self.word] if len(row.fields) > self.word else "" for row in block.rows]

    def row(self, text: str) -> Row:
        """Split a line as the file's lines are."""
        return _row(0, text, self.separator)

    def others(self, block: Block) -> tuple[tuple[str, ...], ...]:
        """What the further columns hold, a tuple for each row."""
        return tuple(
            tuple(f for at, f in enumerate(row.fields) if at not in (self.word, self.tag))
            for row in block.rows
        )


def read_columns(
    path: str | Path, *, word_column: int | None = None, tag_column: int | None = None
) -> Columns:
    """Read a file in columns; rows may still be ragged and tags of any kind.

    Args:
        word_column, tag_column: from 1; None to find out. The tags are in the last column in
            which the tag O occurs; the words in the first, or the second where the first numbers
            the rows of each sentence.

    Raises:
        WordlabError: where the file cannot be read, or has no row.
    """
    lines = list(read_lines(path, "word", "put one word on each line, with its tag"))
    tabs = sum("\t" in text for _, text in lines if text.strip())
    filled = sum(bool(text.strip()) for _, text in lines)
    separator = "\t" if 2 * tabs > filled else " "
    tags = _tags_seen(lines, separator)
    blocks: list[Block] = []
    rows: list[Row] = []
    comments: list[str] = []
    document, blank = 0, False

    def close() -> None:
        nonlocal rows, comments
        if rows:
            blocks.append(Block(tuple(rows), tuple(comments), document))
            rows, comments = [], []

    for number, text in lines:
        if not text.strip():
            blank = blank or bool(rows)
            close()
        elif _DOCUMENT.match(text) or _NEW_DOCUMENT.match(text):
            close()
            document += bool(blocks) and blocks[-1].document == document
            comments.append(text)
        elif _COMMENT.match(text) and not _is_row(text, separator, tags):
            close()
            comments.append(text)
        else:
            rows.append(_row(number, text, separator))
    close()
    if not blocks:
        raise WordlabError("there is no row with a word", where=str(path))
    width = Counter(len(row.fields) for block in blocks for row in block.rows).most_common(1)[0][0]
    if width < 2:
        raise WordlabError(
            "most rows have one column, and words need a tag beside them",
            where=f"{path}:{blocks[0].line}:1",
            mend="give each row a word and its tag; text without tags goes to wordlab tag",
        )
    word = _column(path, word_column, width, "word")
    word = _word_column(blocks) if word is None else word
    tag = _column(path, tag_column, width, "tag")
    tag = _tag_column(blocks, width, word) if tag is None else tag
    return Columns(str(path), tuple(blocks), separator, width, word, tag, blank)


def _row(number: int, text: str, separator: str) -> Row:
    """Split a line; where a line has no tab in a file of tabs, white space splits it."""
    if separator == "\t" and "\t" in text:
        pieces = text.rstrip("\t ").split("\t")
        return Row(number, tuple(piece.strip() for piece in pieces), text)
    return Row(number, tuple(text.split()), text)


def _tags_seen(lines: Sequence[tuple[int, str]], separator: str) -> frozenset[str]:
    """The last fields of lines that are surely no comments."""
    found = set()
    for _, text in lines:
        fields = text.rsplit(separator if separator == "\t" else None, maxsplit=1)
        if len(fields) > 1 and text[:1] != "#":
            found.add(fields[-1].strip())
    return frozenset(found)


def _is_row(text: str, separator: str, tags: frozenset[str]) -> bool:
    """Whether a line that begins with # is a word and its tag, not a comment."""
    fields = _row(0, text, separator).fields
    if len(fields) < 2 or (separator == "\t" and "\t" not in text):
        return False
    return fields[-1] in tags or bool(_LIKE_A_TAG.fullmatch(fields[-1]))


def _column(path: str | Path, column: int | None, width: int, name: str) -> int | None:
    if column is None:
        return None
    if not 1 <= column <= width:
        raise WordlabError(
            f"there is no column {column} for the {name}s; most rows have {width}",
            where=str(path),
            mend=f"allowed: 1 to {width}",
        )
    return column - 1


def _word_column(blocks: Sequence[Block]) -> int:
    """The second column where the first numbers the words of each sentence, else the first."""
    numbered = all(
        len(row.fields) > 2 and row.fields[0] == str(number)
        for block in blocks
        for number, row in enumerate(block.rows, start=1)
    )
    return 1 if numbered else 0


def _tag_column(blocks: Sequence[Block], width: int, word: int) -> int:
    """The last column in which the tag O occurs, else the last one."""
    for column in range(width - 1, word, -1):
        rows = (row for block in blocks for row in block.rows if len(row.fields) > column)
        if any(row.fields[column] == OUTSIDE for row in rows):
            return column
    return width - 1
