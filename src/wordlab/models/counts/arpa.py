r"""ARPA files: back-off models as text, as KenLM, SRILM and others read and write them.

    \data\
    ngram 1=4
    ngram 2=3

    \1-grams:
    -99       <s>     -0.30103
    -0.60206  the     -0.17609
    ...
    \2-grams:
    -0.30103  <s> the
    ...
    \end\

A line holds the decimal logarithm of a probability, the words and, for all but the longest n-grams,
the decimal logarithm of the back-off weight, which may be missing where it is 0. -99 stands for a
probability of 0.
"""

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import numpy as np

from wordlab.batching.windows import Padding
from wordlab.corpus.readers import read_pieces
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.counts.backoff import BackoffModel, Floats, Integers, Ngrams
from wordlab.models.counts.backoff_tables import RepeatedNgramError, build_model, with_sums_of_one

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
ZERO = -99.0
"""Decimal logarithms up to this one stand for a probability of 0."""

_LN_10 = float(np.log(10))
_CHUNK_LINES = 1 << 12
_COUNT = re.compile(r"ngram\s+(\d{1,4})\s*=\s*(\d{1,18})")
_COLUMN = re.compile(r"[^ \t]+")
_SHOWN = 5


@dataclass(frozen=True)
class Arpa:
    """What an ARPA file holds.

    Attributes:
        words: the words in the file's order, then the markers that it lacks; a word's id is its
            place.
        model: the model over these ids.
        unknown, start, end: ids of the markers.
        notes: what the file lacked, and what stands in its place.
    """

    words: tuple[str, ...]
    model: BackoffModel
    unknown: int
    start: int
    end: int
    notes: tuple[str, ...]

    @property
    def vocabulary(self) -> Vocabulary:
        """The file's words as a vocabulary; an ARPA file has no counts, so they are 0."""
        counts = np.zeros(len(self.words), dtype=np.int64)
        return Vocabulary(self.words, counts, self.unknown, self.start, self.end)

    def onto(
        self, vocabulary: Vocabulary, *, drop: bool = False
    ) -> tuple[BackoffModel, tuple[str, ...]]:
        """Return the model over another vocabulary's ids, and notes; marker goes to marker.

        Words that only the vocabulary has get the probability 0.

        Args:
            drop: leave out the words that the vocabulary lacks, and what n-grams they stand in.
                Their probability goes to the unknown word, and the back-off weights are computed
                anew so that each distribution sums to 1.

        Raises:
            WordlabError: where the vocabulary lacks a word, unless it is to be dropped.
        """
        ids = self._ids_in(vocabulary)
        lacking = np.flatnonzero(ids < 0)
        notes = []
        if len(lacking):
            shown = _some([self.words[index] for index in lacking])
            if not drop:
                raise WordlabError(
                    f"the vocabulary lacks {_number(len(lacking), 'word')} of the model: {shown}",
                    mend="use the model with its own words, or have such words dropped",
                )
            notes.append(f"dropped {_number(len(lacking), 'word')} not in the vocabulary: {shown}")
        absent = np.setdiff1d(np.arange(len(vocabulary)), ids)
        if len(absent):
            shown = _some([vocabulary.words[index] for index in absent])
            notes.append(f"{_number(len(absent), 'word')} without probability: {shown}")
        tables = [_renamed(_whole(self.model, n), ids) for n in range(1, self._order + 1)]
        if len(lacking):
            tables[0] = self._with_dropped(tables[0], lacking, vocabulary)
        padding = self.model.padding
        model, _ = build_model(tables, len(vocabulary), vocabulary.start, padding)
        return (with_sums_of_one(model) if len(lacking) else model), tuple(notes)

    @property
    def _order(self) -> int:
        return len(self.model.orders)

    def _ids_in(self, vocabulary: Vocabulary) -> Integers:
        """The vocabulary's id of each word, -1 where it has none."""
        ids = np.array([vocabulary.ids.get(word, -1) for word in self.words])
        ids[ids == vocabulary.unknown] = -1  # only the marker itself is the unknown word
        ids[[self.unknown, self.start, self.end]] = (
            vocabulary.unknown,
            vocabulary.start,
            vocabulary.end,
        )
        return ids

    def _with_dropped(self, unigrams: Ngrams, dropped: Integers, vocabulary: Vocabulary) -> Ngrams:
        """Give the unigram probabilities of dropped words to the unknown word."""
        lost = np.exp(self.model.orders[0].log_probs[dropped]).sum()
        unknown = unigrams.words[:, 0] == vocabulary.unknown
        with np.errstate(divide="ignore"):
            whole = np.log(np.exp(unigrams.log_probs) + np.where(unknown, lost, 0))
        return replace(unigrams, log_probs=whole)


