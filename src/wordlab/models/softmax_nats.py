"""The loss of a softmax layer, with product, softmax, loss and gradient fused and cut in chunks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from wordlab.models.products import linear
from wordlab.native import softmax as native
from wordlab.native.library import kernels
from wordlab.native.workspace import workspace

CHUNK_LOGITS = 1 << 23
"""Logits held at a time: 32 MiB of float32; larger batches are cut."""


def chunk_rows(rows: int, vocabulary: int) -> int:
    """How many rows of a batch are worked on at a time."""
    chunks = max(1, -(-rows * vocabulary // CHUNK_LOGITS))
    return max(1, -(-rows // chunks))


_mean_of: ContextVar[int] = ContextVar("mean_of", default=0)


@contextmanager
def mean_of(targets: int) -> Iterator[None]:
    """Keep gradients as the mean of so many targets' nats will ask for them.

    It saves a pass over them, and changes nothing else. By default so many are those of a call.
    """
    token = _mean_of.set(targets)
    try:
        yield
    finally:
        _mean_of.reset(token)


@dataclass(frozen=True)
class _Layer:
    """What the loss is of.

    Attributes:
        dtype: of the products' operands; sums and gradients are float32 or wider.
        unigram: u [V], where a share of each target's mass goes to it.
        log_inclusion: of each class, where they are a sample of the vocabulary. [V]
    """

    weight: Tensor
    bias: Tensor
    dtype: torch.dtype
    unigram: Tensor | None
    smoothing: float
    log_inclusion: Tensor | None

    @property
    def wide(self) -> torch.dtype:
        """Of sums."""
        return torch.promote_types(self.dtype, torch.float32)

    def chunks(self, rows: int) -> Iterator[slice]:
        """The rows that are worked on at a time."""
        size = chunk_rows(rows, len(self.weight))
        return (slice(first, first + size) for first in range(0, rows, size))


class SoftmaxNats(Function):
    """Sum of -ln p(target) whose gradient with respect to the logits is p - y.

    The gradients of features, weights and bias are worked out with the loss, chunk by chunk of
    the batch, so that the [B, V] matrices of logits, probabilities and their gradients never
    exist as a whole. With probabilities p and one-hot targets y, all [B, V]:

        dJ/dfeatures = (p - y) W,   dJ/dW = (p - y)' features,   dJ/db = sum over rows of (p - y)

    With smoothing s towards u, y is (1 - s) times the one-hot target plus s u. With a sample of the
    classes, each logit but the target's own is less ln(its probability of being in the sample).

    The compiled kernel does it where there is one; PyTorch does it elsewhere.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
        unigram: Tensor | None,
        smoothing: float,
        log_inclusion: Tensor | None,
    ) -> Tensor:
        """Return the nats; keep the gradients if any is wanted."""
        layer = _Layer(weight.detach(), bias.detach(), dtype, unigram, smoothing, log_inclusion)
        features = features.detach()
        wanted = any(ctx.needs_input_grad[:3])
        ctx.scale = float(1 / np.float32(_mean_of.get() or max(len(features), 1)))
        found = _compiled(layer, features, targets, wanted, ctx.scale)
        if found is None:
            ctx.scale = 1.0
            found = _by_pytorch(layer, features, targets, wanted)
        nats, *ctx.gradients = found
        return nats

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that the forward pass kept, and hand them out, which is done once."""
        (scale,) = upstream
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("these gradients were handed out before")
        factor = scale.to(gradients[0].dtype) / ctx.scale
        if factor.device.type != "cpu" or factor != 1:
            gradients = [gradient.mul_(factor) for gradient in gradients]
        return *(gradient.contiguous() for gradient in gradients), *[None] * 5


def _compiled(
    layer: _Layer, features: Tensor, targets: Tensor, wanted: bool, scale: float
) -> tuple[Tensor, ...] | None:
    """The nats, and scaled gradients if wanted, by the compiled kernel; None if it cannot."""
    weight, bias, unigram = layer.weight, layer.bias, layer.unigram
    usable = kernels()
    if (
        layer.log_inclusion is not None
        or not len(features)
        or not usable.serve(layer.dtype, features, weight, bias)
    ):
        return None
    features, weight = features.contiguous(), weight.contiguous()
    operands = native.Layer(weight, bias, layer.dtype, unigram, layer.smoothing, scale)
    gradients = tuple(torch.empty_like(x) for x in (features, weight, bias)) if wanted else ()
    nats = features.new_zeros(())
    if unigram is not None:
        towards = torch.mv(weight.t(), unigram)
        of_bias = torch.dot(bias, unigram)
    for here in layer.chunks(len(features)):
        x = features[here]
        into = (gradients[0][here], *gradients[1:]) if wanted else None
        found = native.softmax(usable, operands, x, targets[here], into, add=here.start > 0)
        if found is None:
            return None
        of_target, logits = found
        nats += of_target.sum()
        if unigram is not None:
            # With smoothing, add s (l_target - sum of u_v l_v) to ln sum exp - l_target.
            nats += layer.smoothing * (logits - torch.mv(x, towards) - of_bias).sum()
    if wanted and unigram is not None:
        gradients[0].sub_(towards, alpha=scale * layer.smoothing)
    return nats, *gradients


def _by_pytorch(
    layer: _Layer, features: Tensor, targets: Tensor, wanted: bool
) -> tuple[Tensor, ...]:
    """The nats, and gradients if wanted."""
    dtype, wide, unigram, log_inclusion = (
        layer.dtype,
        layer.wide,
        layer.unigram,
        layer.log_inclusion,
    )
    nats = torch.zeros((), dtype=wide, device=features.device)
    weight, bias = layer.weight.to(dtype), layer.bias
    if wanted:
        d_features = torch.empty_like(features)
        d_weight = torch.zeros(weight.shape[::-1], dtype=wide, device=weight.device)
        d_bias = torch.zeros(bias.shape, dtype=wide, device=weight.device)
    if log_inclusion is not None:
        bias = bias - log_inclusion
    bias = bias.to(dtype)
    for here in layer.chunks(len(features)):
        x = features[here].to(dtype)
        target = targets[here, None]
        logits = linear(x, weight, bias)
        if log_inclusion is not None:  # a target is in the sample for certain
            logits.scatter_add_(1, target, log_inclusion[target].to(dtype))
        p = workspace.array("p", logits.shape, wide, logits.device)
        torch.softmax(logits, dim=1, dtype=wide, out=p)
        nats += _negative_logs(p, logits, target)
        if unigram is not None:
            # With smoothing, add s (l_target - sum of u_v l_v) to ln sum exp - l_target.
            on_target = logits.gather(1, target)[:, 0]
            excess = on_target - torch.mv(logits, unigram.to(dtype))
            nats += layer.smoothing * excess.to(wide).sum()
        if not wanted:
            continue
        if unigram is not None:
            p -= layer.smoothing * unigram
        share = 1.0 if unigram is None else 1.0 - layer.smoothing
        p.scatter_add_(1, target, p.new_full((len(x), 1), -share))
        d_bias += p.sum(dim=0)
        d_logits = p
        if dtype != wide:
            d_logits = workspace.array("d_logits", p.shape, dtype, p.device).copy_(p)
        d_features[here] = linear(d_logits, weight.t())
        # x' (p - y) rather than its transpose: it needs no transposed copy of p - y.
        d_weight += linear(x.t().contiguous(), d_logits.t())
    return (nats, d_features, d_weight.t(), d_bias) if wanted else (nats,)


def _negative_logs(p: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """Sum of -ln p(target); from the logits where a probability is too small for its type."""
    if p.device.type != "cpu":  # without waiting for the device to say whether one is
        return (logits.to(p.dtype).logsumexp(dim=1) - logits.gather(1, target)[:, 0]).sum()
    of_target = p.gather(1, target)[:, 0]
    smallest = torch.finfo(p.dtype).tiny
    nats = -of_target.clamp_min(smallest).log().sum()
    lost = of_target < smallest
    if bool(lost.any()):
        rows = logits[lost].to(p.dtype)
        exact = rows.logsumexp(dim=1) - rows.gather(1, target[lost])[:, 0]
        nats += exact.sum() + int(lost.sum()) * math.log(smallest)
    return nats
