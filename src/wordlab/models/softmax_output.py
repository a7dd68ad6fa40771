"""The exact softmax, with product, softmax, loss and gradient fused and cut in chunks."""

import math
import threading
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from wordlab.models.class_sample import ClassSample
from wordlab.models.cost import FLOAT_BYTES, LayerCost, product_cost
from wordlab.models.language_model import (
    OUTPUT_LAYERS,
    Encoder,
    OutputLayer,
    OutputSettings,
)
from wordlab.models.operands import operand
from wordlab.models.products import Precision, linear, product, product_type
from wordlab.models.settings import Probability

CHUNK_LOGITS = 1 << 23
"""Logits held at a time: 32 MiB of float32; larger batches are cut."""


def chunk_rows(rows: int, vocabulary: int) -> int:
    """How many rows of a batch are worked on at a time."""
    chunks = max(1, -(-rows * vocabulary // CHUNK_LOGITS))
    return max(1, -(-rows // chunks))


@OUTPUT_LAYERS.register("softmax")
class SoftmaxSettings(OutputSettings):
    """Exact softmax over the whole vocabulary."""

    type: Literal["softmax"] = "softmax"
    precision: Precision = "float32"
    """Of the products in training; sums, softmax and all scoring are float32."""
    tied: bool = False
    """Use the word embeddings as output vectors (Press and Wolf 2017)."""
    dropout: Probability = 0.0
    """Of the features, after the projection if there is one."""
    smoothing: Probability = 0.0
    """Share of each training target's mass that goes to the unigram distribution of the targets."""
    bias: Literal["unigram", "zero", "none"] = "unigram"
    """Where the output bias begins: at the log-probabilities of the training targets, or at 0;
    none: there is no bias."""
    sample: int = Field(default=0, ge=0)
    """Train on about so many classes a step, drawn by frequency, and the batch's targets; 0: all.
    Scoring knows no sample."""
    sample_until: float = Field(default=0.8, gt=0, le=1)
    """Share of the training with such samples; after it, all classes."""
    deviation: float = Field(default=0.02, gt=0)
    """Of the normal distribution that output vectors of their own are drawn from."""

    def build(self, encoder: Encoder, vocabulary: int) -> "SoftmaxOutput":
        """Make the layer; if tied, a projection fits the features to the embeddings' width."""
        table = encoder.word_vectors() if self.tied else None
        return SoftmaxOutput(
            encoder.features,
            vocabulary,
            tied_to=table if isinstance(table, nn.Parameter) else None,
            precision=self.precision,
            dropout=self.dropout,
            smoothing=self.smoothing,
            bias=self.bias,
            deviation=self.deviation,
            sample=self.sample,
            sample_until=self.sample_until,
        )


class SoftmaxOutput(OutputLayer):
    """p(v | features) = exp(w_v . features + b_v) / sum over u of exp(w_u . features + b_u).

    Args:
        features: width F of the feature vectors.
        vocabulary: V.
        tied_to: a [V, E] table to use as the output vectors; a linear map without bias leads
            from F to E where they differ.
        smoothing: s; training minimises the cross-entropy of (1 - s) y + s u, where y is the
            one-hot target and u the unigram distribution of the training targets. Scoring knows
            no smoothing.
    """

    weight: nn.Parameter
    unigram: Tensor

    def __init__(
        self,
        features: int,
        vocabulary: int,
        *,
        tied_to: nn.Parameter | None = None,
        precision: Precision = "float32",
        dropout: float = 0.0,
        smoothing: float = 0.0,
        bias: Literal["unigram", "zero", "none"] = "unigram",
        deviation: float = 0.02,
        sample: int = 0,
        sample_until: float = 1.0,
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.dropout = dropout
        self.smoothing = smoothing
        self.unigram_bias = bias == "unigram"
        self.tied = tied_to is not None
        self.projection: nn.Linear | None = None
        if tied_to is None:
            self.weight = nn.Parameter(torch.empty(vocabulary, features).normal_(std=deviation))
        else:
            self.weight = tied_to
            if tied_to.shape[1] != features:
                self.projection = nn.Linear(features, tied_to.shape[1], bias=False)
        zeros = torch.zeros(vocabulary)
        self.has_bias = bias != "none"
        if self.has_bias:
            self.bias: Tensor = nn.Parameter(zeros)
        else:
            self.register_buffer("bias", zeros, persistent=False)
        self.register_buffer("unigram", torch.full((vocabulary,), 1 / vocabulary))
        self._sample_size = sample
        self._sample_until = sample_until
        self._share_done = 0.0
        self._sample: ClassSample | None = None

    def start_from_counts(self, target_counts: Tensor) -> None:
        """Set the bias to ln((count + 1) / (total + V)), unless the settings say zero."""
        counts = target_counts.double()
        smoothed = counts + 1
        with torch.no_grad():
            self.unigram.copy_(counts / counts.sum())
            if self.unigram_bias:
                self.bias.copy_(torch.log(smoothed / smoothed.sum()))

    def at(self, share: float) -> None:
        """Draw samples of the classes only up to a share of the training."""
        self._share_done = share

    def _projected(self, features: Tensor) -> Tensor:
        if self.projection is None:
            return features
        precision: Precision = self.precision if self.training else "float32"
        return product(features, operand(self.projection.weight, features), precision=precision)

    def log_probs(self, features: Tensor) -> Tensor:
        """Features [B, F] -> natural-log probabilities [B, V]."""
        features = self._projected(features)
        if torch.is_grad_enabled() and (features.requires_grad or self.weight.requires_grad):
            logits = functional.linear(features, self.weight, self.bias)
        else:
            logits = linear(features, operand(self.weight, features), self.bias)
        return torch.log_softmax(logits, dim=1)

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Sum over the batch of -ln p(target), in nats, or of the smoothed target's.

        [B, F], [B] -> scalar.
        """
        features = functional.dropout(self._projected(features), self.dropout, self.training)
        unigram = self.unigram if self.training and self.smoothing else None
        weight: Tensor = self.weight
        bias = self.bias
        correction = None
        if self.training and self._sample_size and self._share_done < self._sample_until:
            chosen, targets, correction = self._drawn().draw(targets)
            weight, bias = functional.embedding(chosen, weight), bias[chosen]
            if unigram is not None:
                unigram = unigram[chosen] / correction.exp()
                unigram = unigram / unigram.sum()
        operands = features, weight, bias
        if not torch.is_grad_enabled():  # else the gradient would be worked out with the loss
            operands = features.detach(), weight.detach(), bias.detach()
        nats: Tensor = _SoftmaxNats.apply(  # type: ignore[no-untyped-call]
            *operands,
            targets,
            product_type(features, self.precision),
            unigram,
            self.smoothing,
            correction,
        )
        return nats

    def _drawn(self) -> ClassSample:
        """The sampler, made when it is first needed: it depends on the unigram distribution."""
        if self._sample is None:
            self._sample = ClassSample(self.unigram, self._sample_size)
        return self._sample

    @property
    def parameters_of_a_class(self) -> int:
        """Its output vector, unless tied, and its bias."""
        return (0 if self.tied else self.weight.shape[1]) + self.has_bias

    def costs(self, width: str) -> list[LayerCost]:
        """The projection, if there is one, and the softmax layer; it is read K times a batch."""
        types, length = self.weight.shape
        layers = []
        number_bytes = 2 if self.precision == "bfloat16" else FLOAT_BYTES
        if self.projection is not None:
            inner = self.projection.in_features
            layers.append(
                product_cost(
                    "output",
                    "projection",
                    f"{inner} x {length}",
                    inner * length,
                    {width: inner, "E": length},
                    inputs=width,
                    units="E",
                    rows="N",
                    number_bytes=number_bytes,
                )
            )
            width = "E"
        own = (0 if self.tied else types * length) + types * self.has_bias
        shape = f"{length} x {types}" + (f" + {types}" if self.has_bias else "")
        softmax = product_cost(
            "output",
            "softmax",
            shape + (" (tied)" if self.tied else ""),
            own,
            {width: length, "V": types},
            inputs=width,
            units="V",
            rows="N",
            reads="K",
            number_bytes=number_bytes,
        )
        return [*layers, softmax]


class _Workspace(threading.local):
    """Arrays that are kept from step to step, a set for each thread.

    Made anew each time, arrays of this size go back to the operating system and come from it page
    by page, which can take longer than the arithmetic on them.
    """

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def array(
        self, name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Return an uninitialised array; it is overwritten when the name is asked for again."""
        key = (name, dtype, device)
        kept = self._arrays.get(key)
        if kept is None or kept.numel() < shape.numel():
            kept = self._arrays[key] = torch.empty(shape.numel(), dtype=dtype, device=device)
        return kept[: shape.numel()].view(shape)


_workspace = _Workspace()


class _SoftmaxNats(Function):
    """Sum of -ln p(target) whose gradient with respect to the logits is p - y.

    The gradients of features, weights and bias are worked out with the loss, chunk by chunk of
    the batch, so that the [B, V] matrices of logits, probabilities and their gradients never
    exist as a whole. With probabilities p and one-hot targets y, all [B, V]:

        dJ/dfeatures = (p - y) W,   dJ/dW = (p - y)' features,   dJ/db = sum over rows of (p - y)

    With smoothing s towards u, y is (1 - s) times the one-hot target plus s u. With a sample of the
    classes, each logit but the target's own is less ln(its probability of being in the sample).
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
        wants_gradient = any(ctx.needs_input_grad[:3])
        rows, vocabulary = len(features), len(weight)
        wide = torch.promote_types(dtype, torch.float32)
        nats = torch.zeros((), dtype=wide, device=features.device)
        if wants_gradient:
            d_features = torch.empty_like(features)
            d_weight = torch.zeros(weight.shape[::-1], dtype=wide, device=weight.device)
            d_bias = torch.zeros(vocabulary, dtype=wide, device=weight.device)
        weight, bias = weight.detach().to(dtype), bias.detach()
        if log_inclusion is not None:
            bias = bias - log_inclusion
        bias = bias.to(dtype)
        size = chunk_rows(rows, vocabulary)
        for first in range(0, rows, size):
            here = slice(first, first + size)
            x = features[here].detach().to(dtype)
            target = targets[here, None]
            logits = linear(x, weight, bias)
            if log_inclusion is not None:  # a target is in the sample for certain
                logits.scatter_add_(1, target, log_inclusion[target].to(dtype))
            p = _workspace.array("p", logits.shape, wide, logits.device)
            torch.softmax(logits, dim=1, dtype=wide, out=p)
            nats += _negative_logs(p, logits, target)
            if unigram is not None:
                # With smoothing, add s (l_target - sum of u_v l_v) to ln sum exp - l_target.
                on_target = logits.gather(1, target)[:, 0]
                excess = on_target - torch.mv(logits, unigram.to(dtype))
                nats += smoothing * excess.to(wide).sum()
            if not wants_gradient:
                continue
            if unigram is not None:
                p -= smoothing * unigram
            share = 1.0 if unigram is None else 1.0 - smoothing
            p.scatter_add_(1, target, p.new_full((len(x), 1), -share))
            d_bias += p.sum(dim=0)
            d_logits = p
            if dtype != wide:
                d_logits = _workspace.array("d_logits", p.shape, dtype, p.device).copy_(p)
            d_features[here] = linear(d_logits, weight.t())
            # x' (p - y) rather than its transpose: it needs no transposed copy of p - y.
            d_weight += linear(x.t().contiguous(), d_logits.t())
        if wants_gradient:
            ctx.save_for_backward(d_features, d_weight, d_bias)
        return nats

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that the forward pass kept."""
        (scale,) = upstream
        d_features, d_weight, d_bias = ctx.saved_tensors
        weight_gradient = torch.empty(
            d_weight.shape[::-1], dtype=d_weight.dtype, device=d_weight.device
        )
        torch.mul(d_weight.t(), scale, out=weight_gradient)
        return d_features * scale, weight_gradient, d_bias * scale, *[None] * 5


def _negative_logs(p: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """Sum of -ln p(target); from the logits where a probability is too small for its type."""
    of_target = p.gather(1, target)[:, 0]
    smallest = torch.finfo(p.dtype).tiny
    nats = -of_target.clamp_min(smallest).log().sum()
    lost = of_target < smallest
    if bool(lost.any()):
        rows = logits[lost].to(p.dtype)
        exact = rows.logsumexp(dim=1) - rows.gather(1, target[lost])[:, 0]
        nats += exact.sum() + int(lost.sum()) * math.log(smallest)
    return nats
