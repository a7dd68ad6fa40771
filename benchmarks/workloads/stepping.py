"""A training step of ours, as the trainer takes it."""

from typing import Any

from torch import Tensor, nn

from wordlab.models.language_model import Loss
from wordlab.training.optimizers import OptimizerSet


def take_step(
    model: nn.Module, update: OptimizerSet, batch: Any, state: tuple[Tensor, ...] = ()
) -> tuple[float, tuple[Tensor, ...]]:
    """Update the weights on a batch; return the mean nats before, and the state after it."""
    loss: Loss = model(batch, state)
    value = float(loss.nats.detach()) / loss.targets
    update.zero()
    (loss.nats / loss.targets).backward()
    update.step(1.0)
    return value, loss.state
