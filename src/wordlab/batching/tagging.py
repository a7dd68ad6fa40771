"""Labelled sentences as batches for taggers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordlab.batching.batch import Order
from wordlab.batching.packing import Packing
from wordlab.corpus.labelled.lexicon import END, MARKERS, START, Lexicon
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.labelled.tag_set import TagSet

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class WordTable:
    """What a tagger sees of each distinct word of a text; the first rows are the markers.

    Attributes:
        columns: numbers of each feature. [U, F]
        letters: numbers of each character, -1 behind the last; None where they are not read. [U, C]
    """

    columns: Tensor
    letters: Tensor | None = None

    @classmethod
    def of(cls, words: Sequence[str], lexicon: Lexicon) -> "WordTable":
        """Look distinct words up."""
        letters = torch.from_numpy(lexicon.spellings(words)) if lexicon.letters else None
        return cls(torch.from_numpy(lexicon.rows(words)).long(), letters)

    def only(self, rows: Ids) -> "WordTable":
        """Some rows of the table."""
        chosen = torch.from_numpy(rows)
        letters = self.letters
        return WordTable(self.columns[chosen], letters if letters is None else letters[chosen])

    def to(self, device: torch.device) -> "WordTable":
        """The table on a device."""
        letters = self.letters
        return WordTable(
            self.columns.to(device), letters if letters is None else letters.to(device)
        )


@dataclass(frozen=True)
class TagBatch:
    """Sentences packed by time: first all first words, longest sentence first, and so on.

    Attributes:
        words: rows of the table, [M]; behind them stand no markers.
        targets: numbers of the tags, [M]; -1 where they are not known.
        steps: sentences that have a word at each time, falling.
        sentences: numbers of the sentences in their text, longest first; of words that are drawn
            one by one, their places in it. [S]
    """

    table: WordTable
    words: Tensor
    targets: Tensor
    steps: tuple[int, ...]
    sentences: Ids
    continues: bool = False

    @cached_property
    def packing(self) -> Packing:
        """Where each word stands."""
        return Packing.from_steps(self.steps)

    def share(self, rank: int, ranks: int) -> "TagBatch | None":
        """What one of several ranks trains on: every so many-th sentence; None: nothing."""
        own, steps = self.packing.share(rank, ranks)
        if not steps:
            return None
        chosen = torch.from_numpy(own)
        return TagBatch(
            self.table,
            self.words[chosen],
            self.targets[chosen],
            steps,
            self.sentences[rank::ranks],
        )

    def to(self, device: torch.device) -> "TagBatch":
        """The batch on a device."""
        if device.type == "cpu":
            return self
        return replace(
            self,
            table=self.table.to(device),
            words=self.words.to(device),
            targets=self.targets.to(device),
        )

    def neighbours(self, radius: int) -> Tensor:
        """The packed places of the words around each; the sentence's start is M, its end M + 1.

        [M, 2 radius + 1]
        """
        packing = self.packing
        size = len(packing.time)
        time = packing.time[:, None] + np.arange(-radius, radius + 1)
        length = packing.lengths[packing.sequence][:, None]
        inside = (time >= 0) & (time < length)
        places = packing.firsts[np.where(inside, time, 0)] + packing.sequence[:, None]
        return torch.from_numpy(np.where(inside, places, np.where(time < 0, size, size + 1)))

    def around(self, x: Tensor, radius: int) -> Tensor:
        """The vectors of each word and those around it, side by side. [M + 2, D] -> [M, P D]"""
        return functional.embedding(self.neighbours(radius).to(x.device), x).flatten(1)

    def padded(self) -> Tensor:
        """The rows of the table with those of the markers START and END behind. [M + 2]"""
        return torch.cat([self.words, self.words.new_tensor([START, END])])


@dataclass(frozen=True)
class WindowBatch(TagBatch):
    """Words drawn one by one: each is a sequence of its own, and `words` holds their windows.

    Attributes:
        words: rows of the table and of the markers, window after window. [M (2 radius + 1)]
    """

    def share(self, rank: int, ranks: int) -> "WindowBatch | None":
        """Every so many-th word, with its window."""
        targets = self.targets[rank::ranks]
        if not len(targets):
            return None
        windows = self.words.view(len(self.targets), -1)[rank::ranks]
        chosen = self.sentences[rank::ranks]
        return WindowBatch(self.table, windows.flatten(), targets, (len(targets),), chosen)

    def neighbours(self, radius: int) -> Tensor:
        """Each word's window. [M, 2 radius + 1]"""
        return torch.arange(len(self.words)).view(len(self.targets), 2 * radius + 1)

    def around(self, x: Tensor, radius: int) -> Tensor:
        """The vectors of each word's window, which stand side by side. [M P, D] -> [M, P D]"""
        return x.view(len(self.targets), -1)

    def padded(self) -> Tensor:
        """The words of all windows; markers stand among them."""
        return self.words


