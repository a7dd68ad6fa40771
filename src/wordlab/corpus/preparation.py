"""From texts to a vocabulary and token stores, in one streaming pass over the training text."""

import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.store import CHUNK_TOKENS, IdWriter, TokenStore, in_chunks, write_store
from wordlab.corpus.text import Sentence, Text
from wordlab.corpus.vocabulary import Vocabulary, VocabularySettings
from wordlab.corpus.word_forms import WordForm
from wordlab.errors import WordlabError

_END = "\n"
"""Stands for the end of a sentence among the numbered words; no word holds a line break."""

CACHED_WORDS = 1 << 20
"""Bound on remembered spellings, so that memory stays flat on a text of any size."""


@dataclass(frozen=True)
class PreparedCorpus:
    """A vocabulary with the stores of the training text and of other texts by name.

    Attributes:
        types: distinct forms in the training text, known or not.
        marker_words: words of the texts spelled like the start or end marker, read as unknown.
    """

    vocabulary: Vocabulary
    stores: Mapping[str, TokenStore]
    types: int
    marker_words: int

    def notes(self, settings: VocabularySettings) -> list[str]:
        """What a user may want to know about the vocabulary, a sentence each."""
        found = []
        if settings.size is not None and len(self.vocabulary) < settings.size:
            found.append(
                f"a vocabulary of {settings.size:,} was asked for, but there are only "
                f"{len(self.vocabulary):,} words to put in it"
            )
        if self.marker_words:
            found.append(
                f"{self.marker_words:,} words of the training text are spelled like the start or "
                "end marker and are read as unknown; see vocabulary.start and vocabulary.end"
            )
        return found


class _Index(dict[str, int]):
    """Gives each new word the next number."""

    def __missing__(self, word: str) -> int:
        number = len(self)
        self[word] = number
        return number


def prepare(
    train: Text,
    others: Mapping[str, Text],
    settings: VocabularySettings,
    folder: Path,
    *,
    hold_out: float = 0.0,
    seed: int = 1,
) -> PreparedCorpus:
    """Build the vocabulary from `train` alone and write each text's ids into `folder`.

    The training text is read once, so it may be standard input: its words get provisional
    numbers, which are exchanged for ids when the counts are complete. Memory holds the distinct
    words and one chunk.

    Args:
        others: texts to encode with the same vocabulary, by the name of their store.
        hold_out: share of training sentences, drawn at random, that becomes the store
            "validation"; they do not enter the vocabulary.

    Raises:
        WordlabError: where a text cannot be read or has no word, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = Vocabulary.from_file(settings.file, settings) if settings.file else None
    with tempfile.TemporaryDirectory(prefix="prepare-", dir=folder) as scratch:
        held_out = Path(scratch) / "held-out.txt"
        try:
            seen = _first_pass(
                train, Path(scratch), held_out, hold_out, seed, known=given[0].ids if given else {}
            )
        except OSError as error:
            raise WordlabError(error.strerror or str(error), where=str(folder)) from None
        if seen.sentences == 0 or (hold_out and not held_out.stat().st_size):
            raise WordlabError(
                f"{seen.sentences} sentences are too few to hold some out for validation",
                where=train.name,
                mend="name a validation text, or give more text",
            )
        vocabulary = given[0] if given else seen.vocabulary(settings)
        table = np.full(len(seen.words) + 1, vocabulary.unknown, dtype=np.uint32)
        table[0] = vocabulary.end
        table[1:] = vocabulary.encode(seen.words)
        if given and not given[1]:
            np.add.at(vocabulary.counts, table[1:], seen.counts)
            vocabulary.counts[[vocabulary.start, vocabulary.end]] = seen.sentences
        exchanged = (table[numbers] for numbers in _read_numbers(seen.numbers))
        stores = {"train": write_store(folder / "train", exchanged, vocabulary)}
        if hold_out:
            with held_out.open(encoding="utf-8") as lines:
                encoded = (vocabulary.encode(line.split()) for line in lines)
                chunks = in_chunks(encoded, vocabulary.end)
                stores["validation"] = write_store(folder / "validation", chunks, vocabulary)
    for name, text in others.items():
        chunks = in_chunks(encode(text, vocabulary), vocabulary.end)
        stores[name] = write_store(folder / name, chunks, vocabulary)
    markers = {vocabulary.words[vocabulary.start], vocabulary.words[vocabulary.end]}
    clashes = sum(
        int(count) for word, count in zip(seen.words, seen.counts, strict=True) if word in markers
    )
    return PreparedCorpus(vocabulary, stores, len(seen.words), clashes)


def encode(text: Text, vocabulary: Vocabulary) -> Iterator[list[int]]:
    """Yield the ids of each sentence's words, without markers."""
    return (ids for _, ids in encode_sentences(text.sentences(), text.form, vocabulary))


