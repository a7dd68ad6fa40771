"""What is learned: the seam between the training loop and what it trains."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.batch import Order
from wordlab.training.settings import TrainingSettings

Floats = NDArray[np.float64]


class Examples(Protocol):
    """A batch: some targets, and what they are predicted from."""

    @property
    def targets(self) -> Tensor:
        """What is to be predicted, one number a target."""

    @property
    def continues(self) -> bool:
        """Whether it goes on where the batch before it ended."""

    def share(self, rank: int, ranks: int) -> Self | None:
        """What one of several ranks trains on; None where that is nothing."""

    def to(self, device: torch.device) -> Self:
        """The batch on a device."""


@dataclass(frozen=True)
class Judged:
    """How good a model is, dropout off.

    Attributes:
        train_nats, validation_nats: cross-entropy in nats a target.
        train_targets: training targets that were looked at.
        train_accuracy, validation_accuracy: share of targets whose most probable class is right.
        validation_f1: of entities, where there are entities.
    """

    train_nats: float
    train_targets: int
    train_accuracy: float
    validation_nats: float
    validation_accuracy: float
    validation_f1: float | None = None


class Steps(ABC):
    """Takes the steps of an epoch, for one batch or many at a time."""

    @abstractmethod
    def blocks(self, order: Order, first: int) -> Iterator[Any]:
        """The batches of an epoch, from one of them on, as many at a time as there are steps."""

    @abstractmethod
    def count(self, block: Any) -> int:
        """Batches of a block."""

    @abstractmethod
    def take(self, block: Any, factors: Floats) -> float:
        """Train on a block, the rate times a factor for each batch; return the nats before."""


class Task(ABC):
    """A model, the text that it learns from, and how it is judged.

    Attributes:
        model: called with a batch and the state that the batch before it left, it returns a
            `Loss`.
        uniform_nats: nats a target of a guess at all classes alike.
    """

    model: nn.Module
    uniform_nats: float

    @abstractmethod
    def targets(self, left_out: int) -> int:
        """Targets of an epoch without the so many commonest ones."""

    @abstractmethod
    def batches(self, size: int, order: Order, left_out: int) -> Iterator[Examples]:
        """The batches of an epoch."""

    def steps(self, settings: TrainingSettings) -> Steps | None:
        """What takes the steps of such a training in its own way; as a rule, nothing does."""
        return None

    @abstractmethod
    def judge(self, most: int) -> Judged:
        """Score the model, which is in its mode for use; of the training text `most` targets."""

    @abstractmethod
    def judged_targets(self, most: int) -> int:
        """How many targets `judge` scores."""

    def at(self, share: float) -> None:  # noqa: B027
        """Hear what share of the training is done; as a rule, nothing depends on it."""
