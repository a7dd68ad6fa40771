"""Softmax layers to compare kernels on."""

import torch
from torch import Tensor


def drawn(rows: int, features: int, classes: int, scale: float = 1.0) -> tuple[Tensor, ...]:
    """Features [B, F], weights [V, F] and biases [V] of a layer, and targets [B]."""
    draw = torch.Generator().manual_seed(rows + 31 * features + 977 * classes)
    x = torch.randn(rows, features, generator=draw)
    weight = torch.randn(classes, features, generator=draw) * scale / features**0.5
    bias = torch.randn(classes, generator=draw)
    return x, weight, bias, torch.randint(0, classes, (rows,), generator=draw)