def encode_in_memory(text: Text, vocabulary: Vocabulary) -> TokenStore:
    """Hold a text's ids in memory; nothing is carried from one of its files to the next."""
    parts = (
        TokenStore.in_memory(
            (ids for _, ids in encode_sentences(part, text.form, vocabulary)), vocabulary
        )
        for part in text.parts()
    )
    return TokenStore.joined(list(parts), vocabulary)


def encode_sentences(
    sentences: Iterable[Sentence], form: WordForm, vocabulary: Vocabulary
) -> Iterator[tuple[Sentence, list[int]]]:
    """Yield each sentence as it is spelled, with the ids of its words under a word form."""
    table = _FormIds(form, vocabulary)
    for sentence in sentences:
        yield sentence, [table[word] for word in sentence.words]


class _FormIds(dict[str, int]):
    """Word as spelled to id, each form worked out once."""

    def __init__(self, form: WordForm, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._form = form
        self._ids = vocabulary.ids
        self._unknown = vocabulary.unknown

    def __missing__(self, word: str) -> int:
        number = self._ids.get(self._form(word, self._ids), self._unknown)
        if len(self) < CACHED_WORDS:
            self[word] = number
        return number


@dataclass(frozen=True)
class _Seen:
    """What the first pass over the training text found."""

    words: list[str]
    """The distinct forms, first seen first."""
    counts: NDArray[np.int64]
    sentences: int
    numbers: Path
    """The text as provisional numbers: 0 ends a sentence, k is the k-th distinct form."""

    def vocabulary(self, settings: VocabularySettings) -> Vocabulary:
        return Vocabulary.from_counts(self.words, self.counts, self.sentences, settings)


def _first_pass(
    text: Text,
    scratch: Path,
    held_out: Path,
    share: float,
    seed: int,
    known: Container[str],
) -> _Seen:
    """Number the training forms by first sight, count them, and set sentences aside."""
    index = _Index({_END: 0})
    path = scratch / "numbers.ids"
    forms = _Forms(text.form, known)
    plain = text.settings.form == "as-is"
    draw = np.random.default_rng(seed)

    def numbered(aside: TextIO) -> Iterator[list[int]]:
        for sentence in text.sentences():
            words = sentence.words if plain else [forms[word] for word in sentence.words]
            if share and draw.random() < share:
                aside.write(" ".join(words) + "\n")
            else:
                yield [index[word] for word in words]

    counts = np.zeros(0, dtype=np.int64)
    with (
        IdWriter(path, np.dtype("<u4")) as writer,
        held_out.open("w", encoding="utf-8") as aside,
    ):
        for numbers in in_chunks(numbered(aside), index[_END]):
            writer.write(numbers)
            counts = np.pad(counts, (0, len(index) - len(counts)))
            counts += np.bincount(numbers, minlength=len(index))
        writer.close()
    counts = np.pad(counts, (0, len(index) - len(counts)))
    return _Seen(list(index)[1:], counts[1:], int(counts[0]), path)


class _Forms(dict[str, str]):
    """Word as spelled to form, each worked out once."""

    def __init__(self, form: WordForm, known: Container[str]) -> None:
        super().__init__()
        self._form, self._known = form, known

    def __missing__(self, word: str) -> str:
        found = self._form(word, self._known)
        if len(self) < CACHED_WORDS:
            self[word] = found
        return found


def _read_numbers(path: Path) -> Iterator[NDArray[np.uint32]]:
    with path.open("rb") as stream:
        while data := stream.read(4 * CHUNK_TOKENS):
            yield np.frombuffer(data, dtype="<u4")
