"""Outputs of tags: each word on its own, or the whole sentence as a chain."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.packing import Packing
from wordlab.batching.tagging import TagBatch
from wordlab.corpus.labelled.tag_set import Entities, TagSet
from wordlab.models.products import product
from wordlab.models.taggers.chains import NEVER, Chains, Floats, best_paths, chain_nats
from wordlab.models.taggers.paths import Paths
from wordlab.models.taggers.tagger import TAG_OUTPUTS, Reading, TagOutput, TagOutputSettings


@dataclass(frozen=True)
class WordsReading(Reading):
    """Each word read on its own.

    Attributes:
        log_probs: natural log of the probability of each tag. [M, L]
        limits: of links, first and last tags, `NEVER` for what is not chosen, else 0.
    """

    tags: NDArray[np.int64]
    log_probs: Floats
    limits: tuple[Floats, Floats, Floats]
    packing: Packing

    def marginals(self) -> Floats:
        """The probability of each tag. [M, L]"""
        marginals: Floats = np.exp(self.log_probs)
        return marginals

    def probabilities(self, entities: Entities, joined: NDArray[np.bool_]) -> Floats:
        """The product over an entity's words, which takes them for independent. [E]"""
        packing = self.packing
        in_turn = packing.in_turn
        sums = np.concatenate([[0.0], np.cumsum(self.log_probs[in_turn, self.tags[in_turn]])])
        begins = (np.cumsum(packing.lengths) - packing.lengths)[entities.sentence]
        found: Floats = np.exp(sums[begins + entities.end] - sums[begins + entities.start])
        return found

    def paths(self) -> Paths:
        """The product over a sentence's words, not divided by the share of what may be chosen."""
        none = np.zeros(len(self.packing.lengths))
        return Paths(self.log_probs, *self.limits, none, self.packing)

    def along(self, tags: NDArray[np.int64]) -> Reading:
        """The same with another path in place of the best one. [M]"""
        return replace(self, tags=tags)


@dataclass(frozen=True)
class ChainReading(Reading):
    """Sentences read as chains.

    Attributes:
        arrays: scores of tags, links, first and last tags, that the chains are of.
    """

    tags: NDArray[np.int64]
    chains: Chains
    arrays: tuple[Floats, Floats, Floats, Floats]

    def marginals(self) -> Floats:
        """The probability of each tag. [M, L]"""
        return self.chains.marginals()

    def probabilities(self, entities: Entities, joined: NDArray[np.bool_]) -> Floats:
        """Exact: the sum over all paths that have just this entity there. [E]"""
        return self.chains.probabilities(self.tags, entities, joined)

    def paths(self) -> Paths:
        """Exact."""
        return Paths(*self.arrays, self.chains.log_total, self.chains.packing)

    def along(self, tags: NDArray[np.int64]) -> Reading:
        """The same with another path in place of the best one. [M]"""
        return replace(self, tags=tags)


class ScoredTags(TagOutput):
    """A linear layer from features to a score for each tag."""

    def __init__(self, features: int, tags: TagSet) -> None:
        super().__init__()
        self.tags = tags
        self.linear = nn.Linear(features, len(tags.tags))
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def scores(self, features: Tensor) -> Tensor:
        """[M, F] -> [M, L]"""
        return product(features, self.linear.weight, self.linear.bias)

    @abstractmethod
    def transitions(self) -> tuple[Floats, Floats, Floats]:
        """What the best path adds to scores for neighbours, its first tag and its last.

        `NEVER` or less where that is not allowed. [L, L], [L], [L]
        """


@TAG_OUTPUTS.register("softmax")
class SoftmaxTagsSettings(TagOutputSettings):
    """Each word's tag on its own."""

    type: Literal["softmax"] = "softmax"
    legal: bool = True
    """Choose the most probable tags among those that may follow one another; else word by word."""
    outside_weight: float = 1.0
    """Of words in no entity in the loss that is trained."""

    def build(self, features: int, tags: TagSet) -> "SoftmaxTags":
        """Make the output with fresh weights."""
        return SoftmaxTags(self, features, tags)


