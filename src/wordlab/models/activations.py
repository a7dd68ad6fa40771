"""Activation functions by name."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from wordlab.registry import Registry

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: Registry[Activation] = Registry("activation")

ACTIVATIONS.register("tanh")(torch.tanh)
ACTIVATIONS.register("sigmoid")(torch.sigmoid)
ACTIVATIONS.register("relu")(torch.relu)
ACTIVATIONS.register("gelu")(functional.gelu)


@ACTIVATIONS.register("identity")
def identity(x: Tensor) -> Tensor:
    """X itself: a linear hidden layer."""
    return x
