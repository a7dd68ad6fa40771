"""Caches: models that learn from the text that they score, by keeping what they have read.

A word is predicted before it is learnt from, so the probabilities are those of an honest model, but
of one that has read the text so far: figures with such a model are called adaptive.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.packing import Packing
from wordlab.batching.windows import Windows
from wordlab.errors import WordlabError
from wordlab.models.language_model import LanguageModel, Predictor, State


class UnigramCache(Predictor):
    """p(w) = share of w among the last words of the text (Kuhn and De Mori 1990).

    Before the first word all words but the start marker are equally probable.

    Args:
        reading: of the models that it goes with.
        window: how many words back it looks.
    """

    def __init__(self, reading: Reading, types: int, start: int, window: int) -> None:
        self.reading = reading
        self.window = window
        self.adaptation = f"adaptive: a unigram cache of the last {window:,} words of the text"
        self._types = types
        self._uniform = _uniform(types, start)

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place. [N, V]"""
        past = batch.past(self.window)
        rows, places = np.nonzero(past >= 0)
        keys = rows * self._types + past[rows, places]
        counts = torch.zeros(len(past) * self._types)
        found, times = np.unique(keys, return_counts=True)
        counts[torch.from_numpy(found)] = torch.from_numpy(times).float()
        table = counts.view(len(past), self._types)
        total = table.sum(dim=1, keepdim=True)
        p = torch.where(total > 0, table / total.clamp_min(1), self._uniform)
        return torch.log(p), None


@dataclass(frozen=True)
class _Memory:
    """What a neural cache keeps: features, the words that followed them, and where."""

    inner: tuple[Tensor, ...]
    keys: Tensor
    words: Tensor
    positions: NDArray[np.int64]


class NeuralCache(Predictor):
    """p(w) ~ sum of exp(sharpness h_t . h_i) over earlier i that w followed.

    Features h are scaled to unit length times the square root of their number, so that one
    sharpness serves nets of all widths. Source: Grave, Joulin and Usunier 2017, eq. 2.

    Args:
        model: the recurrent network whose features are compared.
        window: how many words back it looks.

    Raises:
        WordlabError: where the network reads windows.
    """

    def __init__(
        self, model: LanguageModel, types: int, start: int, *, window: int, sharpness: float
    ) -> None:
        if isinstance(model.reading, Windows):
            raise WordlabError(
                "reads windows, and a neural cache needs a recurrent network", where="neural cache"
            )
        self.model = model
        self.reading = model.reading
        self.window = window
        self.sharpness = sharpness
        self.adaptation = f"adaptive: a neural cache of the last {window:,} words of the text"
        self._types = types
        self._uniform = _uniform(types, start)

    @torch.no_grad()
    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place [N, V], and the memory."""
        old = state if isinstance(state, _Memory) else None
        # The features of all tokens are kept, also of those whose successor is no target.
        everything = replace(batch, counted=None)
        encoded = self.model.encoder(everything, old.inner if old and batch.continues else ())
        keys = functional.normalize(encoded.features, dim=1) * encoded.features.shape[1] ** 0.5
        h = keys if batch.counted is None else keys[batch.counted]
        places = _places(batch)
        words = torch.from_numpy(batch.text[np.maximum(places, 0)].astype(np.int64))
        memory = _Memory(encoded.state, keys, words, places)
        if old is not None:
            memory = self._joined(old, memory)
        here, there = batch.positions[:, None], memory.positions[None, :]
        begin = np.zeros(1) if batch.since is None else batch.since
        seen = (there < here) & (there >= np.maximum(here - self.window, begin[:, None]))
        scores = (self.sharpness * h @ memory.keys.t()).masked_fill(
            ~torch.from_numpy(seen), -math.inf
        )
        shares = torch.softmax(scores, dim=1).nan_to_num(nan=0.0)
        words = memory.words.expand_as(shares)
        p = shares.new_zeros(len(h), self._types).scatter_add_(1, words, shares)
        none = torch.from_numpy(~seen.any(axis=1))[:, None]
        return torch.log(torch.where(none, self._uniform, p)), memory

    def _joined(self, old: _Memory, new: _Memory) -> _Memory:
        """The memory with the new features, without those out of every window."""
        last = int(new.positions.max(initial=0))
        kept = torch.from_numpy(old.positions >= last - 2 * self.window - len(new.positions))
        return _Memory(
            new.inner,
            torch.cat([old.keys[kept], new.keys]),
            torch.cat([old.words[kept], new.words]),
            np.concatenate([old.positions[kept.numpy()], new.positions]),
        )


def _places(batch: Batch) -> NDArray[np.int64]:
    """Where the successor of each packed token stands in the text; -1 where none is known. [M]"""
    packing = Packing.from_steps(batch.steps)
    rows = np.arange(len(packing.time)) if batch.counted is None else batch.counted.numpy()
    first = np.full(batch.steps[0], -len(packing.time) - 1)  # of a sequence without a target
    first[packing.sequence[rows]] = batch.positions - packing.time[rows]
    places = np.maximum(first[packing.sequence] + packing.time, -1)
    places[rows[batch.targets.numpy() < 0]] = -1
    return places


def _uniform(types: int, start: int) -> Tensor:
    p = torch.full((types,), 1 / (types - 1))
    p[start] = 0
    return p