class SoftmaxTags(ScoredTags):
    """p(tag | word's features) = softmax(W h + b)."""

    def __init__(self, settings: SoftmaxTagsSettings, features: int, tags: TagSet) -> None:
        super().__init__(features, tags)
        self.settings = settings

    def loss(self, features: Tensor, batch: TagBatch) -> Tensor:
        """Sum over the words of -ln p(tag), in nats. [M, F] -> scalar"""
        weight = self.settings.outside_weight
        weights = None
        if weight != 1.0 and self.training:
            weights = features.new_ones(len(self.tags.tags))
            weights[0] = weight
        return nn.functional.cross_entropy(
            self.scores(features), batch.targets, weight=weights, reduction="sum"
        )

    def _log_probs(self, features: Tensor) -> Tensor:
        return (self.scores(features).double() / self.temperature).log_softmax(dim=1)

    def nats(self, features: Tensor, batch: TagBatch) -> float:
        """Sum over the words of -ln p(tag), at the temperature."""
        found = nn.functional.nll_loss(self._log_probs(features), batch.targets, reduction="sum")
        return float(found)

    def read(self, features: Tensor, batch: TagBatch) -> Reading:
        """The best tags, and the probability of each."""
        log_probs = self._log_probs(features).cpu().numpy()
        links, begins, ends = self.transitions()
        path = (
            best_paths(log_probs, links, begins, ends, batch.steps)
            if self.settings.legal and not self.tags.legal.all()
            else log_probs.argmax(axis=1)
        )
        return WordsReading(path, log_probs, (links, begins, ends), batch.packing)

    def transitions(self) -> tuple[Floats, Floats, Floats]:
        """See `ScoredTags.transitions`."""
        bar = NEVER if self.settings.legal else 0.0
        tags = self.tags
        links, begins, ends = (
            np.where(may, 0.0, bar) for may in (tags.legal, tags.may_begin, tags.may_end)
        )
        return links, begins, ends


@TAG_OUTPUTS.register("crf")
class CrfSettings(TagOutputSettings):
    """The tags of a sentence as a linear chain (Lafferty et al. 2001)."""

    type: Literal["crf"] = "crf"
    in_chains: ClassVar[bool] = True

    def build(self, features: int, tags: TagSet) -> "Crf":
        """Make the output with fresh weights."""
        return Crf(features, tags)


class Crf(ScoredTags):
    """p(tags | sentence) = exp(sum of scores and links) / sum over all legal paths.

    Links begin at 0; what the scheme does not allow has no probability.
    """

    never: Tensor
    never_first: Tensor
    never_last: Tensor

    def __init__(self, features: int, tags: TagSet) -> None:
        super().__init__(features, tags)
        size = len(tags.tags)
        self.links = nn.Parameter(torch.zeros(size, size))
        self.begins = nn.Parameter(torch.zeros(size))
        self.ends = nn.Parameter(torch.zeros(size))
        masks = (
            ("never", tags.legal),
            ("never_first", tags.may_begin),
            ("never_last", tags.may_end),
        )
        for name, allowed in masks:
            barred = torch.from_numpy(np.where(allowed, 0.0, NEVER)).float()
            self.register_buffer(name, barred, persistent=False)

    def _legal(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of links, first and last tags, with those that are not allowed."""
        return (
            self.links + self.never,
            self.begins + self.never_first,
            self.ends + self.never_last,
        )

    def loss(self, features: Tensor, batch: TagBatch) -> Tensor:
        """-ln p(tags of a sentence), summed over the sentences. [M, F] -> scalar"""
        return chain_nats(self.scores(features), *self._legal(), batch.targets, batch.steps)

    def transitions(self) -> tuple[Floats, Floats, Floats]:
        """See `ScoredTags.transitions`."""
        links, begins, ends = (x.detach().double().cpu().numpy() for x in self._legal())
        return links, begins, ends

    def _arrays(self, features: Tensor) -> tuple[Floats, Floats, Floats, Floats]:
        values = self.scores(features).detach().double().cpu().numpy(), *self.transitions()
        scores, links, begins, ends = (value / self.temperature for value in values)
        return scores, links, begins, ends

    def nats(self, features: Tensor, batch: TagBatch) -> float:
        """-ln p(tags of a sentence), summed over the sentences, at the temperature."""
        scores, links, begins, ends = map(torch.from_numpy, self._arrays(features))
        return float(chain_nats(scores, links, begins, ends, batch.targets, batch.steps))

    def read(self, features: Tensor, batch: TagBatch) -> Reading:
        """The most probable path, and the marginals."""
        arrays = self._arrays(features)
        path = best_paths(*arrays, batch.steps)
        return ChainReading(path, Chains.of(*arrays, batch.steps), arrays)

    def best(self, features: Tensor, batch: TagBatch) -> NDArray[np.int64]:
        """The most probable path, without the marginals. [M]"""
        return best_paths(*self._arrays(features), batch.steps)
