"""What a tagger sees of a word: its form, and features of its spelling, as numbers.

All lists are made from the training text; a value that it lacks is the unknown one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.hashing import HashedNumbers, Hashing
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.errors import WordlabError
from wordlab.registry import Registry

UNKNOWN, START, END = 0, 1, 2
"""The numbers that every column begins with."""
MARKERS = 3

LONGEST_SPELLING = 32
"""Of a longer word, characters are read from its first and its last half of so many."""

Spelling = Callable[[str], str]
"""A word -> the value of one feature."""

SPELLINGS: Registry[Spelling] = Registry("feature")

WORD = "word"
"""The column of word forms, which is always the first."""


@SPELLINGS.register("capitals")
def capitals(word: str) -> str:
    """How a word is capitalised: lower, upper, title, inner, initial, figures or none.

    >>> [capitals(word) for word in ("the", "EU", "Turin", "McCoy", "A", "1996", "B-52", ",")]
    ['lower', 'upper', 'title', 'inner', 'initial', 'figures', 'upper', 'none']
    """
    letters = [sign for sign in word if sign.isalpha()]
    if not letters:
        return "figures" if any(sign.isdigit() for sign in word) else "none"
    if word[0].isupper() and len(letters) == 1 and len(word) <= 2:
        return "initial"
    if all(sign.isupper() for sign in letters):
        return "upper"
    if not any(sign.isupper() for sign in letters):
        return "lower"
    return "title" if word[0].isupper() and word[1:] == word[1:].lower() else "inner"


@SPELLINGS.register("shape")
def shape(word: str) -> str:
    """The kinds of its characters, each run of one kind as one or two signs.

    >>> [shape(word) for word in ("Turin", "U.S.", "1996-97", "McCoy", "EU")]
    ['Xxx', 'X.X.', '00-00', 'XxXxx', 'XX']
    """
    return _RUN.sub(r"\1\1", word[:LONGEST_SPELLING].translate(_KINDS))


_RUN = re.compile(r"(.)\1{2,}")
_DIGIT = re.compile(r"\d")


class _Kinds(dict[int, str]):
    """What stands for a character in a shape, looked up once for each."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        kind = "X" if sign.isupper() else "x" if sign.isalpha() else "0" if sign.isdigit() else sign
        self[code] = kind
        return kind


_KINDS = _Kinds()


def _file_affixes() -> None:
    for length in range(1, 6):

        def prefix(word: str, length: int = length) -> str:
            return _folded(word[: length + 1])[:length]

        def suffix(word: str, length: int = length) -> str:
            return _folded(word[-length - 1 :])[-length:]

        SPELLINGS.register(f"prefix-{length}")(prefix)
        SPELLINGS.register(f"suffix-{length}")(suffix)


def _folded(piece: str) -> str:
    """Lower case, figures alike."""
    return _DIGIT.sub("0", piece.lower())


_file_affixes()

Ids = NDArray[np.int32]


class Numbers(Protocol):
    """The numbers of a column's values."""

    def __contains__(self, value: object, /) -> bool: ...

    def get(self, value: str, default: int, /) -> int:
        """The number of a value, or the default."""