def _whole(model: BackoffModel, length: int) -> Ngrams:
    """All n-grams of a length in one table."""
    parts = list(model.ngrams(length))
    empty = Ngrams(np.empty((0, length), dtype=np.int64), np.empty(0), np.empty(0))
    return _joined([empty, *parts])


def _joined(parts: Sequence[Ngrams]) -> Ngrams:
    return Ngrams(
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.log_probs for part in parts]),
        np.concatenate([part.backoffs for part in parts]),
    )


def _renamed(table: Ngrams, ids: Integers) -> Ngrams:
    """Put other ids in place; drop n-grams with a word whose id is -1."""
    words = ids[table.words]
    kept = (words >= 0).all(axis=1)
    return Ngrams(words[kept], table.log_probs[kept], table.backoffs[kept])


def _some(words: Sequence[str]) -> str:
    rest = ", .." if len(words) > _SHOWN else ""
    return ", ".join(repr(word) for word in words[:_SHOWN]) + rest


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def read_arpa(path: str | Path, *, padding: Padding = "full") -> Arpa:
    """Read an ARPA file, plain or gzip.

    Columns are parted by tabs or spaces, lines may end in CRLF, n-grams stand in any order, and the
    unknown word is `<unk>` in upper or lower case. n-grams that longer ones build on but that the
    file lacks, as SRILM's pruning leaves it, get what backing off gives them.

    Args:
        padding: how the model's reading pads.

    Raises:
        WordlabError: at file:line:column where the file is none, or contradicts itself.
    """
    lines = _Lines(path)
    promised = _read_header(lines)
    words: dict[str, int] = {}
    tables, rows = [], []
    for length, count in enumerate(promised, start=1):
        table, numbers = _read_section(lines, length, count, words)
        tables.append(table)
        rows.append(numbers)
    if lines.text != "\\end\\":
        lines.fault(f"{lines.shown} where \\end\\ or an n-gram was due")
    tables[0], notes = _with_markers(tables[0], words)
    names = tuple(words)
    unknown = words[_unknown_in(words)]
    try:
        model, added = build_model(tables, len(words), words[START], padding)
    except RepeatedNgramError as error:
        again = " ".join(names[index] for index in tables[error.length - 1].words[error.row])
        lines.fault(f"{again!r} stands there twice", int(rows[error.length - 1][error.row]))
    if added:
        notes.append(f"{_number(added, 'n-gram')} that longer ones build on had to be added")
    return Arpa(names, model, unknown, words[START], words[END], tuple(notes))


