"""The memory that the training of a network takes, by formula."""

from collections.abc import Sequence

from torch import nn

from wordlab.models.cost import FLOAT_BYTES, LayerCost
from wordlab.models.softmax_nats import CHUNK_LOGITS
from wordlab.training.settings import TrainingSettings

_OF_A_CHECKPOINT = 3
"""Copies of all that resuming needs while it is written: the tensors, their bytes, the file's."""
_OF_THE_LARGEST = 3
"""Copies of the largest matrix in a step: its gradient as it is summed, turned and added."""
_OF_A_LOGIT = 2
"""Floats of each: itself and its probability."""
_OF_A_KEPT_NUMBER = 2
"""Floats of each number that a layer keeps for the way back: itself and its gradient."""


def kept_bytes(parameters: int, training: TrainingSettings) -> int:
    """Of the weights, their best values so far and their average: what stands before a step."""
    return FLOAT_BYTES * parameters * (2 + (training.averaging > 0))


def training_bytes(
    model: nn.Module, layers: Sequence[LayerCost], training: TrainingSettings, classes: int
) -> int:
    """Bytes that training adds to the program and the text; an estimate.

    Of each parameter: what `kept_bytes` counts, its gradient, what the optimiser keeps, and copies
    of all that while a checkpoint is written. Of a batch: logits, probabilities, what each layer
    keeps for the way back, and copies of the largest matrix.

    Args:
        layers: the model's.
        classes: V, or L of a tagger.
    """
    sizes = [p.numel() for p in model.parameters()]
    resumed = 1 + training.optimizer.numbers + (training.averaging > 0)
    once = sum(sizes) * (1 + training.optimizer.numbers + _OF_A_CHECKPOINT * resumed)
    logits = _OF_A_LOGIT * min(training.batch * classes, CHUNK_LOGITS)
    activations = _OF_A_KEPT_NUMBER * training.batch * sum(layer.kept for layer in layers)
    batch = logits + activations + _OF_THE_LARGEST * max(sizes, default=0)
    return kept_bytes(sum(sizes), training) + FLOAT_BYTES * (once + batch)
