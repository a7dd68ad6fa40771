"""Words to numbers in the order of first sight, a block of lines at a time.

What takes the time is to find each word again among those seen before. Nearly all words of a text
are short and have been seen: so the words of a block are looked up all together in a table, as
numbers of 8 bytes each, and only what is not found there goes through a dictionary, one by one.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint32]
"""Words by number, from 1; 0 ends a sentence."""

END = "\n"
"""Stands for the end of a sentence among the numbered words; no word holds a line break."""

_SLOT_BITS = 17
"""The table has 2 to the power of this many places: it fits into a core's own cache."""

_HALF, _WIDTH = 8, 16
"""Bytes of a word that are looked at together, and bytes of the longest word in the table."""

_FIRST_BYTES = np.array([(1 << 8 * size) - 1 for size in range(_HALF + 1)], dtype=np.uint64)
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)

SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
SPACES += "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What parts words (`str.split`)."""

_ASCII_SPACES = np.array([ord(space) for space in SPACES if space < "\x80"], dtype=np.uint8)
_WIDE_SPACES = np.array(
    [int.from_bytes(space.encode().ljust(3, b"\0"), "big") for space in SPACES if space >= "\x80"]
)


class Spellings:
    """Numbers words by first sight."""

    def __init__(self) -> None:
        self._numbers = _Index({END: 0})
        size = 1 << _SLOT_BITS
        self._heads, self._tails = np.zeros((2, size), dtype=np.uint64)
        self._known = np.zeros(size, dtype=np.uint32)

    @property
    def words(self) -> list[str]:
        """The words seen, first seen first; number k is at place k - 1."""
        return list(self._numbers)[1:]

    def of_sentences(self, sentences: Iterable[list[str]]) -> Numbers:
        """Number sentences that are split into words already."""
        words: list[str] = []
        for sentence in sentences:
            words += sentence
            words.append(END)
        return np.fromiter(map(self._numbers.__getitem__, words), np.uint32, len(words))

    def of_lines(self, block: bytes, *, blank: bool) -> Numbers:
        """Number the words between white space of whole lines in UTF-8, each a sentence.

        Args:
            blank: whether a line without a word is a sentence too.
        """
        end = b"" if block.endswith(b"\n") else b"\n"
        data = b"".join([b"\n", block, end, bytes(_WIDTH)])
        letters = np.frombuffer(data, dtype=np.uint8)[:-_WIDTH]
        if _has_odd_spaces(letters, ascii_only=block.isascii()):
            lines = (line.split() for line in data[1:-_WIDTH].decode().split("\n")[:-1])
            return self.of_sentences(line for line in lines if line or blank)
        white = letters <= ord(" ")
        edges = np.flatnonzero(white[1:] != white[:-1]) + 1
        begins, ends = edges[::2], edges[1::2]
        numbers = self._look_up(data, begins, ends - begins)
        words_before = np.searchsorted(begins, np.flatnonzero(letters == ord("\n")))
        kept = np.ones(len(words_before) - 1, dtype=bool)
        if not blank:
            kept = words_before[1:] != words_before[:-1]
        return np.insert(numbers, words_before[1:][kept], 0)

    def _look_up(self, data: bytes, begins: NDArray[Any], sizes: NDArray[Any]) -> Numbers:
        """Number the words that stand in `data`, behind which lie _WIDTH bytes more."""
        halves = np.ndarray(len(data) - _HALF + 1, f"V{_HALF}", data, strides=(1,))
        heads = halves[begins].view("<u8")
        heads &= _FIRST_BYTES[np.minimum(sizes, _HALF)]
        tails = np.zeros(len(heads), dtype=np.uint64)
        long = np.flatnonzero(sizes > _HALF)
        rest = sizes[long] - _HALF
        tails[long] = halves[begins[long] + _HALF].view("<u8")
        tails[long] &= _FIRST_BYTES[np.minimum(rest, _HALF)]
        slots = _slots(heads, tails)
        numbers = self._known[slots]
        found = self._heads[slots] == heads
        found &= self._tails[slots] == tails
        found[long[rest > _HALF]] = False
        missing = np.flatnonzero(~found)
        numbers[missing] = self._one_by_one(data, begins[missing], sizes[missing])
        learnt = missing[(self._known[slots[missing]] == 0) & (sizes[missing] <= _WIDTH)]
        places = slots[learnt]
        self._heads[places], self._tails[places] = heads[learnt], tails[learnt]
        self._known[places] = numbers[learnt]
        return numbers

    def _one_by_one(self, data: bytes, begins: NDArray[Any], sizes: NDArray[Any]) -> Numbers:
        """Number words by the dictionary."""
        spans = zip(begins.tolist(), (begins + sizes).tolist(), strict=True)
        words = (data[begin:end].decode() for begin, end in spans)
        return np.fromiter(map(self._numbers.__getitem__, words), np.uint32, len(begins))


class _Index(dict[str, int]):
    """Gives each new word the next number."""

    def __missing__(self, word: str) -> int:
        number = len(self)
        self[word] = number
        return number


def _slots(heads: NDArray[np.uint64], tails: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The place of each word in the table, by its bytes."""
    first, second = _MULTIPLIERS
    mixed = heads * first
    mixed ^= tails * second
    mixed *= first
    mixed >>= np.uint64(64 - _SLOT_BITS)
    slots: NDArray[np.int64] = mixed.view(np.int64)
    return slots


def _has_odd_spaces(letters: NDArray[np.uint8], *, ascii_only: bool) -> bool:
    """Whether the bytes up to the space are not just those that part words."""
    controls = letters[(letters < ord(" ")) & (letters != ord("\n"))]
    if len(controls) and not np.isin(controls, _ASCII_SPACES).all():
        return True
    if ascii_only:
        return False
    # All other white space begins with one of these four bytes.
    lead = (letters == 0xC2) | (letters == 0xE1) | (letters == 0xE2) | (letters == 0xE3)
    places = np.flatnonzero(lead)
    codes = letters[places].astype(np.int64) << 16 | letters[places + 1].astype(np.int64) << 8
    codes |= np.where(letters[places] == 0xC2, 0, letters[np.minimum(places + 2, len(letters) - 1)])
    return bool(np.isin(codes, _WIDE_SPACES).any())
