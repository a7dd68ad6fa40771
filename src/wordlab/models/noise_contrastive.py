"""Noise-contrastive estimation: training learns to tell a text's words from drawn ones."""

import math
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from wordlab.models.cost import LayerCost, product_cost
from wordlab.models.language_model import OUTPUT_LAYERS, Encoder, OutputSettings
from wordlab.models.products import Precision, product
from wordlab.models.settings import Probability
from wordlab.models.softmax_output import SoftmaxOutput

_SMALLEST_SHARE = 1e-9

_UNFIT = {
    "sample": ("draws its own sample", "output.noise for its size"),
    "smoothing": ("has no target distribution to smooth", "output.type=softmax"),
}


@OUTPUT_LAYERS.register("nce")
class NceSettings(OutputSettings):
    """Trained against noise, at the cost of a sample; scored by the exact softmax."""

    type: Literal["nce"] = "nce"
    noise: int = Field(default=500, ge=1)
    """Words drawn a step by their frequency as targets, the same for the whole batch."""
    precision: Precision = "float32"
    """Of the products in training; sums and all scoring are float32."""
    tied: bool = False
    """Use the word embeddings as output vectors (Press and Wolf 2017)."""
    dropout: Probability = 0.0
    """Of the features, after the projection if there is one."""
    deviation: float = Field(default=0.02, gt=0)
    """Of the normal distribution that output vectors of their own are drawn from."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_does_not_fit(cls, data: Any) -> Any:
        """Refuse what other output layers can do, but take it switched off."""
        if not isinstance(data, dict):
            return data
        for name, (reason, mend) in _UNFIT.items():
            if data.get(name):
                raise ValueError(
                    f"noise-contrastive estimation {reason}: leave output.{name} out "
                    f"or at 0, and set {mend}"
                )
        if data.get("bias", "unigram") != "unigram":
            raise ValueError(
                "noise-contrastive estimation takes scores for normalised, so it begins at the "
                "unigram distribution: leave output.bias out, or set output.type=softmax"
            )
        return {key: value for key, value in data.items() if key not in {*_UNFIT, "bias"}}

    def build(self, encoder: Encoder, vocabulary: int) -> "NceOutput":
        """Make the layer; if tied, a projection fits the features to the embeddings' width."""
        table = encoder.word_vectors() if self.tied else None
        return NceOutput(
            encoder.features,
            vocabulary,
            noise=self.noise,
            tied_to=table if isinstance(table, nn.Parameter) else None,
            precision=self.precision,
            dropout=self.dropout,
            deviation=self.deviation,
        )


class NceOutput(SoftmaxOutput):
    """A softmax whose training never sums over the vocabulary (Gutmann and Hyvarinen 2010).

    With scores s and k words drawn from the unigram distribution u, a step minimises, for each
    target t (Mnih and Teh 2012),

        -ln sigmoid(s_t - ln k u_t) - sum over noise j of ln sigmoid(ln k u_j - s_j)

    whose least value over all scores is at s = ln p: they learn to be normalised. Out of training
    the loss, as all scoring, is that of the exact softmax.

    Args:
        noise: k.
    """

    def __init__(
        self,
        features: int,
        vocabulary: int,
        *,
        noise: int,
        tied_to: nn.Parameter | None = None,
        precision: Precision = "float32",
        dropout: float = 0.0,
        deviation: float = 0.02,
    ) -> None:
        super().__init__(
            features,
            vocabulary,
            tied_to=tied_to,
            precision=precision,
            dropout=dropout,
            deviation=deviation,
        )
        self.noise = noise

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Sum over the batch of the nats of telling targets from noise; in use, of -ln p(target).

        [B, F], [B] -> scalar.
        """
        if not self.training:
            return super().loss(features, targets)
        features = functional.dropout(self._projected(features), self.dropout, training=True)
        shares = self.unigram.clamp_min(_SMALLEST_SHARE)
        drawn = torch.multinomial(shares, self.noise, replacement=True)
        words = torch.cat([targets, drawn])
        # What a word's score has to pass: ln(k u); one look-up, so that one gradient is as large
        # as the table.
        biases = self.bias[words] - torch.log(self.noise * shares[words])
        vectors = functional.embedding(words, self.weight)
        count = len(targets)
        of_targets = (features * vectors[:count]).sum(dim=1) + biases[:count]
        of_noise = product(features, vectors[count:], biases[count:], self.precision)
        wide = torch.promote_types(of_noise.dtype, torch.float32)
        return functional.softplus(-of_targets).sum() + functional.softplus(of_noise.to(wide)).sum()

    def guess_nats(self, classes: int) -> float:
        """Of a model that takes every word for noise as likely as not: s = ln u."""
        return math.log1p(self.noise) + self.noise * math.log1p(1 / self.noise)

    def costs(self, width: str) -> list[LayerCost]:
        """The projection, if there is one; of the softmax, what training works out: the noise."""
        *before, softmax = super().costs(width)
        length = self.weight.shape[1]
        width = "E" if before else width
        noise = product_cost(
            "output",
            f"{softmax.name}, {self.noise:,} words of noise",
            softmax.shape,
            softmax.parameters,
            {width: length, "V": len(self.weight), "Q": self.noise},
            inputs=width,
            units="Q",
            rows="N",
            number_bytes=2 if self.precision == "bfloat16" else 4,
        )
        looked_up = f" + 8 {width} + 8 {width} Q / N"
        back = f" + 4 {width} + 4 {width} Q / N + 4 V {width} / N"
        return [
            *before,
            replace(
                noise,
                forward_bytes=noise.forward_bytes + looked_up,
                backward_bytes=noise.backward_bytes + back,
            ),
        ]
