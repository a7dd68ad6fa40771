"""Bytes to lines: files, several files, gzip, standard input; faults at file:line:byte."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol, cast

from wordlab.errors import WordlabError

STANDARD_INPUT = "-"
PIECE_BYTES = 1 << 20
"""A longer line comes in pieces, cut at white space, so that memory stays flat."""

BLOCK_BYTES = 1 << 16
"""About so much comes at a time where lines come together: what is made of it fits into a cache."""

LONGEST_WORD = 4 << 20
"""Bytes without white space that are taken for a word at most."""

GZIP_MAGIC = b"\x1f\x8b"
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


def report_read(count: int) -> None:
    """Tell the observer, if there is one, that so many bytes more are read."""
    observer = _observer.get()
    if observer is not None:
        observer(count)


@dataclass(frozen=True)
class Stretch:
    """Lines of a file that are read by themselves.

    Attributes:
        path: the file, or "-" for standard input.
        begin: the byte at which the first line begins.
        end: the byte behind the last line; None for the end of the file.
    """

    path: str
    begin: int = 0
    end: int | None = None

    @property
    def size(self) -> int:
        """Its bytes; 0 where that cannot be known before it is read."""
        if not Path(self.path).is_file():
            return 0
        end = Path(self.path).stat().st_size if self.end is None else self.end
        return end - self.begin


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


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
    if stream.peek(2)[:2] != GZIP_MAGIC:
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
    name, stream = _name(path), open_bytes(path)
    try:
        yield from _pieces(stream, name, 1, _observer.get())
    finally:
        if str(path) != STANDARD_INPUT:
            stream.close()


def _name(path: str | Path) -> str:
    """What to call a file in a message."""
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def _pieces(
    stream: _Readable, name: str, line: int, observer: Callable[[int], None] | None = None
) -> Iterator[tuple[int, str, bool]]:
    """Yield what `read_pieces` does, from lines of which the first has the number `line`."""
    offset, rest, pieces = 0, b"", 0
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
        raise _broken(error, name, line) from None
    except OSError as error:
        raise WordlabError(_reason(error), where=name) from None


def _broken(error: Exception, name: str, line: int) -> WordlabError:
    return WordlabError(
        f"the gzip data are broken: {error}", where=f"{name}:{line}", mend="fetch it again"
    )


def line_too_long(path: str | Path, line: int) -> WordlabError:
    """The fault of a line that is longer than PIECE_BYTES where lines are sentences."""
    return WordlabError(
        f"the line is longer than {PIECE_BYTES >> 20} MiB, too long for a sentence",
        where=f"{path}:{line}:1",
        mend="put one sentence on each line, or read it as running text (layout running)",
    )


def read_blocks(stretch: Stretch) -> Iterator[bytes]:
    """Yield the lines of a UTF-8 text as bytes, some whole lines together.

    Raises:
        WordlabError: as `read_pieces` does, and where a line is longer than PIECE_BYTES: the same
            fault at the same place as if lines were read one by one.
    """
    stream = open_bytes(stretch.path)
    try:
        if stretch.begin:
            stream.seek(stretch.begin)
        yield from _blocks(stream, stretch)
    finally:
        if stretch.path != STANDARD_INPUT:
            stream.close()


def _blocks(stream: BinaryIO, stretch: Stretch) -> Iterator[bytes]:
    name, buffered = _name(stretch.path), cast(io.BufferedReader, stream)
    left = sys.maxsize if stretch.end is None else stretch.end - stretch.begin
    rest, lines, first = b"", 0, stretch.begin == 0
    while True:
        try:
            read = buffered.read1(min(BLOCK_BYTES, left))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _broken(error, name, 1 + _lines_before(stretch) + lines) from None
        except OSError as error:
            raise WordlabError(_reason(error), where=name) from None
        report_read(len(read))
        left -= len(read)
        data = rest + read
        cut = data.rfind(b"\n") + 1 if read else len(data)
        block, rest = data[:cut], data[cut:]
        if _has_long_line(data) or not _is_utf8(block):
            _refuse(_Again(data, buffered), stretch, 1 + _lines_before(stretch) + lines)
        lines += block.count(b"\n")
        if block and first:
            block, first = block.removeprefix(_UTF8_BOM), False
        if block:
            yield block
        if not read:
            return


def _has_long_line(data: bytes) -> bool:
    """Whether the first line is longer than PIECE_BYTES; later ones came in one read and are not.

    A line of just so many bytes without an end is too long too: there may be more of it.
    """
    if len(data) < PIECE_BYTES:
        return False
    end = data.find(b"\n")
    return end < 0 or end >= PIECE_BYTES


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Again:
    """A stream with the bytes that were read of it last put back."""

    def __init__(self, data: bytes, stream: _Readable) -> None:
        self._data = io.BytesIO(data)
        self._stream = stream

    def readline(self, size: int, /) -> bytes:
        """Read up to the end of a line, `size` bytes at most."""
        line = self._data.readline(size)
        if len(line) < size and not line.endswith(b"\n"):
            line += self._stream.readline(size - len(line))
        return line


def _refuse(stream: _Readable, stretch: Stretch, line: int) -> NoReturn:
    """Raise the fault that is known to be in the lines that come, of which one is number `line`."""
    for number, _, whole in _pieces(stream, _name(stretch.path), line):
        if not whole:
            raise line_too_long(stretch.path, number)
    raise AssertionError("there is no fault in these lines")


def _lines_before(stretch: Stretch) -> int:
    """How many lines of the file stand before a stretch."""
    if not stretch.begin:
        return 0
    with open_bytes(stretch.path) as stream:
        reads = iter(lambda: stream.read(min(PIECE_BYTES, stretch.begin - stream.tell())), b"")
        return sum(read.count(b"\n") for read in reads)


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
