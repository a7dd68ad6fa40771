"""Windows: each token is predicted from the n - 1 before it in the same sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Batch, Order, Questions, Reading, after
from wordlab.batching.questions import ask, numbered
from wordlab.corpus.store import Ids, TokenStore
from wordlab.errors import WordlabError

ASKED_TOKENS = 1 << 16
"""Among so many targets scoring looks for equal windows."""

Padding = Literal["full", "single"]

BLOCK_TOKENS = 1 << 20
"""Targets are shuffled within blocks of this many tokens and the blocks among themselves."""


@dataclass(frozen=True)
class Windows(Reading):
    """Reading for n-gram models.

    Attributes:
        order: n; each target is read with the n - 1 tokens before it.
        padding: "full" sets n - 1 start markers before each sentence, so that every word and the
            end marker is predicted; "single" sets one, as CMU 10-707 does, so that a sentence's
            first n - 2 words are never predicted.
    """

    order: int
    padding: Padding = "full"

    @property
    def protocol(self) -> str:
        """The reading in words."""
        first = (
            "every word and the end marker is predicted"
            if self.padding == "full" or self.order <= 2
            else f"one start marker: a sentence's first {self.order - 2} words are not predicted,"
            " the end marker is"
        )
        return f"each sentence on its own, windows of {self.order} tokens; {first}"

    @property
    def fewest_words(self) -> int:
        """0, or n - 2 with a single start marker."""
        return 0 if self.padding == "full" else self.order - 2

    def batches(
        self,
        store: TokenStore,
        size: int,
        *,
        order: Order | None = None,
        left_out: frozenset[int] = frozenset(),
    ) -> Iterator[Batch]:
        """Yield every target once; see `Reading.batches`."""
        waiting: list[tuple[Ids, Ids, NDArray[np.int64]]] = []
        held = 0
        for block in self._blocks(store, order, left_out):
            waiting.append(block)
            held += len(block[1])
            if held < size:
                continue
            inputs, targets, positions = _joined(waiting)
            whole = held - held % size
            for first in range(0, whole, size):
                here = slice(first, first + size)
                yield _batch(store, inputs[here], targets[here], positions[here])
            waiting = [(inputs[whole:], targets[whole:], positions[whole:])]
            held -= whole
        if held:
            yield _batch(store, *_joined(waiting))

    def asked(self, store: TokenStore, size: int) -> Iterator[list[Questions]]:
        """Ask for the words after each window, once a stretch of the text."""
        for first in range(0, len(store), ASKED_TOKENS):
            inputs, _, places = self.examples(store, first, ASKED_TOKENS)
            windows = np.zeros(len(inputs), dtype=np.int64)
            for column in inputs.T:
                windows = numbered(windows, column)
            _, firsts = np.unique(windows, return_index=True)
            if len(places):
                yield from ([one] for one in ask(store, places, windows, inputs[firsts], size))

    def _blocks(
        self, store: TokenStore, order: Order | None, left_out: frozenset[int]
    ) -> Iterator[tuple[Ids, Ids, NDArray[np.int64]]]:
        """Yield inputs, targets and positions of each block, shuffled if an order is given."""
        firsts = np.arange(0, len(store), BLOCK_TOKENS)
        draw = np.random.default_rng([order.seed, order.epoch]) if order else None
        if draw is not None:
            firsts = draw.permutation(firsts)
        for first in firsts:
            inputs, targets, positions = self.examples(store, int(first), BLOCK_TOKENS)
            if left_out:
                kept = ~np.isin(targets, list(left_out))
                inputs, targets, positions = inputs[kept], targets[kept], positions[kept]
            if draw is not None:
                shuffled = draw.permutation(len(targets))
                inputs, targets, positions = (
                    inputs[shuffled],
                    targets[shuffled],
                    positions[shuffled],
                )
            yield inputs, targets, positions

    def examples(
        self, store: TokenStore, first: int, tokens: int
    ) -> tuple[Ids, Ids, NDArray[np.int64]]:
        """Return inputs [N, n - 1], targets [N] and positions [N] of a stretch of the text.

        A token before the sentence's own first word is replaced by the start marker.
        """
        reach = self.order - 1
        last = min(first + tokens, len(store))
        begin = max(first - reach, 0)
        before = np.full(reach - (first - begin), store.end, dtype=store.ids.dtype)
        stream = np.concatenate([before, np.asarray(store.ids[begin:last])])
        count = last - first
        inputs = np.empty((count, reach), dtype=stream.dtype)
        left_sentence = np.zeros(count, dtype=bool)
        kept = np.ones(count, dtype=bool)
        for distance in range(1, reach + 1):
            if distance == reach and self.padding == "single":
                kept = ~left_sentence
            token = stream[reach - distance : reach - distance + count]
            left_sentence |= token == store.end
            inputs[:, reach - distance] = np.where(left_sentence, store.start, token)
        targets = stream[reach:]
        positions = np.arange(first, last, dtype=np.int64)
        if kept.all():
            return inputs, targets, positions
        return inputs[kept], targets[kept], positions[kept]

    def target_counts(self, store: TokenStore, types: int) -> NDArray[np.int64]:
        """How often each id is a target. int64 [types]."""
        total = np.zeros(types, dtype=np.int64)
        for first in range(0, len(store), BLOCK_TOKENS):
            targets = self.examples(store, first, BLOCK_TOKENS)[1]
            total += np.bincount(targets, minlength=types)
        return total

    def contexts(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return the last n - 1 words of each history, start markers before them."""
        reach = self.order - 1
        rows = [([start] * reach + list(history))[len(history) :] for history in histories]
        inputs = torch.tensor(rows, dtype=torch.int64).reshape(len(rows), reach)
        return after(inputs, histories)

    def like(self, batch: Batch, start: int, end: int) -> Batch:
        """Return the windows before another batch's targets."""
        reach = self.order - 1
        inputs = batch.past(reach)
        outside = np.cumsum(((inputs == -1) | (inputs == end))[:, ::-1], axis=1)[:, ::-1] > 0
        if self.padding == "single" and reach > 1 and bool(outside[:, 1].any()):
            raise WordlabError(
                "does not predict the first words of a sentence, as the other models do",
                where="windows with a single start marker",
                mend="train it with model.padding=full",
            )
        inputs[outside] = start
        return replace(batch, inputs=torch.from_numpy(inputs), steps=(), counted=None)


def _joined(
    parts: list[tuple[Ids, Ids, NDArray[np.int64]]],
) -> tuple[Ids, Ids, NDArray[np.int64]]:
    if len(parts) == 1:
        return parts[0]
    inputs, targets, positions = zip(*parts, strict=True)
    return np.concatenate(inputs), np.concatenate(targets), np.concatenate(positions)


def _batch(store: TokenStore, inputs: Ids, targets: Ids, positions: NDArray[np.int64]) -> Batch:
    return Batch(
        torch.from_numpy(inputs.astype(np.int64)),
        torch.from_numpy(targets.astype(np.int64)),
        positions,
        store.ids,
    )
