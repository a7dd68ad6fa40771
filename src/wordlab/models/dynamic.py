"""Dynamic evaluation: a network that goes on learning from the text that it scores.

A word is predicted before it is learnt from; see `wordlab.models.caches`.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from wordlab.batching.batch import Batch
from wordlab.corpus.store import TokenStore
from wordlab.errors import WordlabError
from wordlab.models.language_model import Encoded, LanguageModel, Predictor, State

DIVERGED = 5.0
"""A segment whose mean nats pass this many times those of a uniform guess."""

FLOOR = 0.05
"""Added to the size of a gradient, in units of the mean size, before it is divided by."""


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
            self._refuse_divergence(log_probs, batch.targets)
            self._learn(_gradients(self._live, encoded.features, batch.targets))
        return log_probs, (encoded.state,)

    def _refuse_divergence(self, log_probs: Tensor, targets: Tensor) -> None:
        """Raise WordlabError where the steps have led away from all sense."""
        nats = -float(log_probs[torch.arange(len(targets)), targets].mean())
        if not nats <= DIVERGED * math.log(log_probs.shape[1]):  # no number is not either
            raise WordlabError(
                f"the network diverged while it scored, at a rate of {self.rate:g}",
                where="dynamic evaluation",
                mend="choose a lower rate (mix --dynamic)",
            )

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
