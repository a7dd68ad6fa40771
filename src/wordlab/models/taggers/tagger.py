"""The seams of a tagger: word vectors, an encoder of their surroundings, an output of tags."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.tagging import TagBatch, WordTable
from wordlab.config import Settings
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import Entities, TagSet
from wordlab.models.language_model import Loss
from wordlab.models.taggers.features import FeatureSettings, WordVectors
from wordlab.models.taggers.paths import Paths
from wordlab.registry import Registry

PREPARED_AT_ONCE = 1024
"""Words; the characters of many long ones take memory."""

TAGGERS: Registry[type["TaggerSettings"]] = Registry("tagger")
TAG_OUTPUTS: Registry[type["TagOutputSettings"]] = Registry("output of tags")


class Reading(ABC):
    """What a tagger makes of a batch, word by word as it is packed.

    Attributes:
        tags: the best path. [M]
    """

    tags: NDArray[np.int64]

    @abstractmethod
    def marginals(self) -> NDArray[np.float64]:
        """The probability of each tag. [M, L]"""

    @abstractmethod
    def probabilities(self, entities: Entities, joined: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The probability of each entity of the best path. [E]

        Args:
            joined: whether a tag goes on with the entity of the one before. [L, L]
        """

    @abstractmethod
    def paths(self) -> Paths:
        """The probability of every path, for other readings."""

    @abstractmethod
    def along(self, tags: NDArray[np.int64]) -> "Reading":
        """The same with another path in place of the best one. [M]"""


class TagEncoder(nn.Module, ABC):
    """Turns word vectors into features of each word in its surroundings."""

    features: int
    """Width of the features."""

    @abstractmethod
    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        """Vectors of the packed words and of the two markers behind, [M + 2, D] -> [M, F]."""

    def project(self, x: Tensor) -> Tensor:
        """The share of the work that depends on a word alone. [U, D] -> [U, K]"""
        return x

    def join(self, projected: Tensor, rows: Tensor, batch: TagBatch) -> Tensor:
        """The rest of it: the same features as `forward`. [M, F]

        Args:
            projected: of distinct words. [U, K]
            rows: which of them the packed words are, and the two markers behind. [M + 2]
        """
        features: Tensor = self(functional.embedding(rows, projected), batch)
        return features


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

    def best(self, features: Tensor, batch: TagBatch) -> NDArray[np.int64]:
        """The best tags alone, the same as those of `read`. [M]"""
        return self.read(features, batch).tags


class TaggerSettings(Settings, ABC):
    """Settings of a family of encoders; register a subclass in TAGGERS under its `type`."""

    type: str

    @property
    def drawn_radius(self) -> int | None:
        """Words on each side of one that training draws on its own; None: it draws sentences."""
        return None

    @abstractmethod
    def build(self, inputs: int) -> TagEncoder:
        """Make the encoder with fresh weights.

        Args:
            inputs: D, width of the word vectors.
        """


class TagOutputSettings(Settings, ABC):
    """Settings of an output of tags; register a subclass in TAG_OUTPUTS under its `type`."""

    type: str
    in_chains: ClassVar[bool] = False
    """Whether a word's tag depends on those of the others."""

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
        features: Tensor = self.encoder(self.words(batch.table, batch.padded()), batch)
        return features

    def forward(self, batch: TagBatch, state: tuple[Tensor, ...] = ()) -> Loss:
        """Return the batch's summed nats, with a gradient."""
        return Loss(self.output.loss(self.features(batch), batch), len(batch.targets))

    @torch.no_grad()
    def prepare(self, table: WordTable) -> Iterator[Tensor]:
        """Yield what depends on each word of a table alone, for `read`; together [U, K]."""
        rows = torch.arange(len(table.columns), device=table.columns.device)
        for part in torch.split(rows, PREPARED_AT_ONCE):
            yield self.encoder.project(self.words(table, part))

    @torch.no_grad()
    def read(self, batch: TagBatch, prepared: Tensor) -> Reading:
        """The best tags of a batch, and the probability of each.

        Args:
            prepared: of the words of its table. [U, K]
        """
        return self.output.read(self.encoder.join(prepared, batch.padded(), batch), batch)


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
