"""Models that learn from the text that they score: caches and dynamic evaluation.

A word is predicted before it is learnt from, so the probabilities are those of an honest model, but
of one that has read the text so far: figures with such a model are called adaptive.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.packing import Packing
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.errors import WordlabError
from wordlab.models.language_model import Encoded, LanguageModel, Predictor, State

FLOOR = 0.05
"""Added to the size of a gradient, in units of the mean size, before dynamic evaluation divides."""


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


class DynamicModel(Predictor):
    """A network that takes a gradient step after each segment that it has scored.

    theta <- theta - rate g / (size / mean size + FLOOR) + decay (theta_0 - theta), with g the
    gradient of the segment's summed nats and size its root mean square in training, element by
    element (Krause et al. 2018, sec. 4); without sizes, theta - rate g.

    Args:
        model: the network; it stays as it is, a copy learns.
        segment: tokens that are scored before each step.
        sizes: of each parameter, by name; see `gradient_sizes`.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        rate: float,
        decay: float = 0.0,
        segment: int = 20,
        sizes: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.reading = model.reading
        self.rate = rate
        self.decay = decay
        self.segment = segment
        self.adaptation = (
            f"adaptive: dynamic evaluation, a gradient step every {segment} words or so"
        )
        self._base = model
        self._live = copy.deepcopy(model).eval()
        self._paces = [torch.ones(()) for _ in model.parameters()]
        if sizes is not None:
            ordered = [sizes[name] for name, _ in model.named_parameters()]
            mean = sum(float(size.sum()) for size in ordered) / sum(map(torch.numel, ordered))
            self._paces = [1 / (size / mean + FLOOR) for size in ordered]

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Score a batch, then learn from it; without a state, begin with the network as it was."""
        inner: tuple[Tensor, ...] = ()
        if state is None:
            self._live.load_state_dict(self._base.state_dict())
        elif batch.continues:
            inner = state[0]
        with torch.enable_grad():
            encoded: Encoded = self._live.encoder(batch, inner)
        with torch.no_grad():
            log_probs = self._live.output.log_probs(encoded.features)
        if len(batch.targets) and bool((batch.targets >= 0).all()):
            self._learn(_gradients(self._live, encoded.features, batch.targets))
        return log_probs, (encoded.state,)

    @torch.no_grad()
    def _learn(self, gradients: Sequence[Tensor]) -> None:
        of_base = self._base.parameters()
        for live, base, gradient, pace in zip(
            self._live.parameters(), of_base, gradients, self._paces, strict=True
        ):
            if self.decay:
                live.lerp_(base, self.decay)
            live.addcmul_(gradient, pace, value=-self.rate)


def gradient_sizes(
    model: LanguageModel, store: TokenStore, *, segment: int = 20, segments: int = 400
) -> dict[str, Tensor]:
    """The root mean square of each number's gradient over segments spread over a training text.

    The gradient is that of a segment's summed nats, dropout off, from a zero state.
    """
    squares = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    every = max(1, len(store) // (segment * segments))
    taken = 0
    for batch in islice(model.reading.batches(store, segment), 0, None, every):
        with torch.enable_grad():
            features = model.encoder(batch).features
        for square, gradient in zip(
            squares.values(), _gradients(model, features, batch.targets), strict=True
        ):
            square.addcmul_(gradient, gradient)
        taken += 1
    return {name: (square / max(taken, 1)).sqrt() for name, square in squares.items()}


def _gradients(model: LanguageModel, features: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        nats = model.output.loss(features, targets)
    return torch.autograd.grad(nats, list(model.parameters()))


def _uniform(types: int, start: int) -> Tensor:
    p = torch.full((types,), 1 / (types - 1))
    p[start] = 0
    return p
