"""Sentences on their own, or one stream with the state carried: readings of recurrent models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Batch, Order, Questions, Reading, after
from wordlab.batching.packing import Indices, Packing
from wordlab.batching.questions import ask_sentences, repeated
from wordlab.corpus.store import TokenStore

LONGEST = 1024
"""Training cuts no sentence that is shorter than this, however small its batches are."""

SENTENCES_AT_ONCE = 2048
"""Among so many sentences scoring looks for common beginnings."""
WORTH_SHARING = 0.3
"""Share of the contexts that others had before, from which on they are worked out once."""

POOL_BATCHES = 16
"""Sentences are shuffled, then sorted by length within so many batches, which are shuffled too."""


@dataclass(frozen=True)
class Sentences(Reading):
    """Each sentence on its own, from a zero state.

    Attributes:
        unpredicted: words at the beginning of each sentence that are read but no targets; 2 gives
            the targets of CMU 10-707's 4-grams.
        train_all: training has them for targets nevertheless.
    """

    unpredicted: int = 0
    train_all: bool = False

    @property
    def protocol(self) -> str:
        """The reading in words."""
        first = (
            "every word and the end marker is predicted"
            if not self.unpredicted
            else f"a sentence's first {self.unpredicted} words are read but not predicted, "
            "the end marker is"
        )
        return f"each sentence on its own from a zero state, read whole; {first}"

    @property
    def fewest_words(self) -> int:
        """The words that are no targets."""
        return self.unpredicted

    def in_training(self, size: int) -> "Sentences":
        """With all targets, if so wished."""
        return Sentences() if self.train_all else self

    def batches(
        self,
        store: TokenStore,
        size: int,
        *,
        order: Order | None = None,
        left_out: frozenset[int] = frozenset(),
    ) -> Iterator[Batch]:
        """Yield whole sentences, as many as have up to `size` tokens; see `Reading.batches`.

        A sentence of more tokens is a batch of its own in training, up to LONGEST tokens; beyond
        that, and in scoring, it is a sequence of batches, each of which continues the last.
        """
        most = max(size, 1) if order is None else max(size, LONGEST)
        begins, lengths = _sentences(store)
        if not len(begins):
            return
        for group in _groups(lengths, size, order):
            group = group[np.argsort(-lengths[group], kind="stable")]
            longest = int(lengths[group[0]])
            for first in range(0, longest, most):  # more than once for one long sentence
                part = np.minimum(lengths[group] - first, most)
                packing = Packing.of(part)
                places = packing.time + first
                batch = _batch(
                    store,
                    positions=begins[group][packing.sequence] + places,
                    opens=places == 0,
                    opening=store.start,
                    steps=packing.steps,
                    counted=places >= self.unpredicted,
                    left_out=left_out,
                )
                yield replace(batch, continues=first > 0)

    def asked(self, store: TokenStore, size: int) -> Iterator[list[Questions]]:
        """Where beginnings are often alike, ask for all first words, then all second words.

        Sentences that began alike ask once then. Else they are read batch by batch: a step for each
        word of a few sentences would multiply by all of the weights each time.
        """
        begins, _ = _sentences(store)
        if repeated(store, begins[:SENTENCES_AT_ONCE]) < WORTH_SHARING:
            yield from super().asked(store, size)
            return
        for first in range(0, len(begins), SENTENCES_AT_ONCE):
            group = begins[first : first + SENTENCES_AT_ONCE]
            yield from ask_sentences(store, group, size, self.unpredicted)

    def target_counts(self, store: TokenStore, types: int) -> NDArray[np.int64]:
        """How often each id is a target. int64 [types]."""
        total = np.zeros(types, dtype=np.int64)
        since = 0  # tokens of the sentence that ran over the chunk's beginning
        for _, ids in store.chunks():
            ends = np.flatnonzero(ids == store.end)
            firsts = np.concatenate([[-since], ends + 1])
            places = np.arange(len(ids)) - firsts[np.searchsorted(ends, np.arange(len(ids)))]
            total += np.bincount(ids[places >= self.unpredicted], minlength=types)
            since = len(ids) - int(firsts[-1])
        return total

    def contexts(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return the histories, each after a start marker, packed; the last of each is counted."""
        return _histories(histories, start)

    def continued(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return the last word of each history, which goes on from a state."""
        return _lasts(histories)


@dataclass(frozen=True)
class Stream(Reading):
    """The whole text as one sequence whose state is carried from sentence to sentence.

    The first token is read after an end marker and a zero state; the start marker is not used.

    Attributes:
        length: tokens that training reads, and goes back over, at a time.
        lanes: equal parts of the text that are read side by side, each from a zero state. Scoring
            reads one; training as many as its batch has room for.
        jitter: training draws each length anew between `length` times 1 - jitter and 1 + jitter.
        rotate: training begins each lane at a place drawn anew each epoch, and goes on from its end
            to its beginning, so that other words meet in a batch (Press 2019, partial shuffling).
        begins: where the lanes begin in the text, the first at 0; empty for equal parts.
    """

    length: int = 35
    lanes: int = 1
    jitter: float = 0.0
    rotate: bool = False
    begins: tuple[int, ...] = ()

    carries = True

    @property
    def protocol(self) -> str:
        """The reading in words."""
        read = (
            "one stream, the state carried from sentence to sentence"
            if self.lanes == 1
            else f"{self.lanes} streams of equal length, the state carried within each"
        )
        return f"{read}; every word and the end marker is predicted"

    @property
    def fewest_words(self) -> int:
        """None."""
        return 0

    def in_training(self, size: int) -> "Stream":
        """As many lanes as fill a batch."""
        return replace(self, lanes=max(1, size // self.length))

    def between_epochs(self, size: int) -> "Stream":
        """The lanes of training: one lane takes a step a token, which is slow."""
        return self.in_training(size)

    def batches(
        self,
        store: TokenStore,
        size: int,
        *,
        order: Order | None = None,
        left_out: frozenset[int] = frozenset(),
    ) -> Iterator[Batch]:
        """Yield the next tokens of all lanes, again and again; see `Reading.batches`."""
        if not len(store):
            return
        bounds = self._bounds(len(store))
        begins, lengths = bounds[:-1], np.diff(bounds)
        by_length = np.argsort(-lengths, kind="stable")
        begins, lengths = begins[by_length], lengths[by_length]
        draw = order.draw if order else None
        turns = draw.integers(lengths) if draw and self.rotate else np.zeros_like(lengths)
        first = 0
        for steps in self._lengths(int(lengths[0]), max(1, size // len(begins)), draw):
            left = lengths - first
            packing = Packing.of(np.minimum(left[left > 0], steps))
            lane = packing.sequence
            places = packing.time + first
            positions = begins[lane] + (places + turns[lane]) % lengths[lane]
            batch = _batch(
                store,
                positions=positions,
                opens=(places == 0) | (positions == 0),
                opening=store.end,
                steps=packing.steps,
                counted=np.ones(len(places), dtype=bool),
                left_out=left_out,
            )
            yield replace(batch, continues=first > 0)
            first += steps

    def _bounds(self, tokens: int) -> Indices:
        """Where the lanes begin, and the text's end."""
        if self.begins:
            return np.array([*self.begins, tokens], dtype=np.int64)
        return np.linspace(0, tokens, min(self.lanes, tokens) + 1).astype(np.int64)

    def _lengths(self, total: int, usual: int, draw: np.random.Generator | None) -> Iterator[int]:
        """The lengths of the segments: `usual`, or drawn about it; the last is what is left."""
        least, most = max(1, round(usual * (1 - self.jitter))), round(usual * (1 + self.jitter))
        while total > 0:
            steps = (
                int(draw.integers(least, most, endpoint=True)) if draw and self.jitter else usual
            )
            yield min(steps, total)
            total -= steps

    def target_counts(self, store: TokenStore, types: int) -> NDArray[np.int64]:
        """How often each id is a target. int64 [types]."""
        return store.counts(types)

    def contexts(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return the histories, each after an end marker, packed; the last of each is counted."""
        return _histories(histories, end)

    def continued(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return the last word of each history, which goes on from a state."""
        return _lasts(histories)


def _sentences(store: TokenStore) -> tuple[Indices, Indices]:
    """Where each sentence begins, and how many tokens it has."""
    ends = np.flatnonzero(np.asarray(store.ids) == store.end).astype(np.int64)
    begins = np.concatenate([[0], ends + 1])[:-1]
    return begins, ends + 1 - begins


def _groups(lengths: Indices, size: int, order: Order | None) -> Iterator[Indices]:
    """Cut the sentences into groups of up to `size` tokens, or of one longer sentence."""
    if order is None:
        yield from _cut(np.arange(len(lengths)), lengths, size)
        return
    draw = order.draw
    shuffled = draw.permutation(len(lengths))
    pool_of = np.cumsum(lengths[shuffled]) // max(size * POOL_BATCHES, 1)
    for pool in np.split(shuffled, np.flatnonzero(np.diff(pool_of)) + 1):
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        groups = list(_cut(by_length, lengths, size))
        for index in draw.permutation(len(groups)):
            yield groups[index]


def _cut(sentences: Indices, lengths: Indices, size: int) -> Iterator[Indices]:
    """Cut a list of sentences into stretches of up to `size` tokens, at least one sentence each."""
    ends = np.cumsum(lengths[sentences])
    first = 0
    while first < len(sentences):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + size, side="right")), first + 1)
        yield sentences[first:last]
        first = last


