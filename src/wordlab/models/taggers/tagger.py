"""The seams of a tagger: word vectors, an encoder of their surroundings, an output of tags."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.tagging import TagBatch
from wordlab.config import Settings
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.language_model import Loss
from wordlab.models.taggers.chains import Chains
from wordlab.models.taggers.features import FeatureSettings, WordVectors
from wordlab.registry import Registry

TAGGERS: Registry[type["TaggerSettings"]] = Registry("tagger")
TAG_OUTPUTS: Registry[type["TagOutputSettings"]] = Registry("output of tags")


@dataclass(frozen=True)
class Reading:
    """What a tagger makes of a batch, word by word as it is packed.

    Attributes:
        tags: the best path. [M]
        marginals: the probability of each tag. [M, L]
        chains: of a tagger whose tags depend on each other.
    """

    tags: NDArray[np.int64]
    marginals: NDArray[np.float64]
    chains: Chains | None = None

    def probability(self, rows: Sequence[int], joined: NDArray[np.bool_]) -> float:
        """The probability of an entity of the best path.

        Exact in a chain: the sum over all paths that have just this entity there. Else the
        product of its words' tags (the product rule, which takes them for independent).

        Args:
            rows: packed places of its words, one after another.
            joined: whether a tag goes on with the entity of the one before. [L, L]
        """
        tags = self.tags[list(rows)]
        if self.chains is None:
            return float(self.marginals[list(rows), tags].prod())
        return self.chains.path_probability(rows, tags.tolist(), joined)


class TagEncoder(nn.Module, ABC):
    """Turns word vectors into features of each word in its surroundings."""

    features: int
    """Width of the features."""

    @abstractmethod
    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        """Vectors of the packed words and of the two markers behind, [M + 2, D] -> [M, F]."""


class TagOutput(nn.Module, ABC):
    """Turns features into tags, and owns the loss that trains them.

    Attributes:
        temperature: what scores are divided by where probabilities are read, never in training.
    """

    temperature: float = 1.0

    @abstractmethod
    def loss(self, features: Tensor, batch: TagBatch) -> Tensor:
        """Sum over the words of -ln p(tag), in nats. [M, F] -> scalar"""

    @abstractmethod
    def nats(self, features: Tensor, batch: TagBatch) -> float:
        """The same as `loss`, of a batch with known tags, at the temperature."""

    @abstractmethod
    def read(self, features: Tensor, batch: TagBatch) -> Reading:
        """The best tags, and the probability of each."""


class TaggerSettings(Settings, ABC):
    """Settings of a family of encoders; register a subclass in TAGGERS under its `type`."""

    type: str

    @abstractmethod
    def build(self, inputs: int) -> TagEncoder:
        """Make the encoder with fresh weights.

        Args:
            inputs: D, width of the word vectors.
        """


class TagOutputSettings(Settings, ABC):
    """Settings of an output of tags; register a subclass in TAG_OUTPUTS under its `type`."""

    type: str

    @abstractmethod
    def build(self, features: int, tags: TagSet) -> TagOutput:
        """Make the output with fresh weights."""


class Tagger(nn.Module):
    """Word vectors, encoder and output; calling it is the training step's forward pass."""

    def __init__(self, words: WordVectors, encoder: TagEncoder, output: TagOutput) -> None:
        super().__init__()
        self.words = words
        self.encoder = encoder
        self.output = output

    def features(self, batch: TagBatch) -> Tensor:
        """What the encoder makes of each word. [M, F]"""
        x = self.words(batch.table, batch.padded())
        features: Tensor = self.encoder(x, batch)
        return features

    def forward(self, batch: TagBatch, state: tuple[Tensor, ...] = ()) -> Loss:
        """Return the batch's summed nats, with a gradient."""
        return Loss(self.output.loss(self.features(batch), batch), len(batch.targets))

    @torch.no_grad()
    def read(self, batch: TagBatch) -> Reading:
        """The best tags of a batch, and the probability of each."""
        return self.output.read(self.features(batch), batch)


def build_tagger(
    features: FeatureSettings,
    model: TaggerSettings,
    output: TagOutputSettings,
    lexicon: Lexicon,
    tags: TagSet,
    *,
    seed: int,
    vectors: Tensor | None = None,
) -> Tagger:
    """Make a tagger with fresh weights that depend on the settings and the seed alone."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        words = WordVectors(features, lexicon, vectors)
        encoder = model.build(words.width)
        return Tagger(words, encoder, output.build(encoder.features, tags))
    finally:
        torch.set_rng_state(state)
