"""Bytes to lines: files, several files, gzip, standard input; faults at file:line:byte."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, cast

from wordlab.errors import WordlabError

STANDARD_INPUT = "-"
PIECE_BYTES = 1 << 20
"""A longer line comes in pieces, cut at white space, so that memory stays flat."""

LONGEST_WORD = 4 << 20
"""Bytes without white space that are taken for a word at most."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


_observer: ContextVar[Callable[[int], None] | None] = ContextVar("observer", default=None)


@contextmanager
def observed(observer: Callable[[int], None]) -> Iterator[None]:
    """Have `observer` told how many bytes are read, line by line, while the context lasts."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def open_bytes(path: str | Path) -> BinaryIO:
    """Open a file, a gzip file (told by its first bytes) or standard input ("-") for reading."""
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:
            raise WordlabError("there is no standard input", where="-")
        stream = cast(io.BufferedReader, sys.stdin.buffer)
    else:
        try:
            stream = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
        except OSError as error:
            raise WordlabError(_reason(error), where=str(path)) from None
    if stream.peek(2)[:2] != _GZIP_MAGIC:
        return stream
    unpacked: Any = gzip.GzipFile(fileobj=stream)
    unpacked.myfileobj = stream  # closing the one closes the other: a pipe can be opened only once
    return cast(BinaryIO, unpacked)


def _reason(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a text file"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return error.strerror or str(error)


def read_pieces(path: str | Path) -> Iterator[tuple[int, str, bool]]:
    """Yield (line number, text, whether this is the whole line) of a UTF-8 text.

    A line of up to PIECE_BYTES comes whole. Line numbers start at 1.

    Raises:
        WordlabError: at file:line:byte where the bytes are not UTF-8, or at the file where it
            cannot be read.
    """
    name = "standard input" if str(path) == STANDARD_INPUT else str(path)
    stream = open_bytes(path)
    line, offset, rest, pieces = 1, 0, b"", 0
    observer = _observer.get()
    try:
        while raw := stream.readline(PIECE_BYTES):
            if observer is not None:
                observer(len(raw))
            ends = raw.endswith(b"\n") or len(raw) < PIECE_BYTES
            if line == 1 and pieces == 0:
                raw = _without_byte_order_mark(raw, name)
            pieces += 1
            raw = rest + raw
            piece, rest = (raw, b"") if ends else _cut_at_space(raw)
            if len(rest) > LONGEST_WORD:
                raise WordlabError(
                    f"there is no white space in {LONGEST_WORD >> 20} MiB",
                    where=f"{name}:{line}:{offset + len(piece) + 1}",
                    mend="this is no text of words; is it the right file?",
                )
            if piece:
                yield line, _decode(piece, name, line, offset), ends and pieces == 1
            offset += len(piece)
            if ends:
                line, offset, pieces = line + 1, 0, 0
        if rest:
            yield line, _decode(rest, name, line, offset), False
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WordlabError(
            f"the gzip data are broken: {error}", where=f"{name}:{line}", mend="fetch it again"
        ) from None
    except OSError as error:
        raise WordlabError(_reason(error), where=name) from None
    finally:
        if str(path) != STANDARD_INPUT:
            stream.close()


def read_lines(path: str | Path, what: str, mend: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text without its end) of a UTF-8 text whose lines are short.

    Args:
        what, mend: what a line is, and what to do, for the refusal of a longer one.

    Raises:
        WordlabError: as `read_pieces` does, and where a line is longer than PIECE_BYTES.
    """
    for number, text, whole in read_pieces(path):
        if not whole:
            raise WordlabError(
                f"the line is longer than {PIECE_BYTES >> 20} MiB, too long for a {what}",
                where=f"{path}:{number}:1",
                mend=mend,
            )
        yield number, text.rstrip("\r\n")


def _without_byte_order_mark(raw: bytes, name: str) -> bytes:
    if raw[:2] in _UTF16_BOMS:
        raise WordlabError(
            "is UTF-16 text, not UTF-8",
            where=f"{name}:1:1",
            mend="convert it, for example with iconv -f UTF-16 -t UTF-8",
        )
    return raw.removeprefix(_UTF8_BOM)


def _cut_at_space(raw: bytes) -> tuple[bytes, bytes]:
    """Split after the last space, so that no word and no character is cut in two."""
    space = max(raw.rfind(b" "), raw.rfind(b"\t"))
    return (raw[: space + 1], raw[space + 1 :]) if space >= 0 else (b"", raw)


def _decode(raw: bytes, name: str, line: int, offset: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WordlabError(
            f"byte 0x{raw[error.start]:02x} is not UTF-8",
            where=f"{name}:{line}:{offset + error.start + 1}",
            mend="save the text as UTF-8, for example with iconv -f LATIN1 -t UTF-8",
        ) from None
