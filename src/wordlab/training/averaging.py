"""A running average of the weights, which is often better than the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Running average of a model's parameters (Polyak and Juditsky 1992; Adam, sec. 7).

    The average starts from the first weights that it takes in; until then it is the weights
    themselves. The decay is corrected at the start, as min(decay, (1 + t) / (10 + t)) after t
    updates.

    Args:
        decay: share of the old average kept at each update; 0 turns the average off, 1 makes it
            the plain mean of all weights that it took in, as averaged SGD has it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._model = model
        self._average = [p.detach().clone() for p in model.parameters()] if decay else []

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights."""
        if not self.decay:
            return
        self.updates += 1
        if self.updates == 1:
            share = 1.0
        elif self.decay == 1:
            share = 1 / self.updates
        else:
            share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._average, [p.detach() for p in self._model.parameters()], share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the model's place for a while."""
        if not self.decay or not self.updates:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self._model.parameters(), self._average, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the model's present weights by name."""
        return {name: value.detach().clone() for name, value in self._model.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        """The average under flat names, for a checkpoint."""
        if not self.decay:
            return {}
        named = {str(index): value for index, value in enumerate(self._average)}
        return {**named, "updates": torch.tensor(self.updates)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back a state from `tensors`."""
        if self.decay:
            self.updates = int(tensors["updates"])
            self._average = [tensors[str(i)].to(p.device) for i, p in enumerate(self._average)]