def _batch(
    store: TokenStore,
    *,
    positions: Indices,
    opens: NDArray[np.bool_],
    opening: int,
    steps: Indices,
    counted: NDArray[np.bool_],
    left_out: frozenset[int],
) -> Batch:
    """Look up the ids: the target is the token at a position, the input the one before it.

    Args:
        opens: where a sequence begins, so that `opening` is read instead.
        counted: which tokens are targets.
    """
    targets = np.asarray(store.ids[positions]).astype(np.int64)
    inputs = np.asarray(store.ids[np.maximum(positions - 1, 0)]).astype(np.int64)
    inputs[opens] = opening
    if left_out:
        counted = counted & ~np.isin(targets, list(left_out))
    rows = None if counted.all() else torch.from_numpy(np.flatnonzero(counted))
    return Batch(
        torch.from_numpy(inputs),
        torch.from_numpy(targets[counted]),
        positions[counted],
        store.ids,
        steps=tuple(steps.tolist()),
        counted=rows,
    )


def _histories(histories: Sequence[Sequence[int]], opening: int) -> Batch:
    """Pack histories for the word after each; row i of the counted inputs is history i."""
    lengths = np.array([len(history) + 1 for history in histories], dtype=np.int64)
    by_length = np.argsort(-lengths, kind="stable")
    packing = Packing.of(lengths[by_length])
    table = np.full((len(histories), int(lengths.max())), opening, dtype=np.int64)
    for row, history in enumerate(histories):
        table[row, 1 : len(history) + 1] = history
    lasts = np.empty(len(histories), dtype=np.int64)
    lasts[by_length] = packing.lasts
    return after(
        torch.from_numpy(table[by_length][packing.sequence, packing.time]),
        histories,
        steps=tuple(packing.steps.tolist()),
        counted=torch.from_numpy(lasts),
    )


def _lasts(histories: Sequence[Sequence[int]]) -> Batch:
    """The last word of each history; the state has all before it."""
    words = torch.tensor([history[-1] for history in histories])
    return replace(after(words, histories, steps=(len(histories),)), continues=True)
