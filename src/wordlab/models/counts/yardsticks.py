"""Yardsticks that need counting only: the unigram and an interpolated n-gram."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.windows import BLOCK_TOKENS, Windows
from wordlab.corpus.store import TokenStore
from wordlab.models.language_model import Predictor, State


class Unigram(Predictor):
    """p(w) = (c(w) + 1) / (N + V), counted over the training targets (add-one)."""

    def __init__(self, reading: Reading, target_counts: NDArray[np.int64]) -> None:
        self.reading = reading
        smoothed = target_counts.astype(np.float64) + 1
        self._log_probs = torch.from_numpy(np.log(smoothed / smoothed.sum())).float()

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """The same distribution whatever the context. [N, V]"""
        return self._log_probs.expand(len(batch.targets), -1), None


@dataclass(frozen=True)
class _Order:
    """Followers of the contexts of one length, contexts ascending by key.

    Attributes:
        begins: where each context's followers begin, [C + 1].
        followers: ids of the words seen after each context, [F].
        counts: how often each was, [F].
    """

    begins: NDArray[np.int64]
    followers: NDArray[np.int64]
    counts: NDArray[np.float64]
    totals: NDArray[np.float64]
    """How often each context was seen, [C]."""


class WittenBell(Predictor):
    """Interpolated Witten-Bell n-gram (Bell, Cleary and Witten 1990, method C, interpolated).

    p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h)), where T(h) is the number of different
    words seen after h and h' is h without its first word; an unseen h leaves p(w | h') as it is;
    below the unigram stands the uniform distribution.

    Args:
        reading: the windows; contexts of n - 1 tokens and all their ends are counted.
        store: the training text.
        vocabulary: V.
    """

    def __init__(self, reading: Windows, store: TokenStore, vocabulary: int) -> None:
        self.reading = reading
        self.vocabulary = vocabulary
        self._ranks: list[NDArray[np.int64]] = []
        contexts, targets = [], []
        for first in range(0, len(store), BLOCK_TOKENS):
            inputs, words, _ = reading.examples(store, first, BLOCK_TOKENS)
            contexts.append(inputs)
            targets.append(words)
        inputs = np.concatenate(contexts).astype(np.int64)
        words = np.concatenate(targets).astype(np.int64)
        self._orders = [
            self._count(self._fit_keys(inputs, length), words) for length in range(reading.order)
        ]

    def _fit_keys(self, inputs: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Number the distinct contexts of a length, by number of the shorter one and first word."""
        if length == 0:
            return np.zeros(len(inputs), dtype=np.int64)
        pairs = self._pair(self._keys(inputs, length - 1), inputs[:, -length])
        distinct, keys = np.unique(pairs, return_inverse=True)
        self._ranks.append(distinct)
        return keys

    def _keys(self, inputs: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """The number of each row's last `length` tokens as a context; -1 if it was never seen."""
        keys = np.zeros(len(inputs), dtype=np.int64)
        for distance in range(1, length + 1):
            distinct = self._ranks[distance - 1]
            pairs = self._pair(keys, inputs[:, -distance])
            place = np.minimum(np.searchsorted(distinct, pairs), len(distinct) - 1)
            keys = np.where((keys >= 0) & (distinct[place] == pairs), place, -1)
        return keys

    def _pair(self, keys: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.int64]:
        return keys * self.vocabulary + words

    def _count(self, keys: NDArray[np.int64], words: NDArray[np.int64]) -> _Order:
        pairs, counts = np.unique(self._pair(keys, words), return_counts=True)
        owners, followers = np.divmod(pairs, self.vocabulary)
        begins = np.unique(owners, return_index=True)[1]
        seen = counts.astype(np.float64)
        totals = np.add.reduceat(seen, begins)
        return _Order(np.append(begins, len(pairs)), followers, seen, totals)

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of the next word. [N, V] float32"""
        contexts = batch.inputs.numpy()
        p = np.full((len(contexts), self.vocabulary), 1 / self.vocabulary)
        for length, order in enumerate(self._orders):
            keys = self._keys(contexts, length)
            rows = np.flatnonzero(keys >= 0)
            here = keys[rows]  # contexts are numbered densely, so a key is its own place
            begins, ends = order.begins[here], order.begins[here + 1]
            types = (ends - begins).astype(np.float64)
            spans = np.concatenate(
                [np.arange(b, e) for b, e in zip(begins, ends, strict=True)] or [begins[:0]]
            )
            owner = np.repeat(rows, ends - begins)
            totals = order.totals[here]
            p[rows] *= (types / (totals + types))[:, None]
            share = np.repeat(1 / (totals + types), ends - begins)
            p[owner, order.followers[spans]] += order.counts[spans] * share
        return torch.from_numpy(np.log(p)).float(), None