class _Lines:
    """The lines of a file that are not blank, one at a time or many.

    Attributes:
        text: the line at hand, without its end; None behind the last one.
        number: its number.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.text: str | None = None
        self.number = 0
        self._lines = self._stripped(path)

    def _stripped(self, path: str | Path) -> Iterator[tuple[int, str]]:
        for number, piece, whole in read_pieces(path):
            if not whole:
                self.fault("the line is longer than any n-gram's", number)
            text = piece.rstrip(" \t\r\n")
            if text:
                yield number, text

    @property
    def shown(self) -> str:
        """The line at hand, for a message."""
        return "the end of the file" if self.text is None else repr(self.text[:40])

    def advance(self) -> str | None:
        """Go on to the next line and return it; None at the end."""
        self.number, self.text = next(self._lines, (self.number, None))
        return self.text

    def entries(self) -> tuple[list[int], list[str]]:
        """Pass over lines up to one that begins with a backslash, and return numbers and texts.

        At most _CHUNK_LINES; none where such a line or the end is at hand.
        """
        if self.text is None or self.text[0] == "\\":
            return [], []
        numbers, texts = [self.number], [self.text]
        for number, text in self._lines:
            if text[0] == "\\" or len(texts) == _CHUNK_LINES:
                self.number, self.text = number, text
                return numbers, texts
            numbers.append(number)
            texts.append(text)
        self.number, self.text = numbers[-1], None
        return numbers, texts

    def fault(self, what: str, number: int | None = None, column: int = 1) -> NoReturn:
        """Raise WordlabError at a line: the one at hand unless another is given."""
        raise WordlabError(
            what,
            where=f"{self.name}:{self.number if number is None else number}:{column}",
            mend="write the ARPA file anew",
        )


def _read_header(lines: _Lines) -> list[int]:
    """Read up to the first section; return how many n-grams of 1, 2 .. n words are promised."""
    while lines.advance() != "\\data\\":
        if lines.text is None:
            raise WordlabError(
                "there is no line \\data\\",
                where=lines.name,
                mend="this is no ARPA file; is it a binary model or a text?",
            )
    promised: list[int] = []
    while (text := lines.advance()) is not None and not text.startswith("\\"):
        found = _COUNT.fullmatch(text)
        if found is None:
            lines.fault(f"{lines.shown} is no count such as 'ngram 1=1000'")
        if int(found[1]) != len(promised) + 1:
            lines.fault(f"counts {found[1]}-grams where {len(promised) + 1}-grams were due")
        promised.append(int(found[2]))
    if not promised:
        lines.fault("no count of n-grams stands after \\data\\")
    return promised


def _read_section(
    lines: _Lines, length: int, count: int, words: dict[str, int]
) -> tuple[Ngrams, Integers]:
    """Read the n-grams of one length, and the number of the line that each stands on.

    Args:
        words: word to id; the unigrams' words are put in.
    """
    empty = Ngrams(np.empty((0, length), dtype=np.int64), np.empty(0), np.empty(0))
    parts, rows = [empty], [np.empty(0, dtype=np.int64)]
    head = lines.number
    if lines.text == f"\\{length}-grams:":
        lines.advance()
    elif count:
        lines.fault(f"{lines.shown} where \\{length}-grams: was due")
    while True:
        numbers, texts = lines.entries()
        if not texts:
            break
        parts.append(_Section(lines, length, numbers, texts).table(words))
        rows.append(np.array(numbers))
    table = _joined(parts)
    if len(table) != count:
        lines.fault(f"the header promises {count} {length}-grams, here are {len(table)}", head)
    return table, np.concatenate(rows)


@dataclass(frozen=True)
class _Section:
    """Some lines of one section, to be parted into columns all together."""

    lines: _Lines
    length: int
    numbers: list[int]
    texts: list[str]

    def table(self, words: dict[str, int]) -> Ngrams:
        """Part the lines into columns and read these."""
        columns = self._columns()
        log_probs = self._floats(columns[0], 0)
        if (log_probs > 0).any():
            self._fault(int((log_probs > 0).argmax()), 0, "is a probability above 1")
        names = columns[1 : self.length + 1]
        if self.length == 1:
            self._learn(words, names[0])
        ids = np.array([[words.get(name, -1) for name in column] for column in names]).T
        if (ids < 0).any():
            row, column = np.argwhere(ids < 0)[0].tolist()
            self._fault(row, column + 1, "is not among the 1-grams")
        log_probs[log_probs <= ZERO] = -np.inf
        backoffs = self._floats(columns[-1], self.length + 1)
        return Ngrams(ids, log_probs * _LN_10, backoffs * _LN_10)

    def _columns(self) -> list[list[str]]:
        """Part each line at its tabs and spaces, and at no other white space.

        Returns:
            length + 2 columns; a missing back-off weight is "0".
        """
        flat = " \n ".join(self.texts).replace("\t", " ").split(" ")
        stride = (len(flat) + 1) // len(self.texts)  # of equal lines, with the line's end
        if (
            stride in (self.length + 2, self.length + 3)
            and flat[stride - 1 :: stride] == ["\n"] * (len(self.texts) - 1)
            and "" not in flat
        ):
            columns = [flat[column::stride] for column in range(stride - 1)]
        else:
            rows = [self._row(row) for row in range(len(self.texts))]
            columns = [list(column) for column in zip(*rows, strict=True)]
        return columns if len(columns) > self.length + 1 else [*columns, ["0"] * len(self.texts)]

    def _row(self, row: int) -> list[str]:
        """The length + 2 columns of one line."""
        found = _COLUMN.findall(self.texts[row])
        if len(found) not in (self.length + 1, self.length + 2):
            what = f"begins {len(found)} columns, which are no {self.length}-gram"
            self._fault(row, 0, what)
        return [*found, "0"][: self.length + 2]

    def _floats(self, texts: list[str], column: int) -> Floats:
        """The numbers in a column."""
        try:
            found = np.array(list(map(float, texts)))
        except ValueError:
            found = np.array([_float(text) for text in texts])
        wrong = np.isnan(found) | (found == np.inf)
        if wrong.any():
            self._fault(int(wrong.argmax()), column, "is not a logarithm")
        return found

    def _learn(self, words: dict[str, int], names: list[str]) -> None:
        """Give the next ids to the words of the unigrams."""
        for row, name in enumerate(names):
            if name in words:
                self._fault(row, 1, "stands there twice")
            words[name] = len(words)

    def _fault(self, row: int, column: int, what: str) -> NoReturn:
        """Raise WordlabError at a column of a line."""
        found = list(_COLUMN.finditer(self.texts[row]))[column]
        self.lines.fault(f"{found[0]!r} {what}", self.numbers[row], found.start() + 1)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _unknown_in(words: dict[str, int]) -> str:
    """How the unknown word is spelled."""
    if UNKNOWN in words:
        return UNKNOWN
    return next((word for word in words if word.lower() == UNKNOWN), UNKNOWN)


def _with_markers(unigrams: Ngrams, words: dict[str, int]) -> tuple[Ngrams, list[str]]:
    """Add the markers that are not among the words, with probability 0, and say so."""
    lost = {
        _unknown_in(words): "unknown words have the probability 0",
        START: "sentences begin without a context",
        END: "the end of a sentence has the probability 0",
    }
    notes = []
    for marker, consequence in lost.items():
        if marker not in words:
            words[marker] = len(words)
            notes.append(f"there is no {marker}: {consequence}")
    more = np.arange(len(unigrams), len(words))[:, None]
    added = Ngrams(more, np.full(len(more), -np.inf), np.zeros(len(more)))
    return _joined([unigrams, added]), notes


def write_arpa(path: str | Path, model: BackoffModel, vocabulary: Vocabulary) -> None:
    """Write a model as an ARPA file, as gzip where the path ends in .gz.

    The markers are spelled <unk>, <s> and </s>. The file takes its name when it is whole.

    Raises:
        WordlabError: where a word cannot stand in an ARPA file, or the file cannot be written.
    """
    if len(vocabulary) != model.types:
        raise ValueError(f"a vocabulary of {len(vocabulary)} words for {model.types} types")
    names = _arpa_names(vocabulary)
    longest = len(model.orders)
    try:
        with _written(Path(path)) as stream:
            counts = (f"ngram {n}={size}\n" for n, size in enumerate(model.sizes, start=1))
            stream.write(("\\data\\\n" + "".join(counts)).encode())
            for length in range(1, longest + 1):
                stream.write(f"\n\\{length}-grams:\n".encode())
                for table in model.ngrams(length):
                    stream.write(_as_lines(table, names, length == longest).encode())
            stream.write(b"\n\\end\\\n")
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(path)) from None


def _arpa_names(vocabulary: Vocabulary) -> list[str]:
    """The words as an ARPA file spells them."""
    markers = {vocabulary.unknown: UNKNOWN, vocabulary.start: START, vocabulary.end: END}
    names = [markers.get(index, word) for index, word in enumerate(vocabulary.words)]
    for index, name in enumerate(names):
        taken = index not in markers and name in markers.values()
        if taken or _COLUMN.fullmatch(name) is None or "\n" in name or "\r" in name:
            raise WordlabError(
                f"the word {name!r} cannot stand in an ARPA file"
                + (", where it is a marker" if taken else ""),
                mend="give the word another form before training",
            )
    return names


def _as_lines(table: Ngrams, names: list[str], longest: bool) -> str:
    """One line an n-gram; eight digits keep a float64's logarithm to better than 1e-7."""
    columns = [np.maximum(table.log_probs / _LN_10, ZERO).clip(max=0).tolist()]
    columns += [[names[index] for index in column] for column in table.words.T.tolist()]
    line = "%.8g\t" + " ".join(["%s"] * table.words.shape[1])
    if not longest:
        columns.append(np.maximum(table.backoffs / _LN_10, ZERO).tolist())
        line += "\t%.8g"
    return (line + "\n") * len(table) % tuple(chain.from_iterable(zip(*columns, strict=True)))


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name when it is closed without a fault."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as plain:
            if path.suffix == ".gz":
                # No name and no time in it: the same model gives the same bytes.
                with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield plain
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
