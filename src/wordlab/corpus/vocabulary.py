"""Vocabularies: the words a model knows, built from training text only."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from wordlab.config import Settings
from wordlab.corpus.readers import read_pieces
from wordlab.errors import WordlabError


class VocabularySettings(Settings):
    """Which words are known. Markers count as words of the vocabulary."""

    size: int | None = Field(default=None, ge=4)
    """At most so many words, markers included: the most frequent, first seen first at ties."""
    min_count: int = Field(default=1, ge=1)
    """Leave out words seen less often in the training text."""
    file: str | None = None
    """Take the words from this file, one a line, with an optional count behind a space or tab."""
    unknown: str = Field(default="<unk>", min_length=1)
    """How the class of all unknown words is spelled; the same word of a text is unknown too."""
    start: str = Field(default="<s>", min_length=1)
    """How the start of a sentence is spelled; it is never predicted."""
    end: str = Field(default="</s>", min_length=1)
    """How the end of a sentence is spelled; it is predicted."""

    @model_validator(mode="after")
    def _markers_differ(self) -> Self:
        if len({self.unknown, self.start, self.end}) < 3:
            raise ValueError("the markers unknown, start and end must differ")
        for marker in self.markers:
            if marker.split() != [marker]:
                raise ValueError(f"the marker {marker!r} must be one word, without white space")
        return self

    @property
    def markers(self) -> tuple[str, str, str]:
        """The spellings of the unknown word, the start and the end of a sentence."""
        return self.unknown, self.start, self.end


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their ids, with their counts in the training text.

    Attributes:
        words: the words, markers among them.
        counts: how often each occurs in the training text; for the unknown word, the count of all
            words outside the vocabulary; for the markers, the number of sentences. int64, [V].
        unknown, start, end: the ids of the markers.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    unknown: int
    start: int
    end: int

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.hash == other.hash

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word to id. The start and end markers are no words of a text, so they are not in it."""
        table = {word: index for index, word in enumerate(self.words)}
        del table[self.words[self.start]], table[self.words[self.end]]
        return table

    @cached_property
    def hash(self) -> str:
        """Tells two vocabularies apart: SHA-256 of the words in order and of the markers' ids."""
        digest = hashlib.sha256("\n".join(self.words).encode())
        digest.update(f"\n{self.unknown} {self.start} {self.end}".encode())
        return digest.hexdigest()[:16]

    @property
    def unknown_share(self) -> float:
        """Share of the training text's counts outside: f of the UNK-adjusted perplexity.

        Both markers of each sentence are counted with the words, as CS224d's own f has it.
        """
        total = int(self.counts.sum())
        return int(self.counts[self.unknown]) / total if total else 0.0

    @cached_property
    def by_frequency(self) -> NDArray[np.int64]:
        """Ids from the most to the least frequent in the training text; ties by id."""
        return np.argsort(-self.counts, kind="stable")

    def frequent_words(self, count: int) -> list[int]:
        """Ids of the `count` most frequent words, markers left out."""
        markers = {self.unknown, self.start, self.end}
        return [int(i) for i in self.by_frequency if int(i) not in markers][:count]

    def encode(self, forms: Sequence[str]) -> list[int]:
        """Return the id of each form; the unknown word's id for the others."""
        get, unknown = self.ids.get, self.unknown
        return [get(form, unknown) for form in forms]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Return the words of ids."""
        return [self.words[index] for index in ids]

    def id_of(self, word: str) -> int:
        """Return the id of a known word; raise WordlabError for any other."""
        if word not in self.ids:
            close = ", ".join(map(repr, self.close_to(word)))
            raise WordlabError(
                f"{word!r} is not in the vocabulary",
                mend=f"did you mean {close}?"
                if close
                else "spell it as the model saw it in training (see the setting text.form)",
            )
        return self.ids[word]

    def close_to(self, word: str, count: int = 3) -> list[str]:
        """Known words that are spelled almost so, in whatever case; the closest first."""
        wanted = word.lower()
        spellings: dict[str, list[str]] = {}
        for known in self.ids:
            if abs(len(known) - len(word)) <= 2:
                spellings.setdefault(known.lower(), []).append(known)
        near = difflib.get_close_matches(wanted, spellings, n=count, cutoff=0.75)
        return [known for spelling in near for known in spellings[spelling]][:count]

    def save(self, path: Path) -> None:
        """Write one line an id: word, tab, count; readable, and read back by `load`."""
        lines = (f"{word}\t{count}\n" for word, count in zip(self.words, self.counts, strict=True))
        path.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, settings: VocabularySettings) -> "Vocabulary":
        """Read a saved vocabulary."""
        words, counts = _read_words(path)
        return cls._with_markers(words, np.array(counts, dtype=np.int64), settings, str(path))

    @classmethod
    def from_counts(
        cls,
        words: Sequence[str],
        counts: NDArray[np.int64],
        sentences: int,
        settings: VocabularySettings,
    ) -> "Vocabulary":
        """Choose words by their counts in the training text.

        Markers come first, then words from the most to the least frequent; ties keep the order
        of `words`, which is that of first sight.

        Args:
            words: the distinct forms of the training text, first seen first.
            counts: how often each occurs, [len(words)].
            sentences: how many sentences the training text has.
        """
        total = int(counts.sum())
        kept = [
            int(index)
            for index in np.argsort(-counts, kind="stable")
            if counts[index] >= settings.min_count and words[index] not in settings.markers
        ]
        if settings.size is not None:
            kept = kept[: settings.size - 3]
        unknown = total - int(counts[kept].sum())
        return cls(
            (*settings.markers, *(words[index] for index in kept)),
            np.concatenate([np.array([unknown, sentences, sentences]), counts[kept]]),
            unknown=0,
            start=1,
            end=2,
        )

    @classmethod
    def from_file(cls, path: str, settings: VocabularySettings) -> tuple["Vocabulary", bool]:
        """Take the first `size` words of a file; say too whether the file has their counts.

        Counts of words past `size` go to the unknown word, whose own row is not counted.
        Markers that the file lacks are put first.
        """
        words, counts = _read_words(Path(path))
        counted = any(counts)
        rows = [(marker, 0) for marker in settings.markers if marker not in words]
        rows += zip(words, counts, strict=True)
        size = settings.size or len(rows)
        spare = size - 3  # rows for words: the markers have theirs, wherever they stand
        kept, outside = [], 0
        for word, count in rows:
            is_marker = word in settings.markers
            if is_marker or (spare > 0 and (count >= settings.min_count or not counted)):
                kept.append((word, count))
                spare -= not is_marker
            else:
                outside += count
        numbers = np.array([count for _, count in kept], dtype=np.int64)
        vocabulary = cls._with_markers([word for word, _ in kept], numbers, settings, path)
        vocabulary.counts[vocabulary.unknown] = outside
        return vocabulary, counted

    @classmethod
    def _with_markers(
        cls,
        words: Sequence[str],
        counts: NDArray[np.int64],
        settings: VocabularySettings,
        where: str,
    ) -> "Vocabulary":
        place = {word: index for index, word in enumerate(words)}
        if len(place) < len(words):
            twice = next(word for index, word in enumerate(words) if place[word] != index)
            raise WordlabError(f"the word {twice!r} stands in it twice", where=where)
        for name, marker in zip(("unknown", "start", "end"), settings.markers, strict=True):
            if marker not in place:
                raise WordlabError(
                    f"the marker {marker!r} is not among its words",
                    where=where,
                    mend=f"name the marker that it uses with vocabulary.{name}",
                )
        unknown, start, end = (place[marker] for marker in settings.markers)
        return cls(tuple(words), counts, unknown, start, end)


def _read_words(path: Path) -> tuple[list[str], list[int]]:
    """Read word and count (0 where there is none) from each line; further columns are ignored."""
    words, counts = [], []
    for line, text, _ in read_pieces(path):
        columns = text.split()
        if not columns:
            continue
        words.append(columns[0])
        count = columns[1] if len(columns) > 1 else "0"
        if not count.isdecimal() or len(count) > 18:
            raise WordlabError(
                f"{count!r} is not a count",
                where=f"{path}:{line}:{text.index(count, len(columns[0])) + 1}",
                mend="give one word a line, with its count behind a tab or nothing",
            )
        counts.append(int(count))
    if not words:
        raise WordlabError("there is no word in it", where=str(path))
    return words, counts
