"""From texts to a vocabulary and token stores, each text read once."""

import shutil
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.numbering import NumberedText, number_text
from wordlab.corpus.spellings import Numbers
from wordlab.corpus.store import Ids, TokenStore, write_store
from wordlab.corpus.text import Sentence, Text
from wordlab.corpus.vocabulary import Vocabulary, VocabularySettings
from wordlab.corpus.word_forms import WordForm
from wordlab.errors import WordlabError

PIECES = "pieces"
"""Folder of what is done of the texts, beside the stores while these are not there."""

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


def prepare(
    train: Text,
    others: Mapping[str, Text],
    settings: VocabularySettings,
    folder: Path,
    *,
    hold_out: float = 0.0,
    seed: int = 1,
    jobs: int = 1,
) -> PreparedCorpus:
    """Build the vocabulary from `train` alone and write each text's ids into `folder`.

    Each text is read once, so it may be standard input: its words get provisional numbers, which
    are exchanged for ids when the counts are complete. Memory holds the distinct words and one
    chunk. Where this is killed, the next call in the same folder goes on with the pieces of the
    texts that are done.

    Args:
        others: texts to encode with the same vocabulary, by the name of their store.
        hold_out: share of training sentences, drawn at random, that becomes the store
            "validation"; they do not enter the vocabulary.
        jobs: processes that read at a time; the outcome is the same.

    Raises:
        WordlabError: where a text cannot be read or has no word, or the disk is full.
    """
    scratch = folder / PIECES
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        corpus = _prepared(train, others, settings, folder, hold_out, seed, jobs)
    except Exception:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return corpus


def _prepared(
    train: Text,
    others: Mapping[str, Text],
    settings: VocabularySettings,
    folder: Path,
    hold_out: float,
    seed: int,
    jobs: int,
) -> PreparedCorpus:
    """Prepare texts; leave the pieces that they went through in the folder."""
    given = Vocabulary.from_file(settings.file, settings) if settings.file else None
    numbered = number_text(train, folder / PIECES, jobs)
    kept = _Kept(numbered, hold_out, seed)
    seen = _seen(kept, train.form, given[0].ids if given else {})
    if seen.sentences == 0 or (hold_out and not kept.has_held_out):
        raise WordlabError(
            f"{seen.sentences} sentences are too few to hold some out for validation",
            where=train.name,
            mend="name a validation text, or give more text",
        )
    vocabulary = given[0] if given else seen.vocabulary(settings)
    if given and not given[1]:
        np.add.at(vocabulary.counts, vocabulary.encode(seen.words), seen.counts)
        vocabulary.counts[[vocabulary.start, vocabulary.end]] = seen.sentences
    table = _table(vocabulary, seen.forms)
    stores = {"train": write_store(folder / "train", kept.ids(table), vocabulary)}
    if hold_out:
        held_out = kept.ids(table, held_out=True)
        stores["validation"] = write_store(folder / "validation", held_out, vocabulary)
    for name, text in others.items():
        other = number_text(text, folder / PIECES, jobs)
        form = text.form
        table = _table(vocabulary, [form(word, vocabulary.ids) for word in other.words])
        stores[name] = write_store(folder / name, _Kept(other).ids(table), vocabulary)
    markers = {vocabulary.words[vocabulary.start], vocabulary.words[vocabulary.end]}
    clashes = sum(
        int(count) for word, count in zip(seen.words, seen.counts, strict=True) if word in markers
    )
    return PreparedCorpus(vocabulary, stores, len(seen.words), clashes)


def _table(vocabulary: Vocabulary, forms: Sequence[str]) -> NDArray[np.uint32]:
    """The id of each number: of the end of a sentence, and of words with these forms."""
    return np.array([vocabulary.end, *vocabulary.encode(forms)], dtype=np.uint32)


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
class _Kept:
    """A numbered text, or the sentences of it that are not held out.

    Attributes:
        share: how probable it is that a sentence is held out.
        seed: of the draws, one a sentence.
    """

    text: NumberedText
    share: float = 0.0
    seed: int = 1

    def pieces(self, *, held_out: bool = False) -> Iterator[tuple[Numbers, Iterator[Numbers]]]:
        """Yield for each piece the text's number of each of its own, and these; to be used in turn.

        Args:
            held_out: take the sentences that are held out, not the others.
        """
        draw = np.random.default_rng(self.seed)
        for piece, own in self.text.pieces:
            yield own, self._chosen(piece.numbers(), draw, held_out)

    def _chosen(
        self, numbers: Iterator[Numbers], draw: np.random.Generator, held_out: bool
    ) -> Iterator[Numbers]:
        for some in numbers:
            if not self.share:
                yield some
                continue
            ends = some == 0
            drawn = draw.random(int(ends.sum())) < self.share
            yield some[drawn[np.cumsum(ends) - ends] == held_out]

    @property
    def has_held_out(self) -> bool:
        """Whether any sentence is held out."""
        return any(len(some) for _, numbers in self.pieces(held_out=True) for some in numbers)

    def ids(self, table: NDArray[np.uint32], *, held_out: bool = False) -> Iterator[Ids]:
        """Yield the text's ids.

        Args:
            table: the id of each of the text's numbers.
            held_out: take the sentences that are held out, not the others.
        """
        for own, numbers in self.pieces(held_out=held_out):
            ids = table[own]
            yield from (ids[some] for some in numbers)


@dataclass(frozen=True)
class _Seen:
    """What a training text has."""

    words: list[str]
    """The distinct forms, first seen first."""
    counts: NDArray[np.int64]
    sentences: int
    forms: list[str]
    """The form of each word of the numbered text, held out or not."""

    def vocabulary(self, settings: VocabularySettings) -> Vocabulary:
        return Vocabulary.from_counts(self.words, self.counts, self.sentences, settings)


def _seen(kept: _Kept, form: WordForm, known: Container[str]) -> _Seen:
    """Count the forms of the words that are not held out."""
    forms = [form(word, known) for word in kept.text.words]
    counts, order = _counted(kept)
    index: dict[str, int] = {}
    places = [index.setdefault(forms[number - 1], len(index)) for number in order]
    of_forms = np.zeros(len(index), dtype=np.int64)
    np.add.at(of_forms, places, counts[order])
    return _Seen(list(index), of_forms, int(counts[0]), forms)


def _counted(kept: _Kept) -> tuple[NDArray[np.int64], list[int]]:
    """How often each number of a text is kept; the words that are, first seen first."""
    counts = np.zeros(len(kept.text.words) + 1, dtype=np.int64)
    order: dict[int, None] = {}
    for own, numbers in kept.pieces():
        here = np.zeros(len(own), dtype=np.int64)
        for some in numbers:
            new = some[here[some] == 0]
            order.update(dict.fromkeys(own[new].tolist()))
            here += np.bincount(some, minlength=len(own))
        counts[own] += here
    order.pop(0, None)
    return counts, list(order)