@dataclass(frozen=True)
class Lexicon:
    """The values of each feature, and their numbers.

    Attributes:
        form: of `WORD_FORMS`, how words become forms.
        columns: of each feature its values, from number 3 on; the first column is `WORD`.
        counts: how often each word form occurs in training, markers and the unknown word first.
        letters: characters, from number 3 on; empty where they are not read.
        further: word forms that training lacks but pretrained vectors have, after the others.
        hashing: how the values of columns and `further` are written; None: as they are.
    """

    form: str
    columns: Mapping[str, tuple[str, ...]]
    counts: tuple[int, ...]
    letters: str = ""
    further: tuple[str, ...] = ()
    hashing: Hashing | None = None

    @classmethod
    def of_words(
        cls,
        words: Iterable[str],
        *,
        form: str,
        features: Sequence[str] = (),
        letters: bool = False,
        min_count: int = 1,
        min_feature_count: int = 2,
        known: Iterable[str] = (),
    ) -> Self:
        """List what the words of a training text have.

        Args:
            features: of `SPELLINGS`.
            letters: list the characters too.
            min_count, min_feature_count: leave out forms, and values of features, seen less often.
            known: forms that have a pretrained vector.
        """
        spelled = Counter(words)
        vectors = dict.fromkeys(known)
        make = WORD_FORMS[form]
        forms: Counter[str] = Counter()
        for word, count in spelled.items():
            forms[make(word, vectors)] += count
        kept = [f for f, count in forms.items() if count >= min_count or f in vectors]
        columns = {WORD: tuple(kept)}
        for name in features:
            spelling = SPELLINGS[name]
            values: Counter[str] = Counter()
            for word, count in spelled.items():
                values[spelling(word)] += count
            columns[name] = tuple(v for v, count in values.items() if count >= min_feature_count)
        signs: Counter[str] = Counter()
        for word, count in spelled.items() if letters else ():
            for sign in word:
                signs[sign] += count
        counts = (forms.total() - sum(forms[f] for f in kept), 0, 0, *(forms[f] for f in kept))
        own = set(kept)
        return cls(
            form,
            columns,
            counts,
            "".join(sign for sign, count in signs.items() if count >= min_feature_count),
            tuple(word for word in vectors if word not in own),
        )

    @cached_property
    def numbers(self) -> list[Numbers]:
        """Value to number, of each column."""
        tables: list[Numbers] = []
        for name, values in self.columns.items():
            every = (*values, *self.further) if name == WORD else values
            table = {value: at for at, value in enumerate(every, start=MARKERS)}
            hashing = self.hashing
            tables.append(table if hashing is None else HashedNumbers(name, table, hashing))
        return tables

    @cached_property
    def _letter_numbers(self) -> dict[str, int]:
        return {sign: at for at, sign in enumerate(self.letters, start=MARKERS)}

    def sizes(self) -> dict[str, int]:
        """Numbers in use of each column; of words without the further ones."""
        return {name: MARKERS + len(values) for name, values in self.columns.items()}

    def rows(self, words: Sequence[str]) -> Ids:
        """The numbers of words, a row each; the first rows are the three markers. [3 + U, F]"""
        found = np.empty((MARKERS + len(words), len(self.columns)), dtype=np.int32)
        found[:MARKERS] = np.arange(MARKERS)[:, None]
        for at, (name, table) in enumerate(zip(self.columns, self.numbers, strict=True)):
            if name == WORD:
                make = WORD_FORMS[self.form]
                values = [make(word, table) for word in words]
            else:
                values = list(map(SPELLINGS[name], words))
            found[MARKERS:, at] = [table.get(value, UNKNOWN) for value in values]
        return found

    def spellings(self, words: Sequence[str]) -> Ids:
        """The characters of words, filled up with -1 at the end. [3 + U, C]"""
        table = self._letter_numbers
        half = LONGEST_SPELLING // 2
        cut = [w if len(w) <= LONGEST_SPELLING else w[:half] + w[-half:] for w in words]
        longest = max(map(len, cut), default=1)
        found = np.full((MARKERS + len(words), max(longest, 1)), -1, dtype=np.int32)
        found[:MARKERS, 0] = np.arange(MARKERS)
        for row, word in zip(found[MARKERS:], cut, strict=True):
            row[: len(word)] = [table.get(sign, UNKNOWN) for sign in word]
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "form": self.form,
            "columns": {name: list(values) for name, values in self.columns.items()},
            "counts": list(self.counts),
            "letters": self.letters,
            "further": list(self.further),
            "hashing": None if self.hashing is None else self.hashing.as_json(),
        }

    @classmethod
    def from_json(cls, data: Any, where: str) -> Self:
        """The inverse of `as_json`.

        Raises:
            WordlabError: where the data are none of a lexicon.
        """
        try:
            columns = {
                str(name): tuple(map(str, values)) for name, values in data["columns"].items()
            }
            counts = tuple(map(int, data["counts"]))
            if next(iter(columns)) != WORD or len(counts) != MARKERS + len(columns[WORD]):
                raise ValueError("the counts are not those of the words")
            for name in columns:
                if name != WORD:
                    _ = SPELLINGS[name]
            _ = WORD_FORMS[data["form"]]
            further = tuple(map(str, data["further"]))
            # Folders of before there was a choice have no such entry.
            hashing = None if data.get("hashing") is None else Hashing.from_json(data["hashing"])
            return cls(data["form"], columns, counts, str(data["letters"]), further, hashing)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise WordlabError(f"is no lexicon ({error})", where=where) from None
