"""The exact softmax, with product, softmax, loss and gradient fused and cut in chunks."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from wordlab.models.class_sample import ClassSample
from wordlab.models.cost import FLOAT_BYTES, LayerCost, product_cost
from wordlab.models.judgement import Judgement
from wordlab.models.language_model import (
    OUTPUT_LAYERS,
    Encoder,
    OutputLayer,
    OutputSettings,
)
from wordlab.models.operands import operand
from wordlab.models.products import Precision, linear, product, product_type
from wordlab.models.settings import Probability
from wordlab.models.softmax_nats import SoftmaxNats, chunk_rows
from wordlab.native import judgement as native
from wordlab.native.library import kernels

FEWEST_ROWS = 16
"""Of a thread: the kernel works on a panel of rows, of which fewer leave most empty."""
MOST_PAIRS = 1.5
"""Of a row of features: where more targets are judged by each, its probabilities pay."""


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

    def judge(
        self, features: Tensor, rows: Tensor, targets: Tensor, *, entropies: bool
    ) -> Judgement:
        """What `log_probs` says of targets; by the compiled kernel where it serves.

        It holds no probabilities, and so works them out for each pair.
        """
        found = self._judged(features, rows, targets, entropies)
        if found is None:
            return super().judge(features, rows, targets, entropies=entropies)
        nats, ranks, spreads = found
        lost = (ranks == 0).nonzero()[:, 0]
        if len(lost):
            again, own = features[rows[lost]], torch.arange(len(lost))
            rest = super().judge(again, own, targets[lost], entropies=entropies)
            nats[lost], ranks[lost] = torch.from_numpy(rest.nats), torch.from_numpy(rest.ranks)
            if spreads is not None:
                spreads[lost] = torch.from_numpy(rest.entropies)
        return Judgement.of(nats, ranks, spreads)

    def _judged(
        self, features: Tensor, rows: Tensor, targets: Tensor, entropies: bool
    ) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """The kernel's nats, ranks and entropies; None where it does not serve."""
        form = operand(self.weight, features)
        weight = form if isinstance(form, Tensor) else form.exact
        usable = kernels()
        if (
            weight is None  # products of another precision
            or type(self).log_probs is not SoftmaxOutput.log_probs
            or not FEWEST_ROWS * torch.get_num_threads() <= len(rows) <= MOST_PAIRS * len(features)
            or not usable.serve(torch.float32, features, weight, self.bias)
        ):
            return None
        x = self._projected(features)[rows]
        return native.judge(usable, x, weight, self.bias, targets, entropies)

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
        nats: Tensor = SoftmaxNats.apply(  # type: ignore[no-untyped-call]
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

    def weights_of_words(self) -> Tensor:
        """The output vectors, behind the projection if there is one. [V, F]"""
        return self.weight if self.projection is None else self.weight @ self.projection.weight

    def batch_sizes(self, targets: Tensor) -> dict[str, int]:
        """K, the pieces in which the layer reads a batch."""
        return {"K": -(-len(targets) // chunk_rows(len(targets), len(self.weight)))}

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


def softmax_nats(
    features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, precision: Precision
) -> Tensor:
    """Sum of -ln p(target) under a softmax over the rows of a matrix, by the fused, chunked loss.

    [B, F], [V, F], [V], [B] -> scalar.
    """
    operands = features, weight, bias
    if not torch.is_grad_enabled():  # else the gradient would be worked out with the loss
        operands = features.detach(), weight.detach(), bias.detach()
    nats: Tensor = SoftmaxNats.apply(  # type: ignore[no-untyped-call]
        *operands, targets, product_type(features, precision), None, 0.0, None
    )
    return nats