@dataclass(frozen=True)
class TagStore:
    """Sentences as numbers.

    Attributes:
        words: rows of the table, all sentences in turn. [N]
        tags: numbers of the tags; -1 where they are not known. [N]
        begins: where each sentence begins, and the end of the last. [S + 1]
    """

    table: WordTable
    words: Ids
    tags: Ids
    begins: Ids

    @classmethod
    def of(
        cls,
        sentences: Sequence[Sequence[str]],
        lexicon: Lexicon,
        tags: Sequence[Sequence[int]] | None = None,
    ) -> "TagStore":
        """Look up the words of sentences; each has at least one."""
        numbers: dict[str, int] = {}
        words = [numbers.setdefault(word, len(numbers)) for row in sentences for word in row]
        lengths = np.array([len(row) for row in sentences], dtype=np.int64)
        known = (
            np.full(len(words), -1, dtype=np.int64)
            if tags is None
            else np.array([tag for row in tags for tag in row], dtype=np.int64)
        )
        return cls(
            WordTable.of(list(numbers), lexicon),
            np.array(words, dtype=np.int64) + MARKERS,
            known,
            np.concatenate([[0], np.cumsum(lengths)]),
        )

    @classmethod
    def of_labelled(
        cls, sentences: Sequence[LabelledSentence], lexicon: Lexicon, tag_set: TagSet
    ) -> "TagStore":
        """Look up words and tags."""
        tags = [tag_set.encode(sentence) for sentence in sentences]
        return cls.of([sentence.words for sentence in sentences], lexicon, tags)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def lengths(self) -> Ids:
        """Of the sentences. [S]"""
        return np.diff(self.begins)

    def only(self, sentences: Ids) -> "TagStore":
        """Some sentences of the text, with a table of their words."""
        lengths = self.lengths[sentences]
        begins = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.begins[sentences] - begins[:-1], lengths) + np.arange(begins[-1])
        kept, words = np.unique(self.words[places], return_inverse=True)
        rows = np.concatenate([np.arange(MARKERS), kept])
        return TagStore(self.table.only(rows), words + MARKERS, self.tags[places], begins)

    def batches(self, size: int, order: Order | None = None) -> Iterator[TagBatch]:
        """Yield batches of up to `size` words, or one longer sentence.

        Args:
            order: draws sentences of about the same length together, in another way each epoch;
                None: by length, the longest first.
        """
        lengths = self.lengths
        if order is None:
            by_length = np.argsort(-lengths, kind="stable")
        else:
            draw = order.draw
            by_length = np.argsort(-(lengths + draw.uniform(0, 3, len(lengths))), kind="stable")
        groups = _groups(lengths[by_length], size)
        if order is not None:
            groups = [groups[at] for at in draw.permutation(len(groups))]
        for first, last in groups:
            chosen = by_length[first:last]
            chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
            yield self.batch(chosen)

    def windows(
        self, size: int, radius: int, order: Order, first: int = 0
    ) -> Iterator[WindowBatch]:
        """Yield batches of `size` words drawn from the whole text, each with its window.

        Args:
            first: begin with this one of the words drawn.
        """
        places = np.arange(len(self))[:, None] + np.arange(-radius, radius + 1)
        start, end = (
            np.repeat(x, self.lengths)[:, None] for x in (self.begins[:-1], self.begins[1:])
        )
        around = self.words[places.clip(0, len(self) - 1)]
        around = np.where(places < start, START, np.where(places >= end, END, around))
        drawn = order.draw.permutation(len(self))
        for at in range(first, len(self), size):
            chosen = drawn[at : at + size]
            yield WindowBatch(
                self.table,
                torch.from_numpy(around[chosen].ravel()),
                torch.from_numpy(self.tags[chosen]),
                (len(chosen),),
                chosen,
            )

    def batch(self, sentences: Ids) -> TagBatch:
        """The batch of some sentences, the longest first."""
        packing = Packing.of(self.lengths[sentences])
        places = self.begins[sentences][packing.sequence] + packing.time
        return TagBatch(
            self.table,
            torch.from_numpy(self.words[places]),
            torch.from_numpy(self.tags[places]),
            tuple(packing.steps.tolist()),
            sentences,
        )


def _groups(lengths: Ids, size: int) -> list[tuple[int, int]]:
    """Cut a list of sentences so that no group but of one sentence has more than `size` words."""
    groups = []
    first = total = 0
    for at, length in enumerate(lengths.tolist()):
        if at > first and total + length > size:
            groups.append((first, at))
            first, total = at, 0
        total += length
    groups.append((first, len(lengths)))
    return groups
