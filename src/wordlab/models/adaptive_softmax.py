"""The adaptive softmax of Grave et al. (2017): rare words stand in clusters, on shorter vectors."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from wordlab.errors import WordlabError
from wordlab.models.cost import FLOAT_BYTES, LayerCost, product_cost
from wordlab.models.language_model import OUTPUT_LAYERS, Encoder, OutputLayer, OutputSettings
from wordlab.models.products import Precision, linear, product
from wordlab.models.settings import Probability, Units
from wordlab.models.softmax_nats import chunk_rows
from wordlab.models.softmax_output import softmax_nats

HEAD_SHARE = 0.8
"""Of the targets that the head holds at least: what is in a cluster is predicted less well."""
MOST_CLUSTERS = 3
CLUSTER_COST = 50
"""What a product of its own costs, however small, in words of the head."""
_PLACES = 30
"""Where clusters may begin: so many places, evenly spread by their logarithm."""
_EXPECTED_TARGETS = 1_000_000

_UNFIT = {
    "tied": "the output vectors of an adaptive softmax are of several widths",
    "sample": "an adaptive softmax works out few classes as it is",
    "smoothing": "an adaptive softmax cannot smooth targets over classes that it does not work out",
}


@OUTPUT_LAYERS.register("adaptive")
class AdaptiveSettings(OutputSettings):
    """Exact probabilities by classes: frequent words in a head, others in clusters behind it."""

    type: Literal["adaptive"] = "adaptive"
    cuts: tuple[Units, ...] | None = None
    """How many of the most frequent words stand before each cluster: 1000,5000 is a head of 1,000
    and clusters of 4,000 and the rest; None: where the fewest operations are expected with four
    fifths of the training targets in the head."""
    narrowing: int = Field(default=4, ge=1)
    """The features that a cluster reads are so many times fewer than those of the one before."""
    precision: Precision = "float32"
    """Of the products in training; sums, softmax and all scoring are float32."""
    dropout: Probability = 0.0
    """Of the features."""
    bias: Literal["unigram", "zero"] = "unigram"
    """Where the output biases begin: at the log-probabilities of the training targets, or at 0."""
    deviation: float = Field(default=0.02, gt=0)
    """Of the normal distribution that output vectors are drawn from."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_does_not_fit(cls, data: Any) -> Any:
        """Refuse what other output layers can do, but take it switched off."""
        if not isinstance(data, dict):
            return data
        for name, reason in _UNFIT.items():
            if data.get(name):
                raise ValueError(
                    f"{reason}: set output.{name}={'false' if name == 'tied' else 0}, or "
                    "output.type=softmax"
                )
        return {key: value for key, value in data.items() if key not in _UNFIT}

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in pairwise(self.cuts or ())):
            raise ValueError(f"cuts must rise, not {list(self.cuts or ())}")
        return self

    @property
    def fewest_classes(self) -> int:
        """One more than stand before the last cluster."""
        return self.cuts[-1] + 1 if self.cuts else 1

    def fitted(self, target_counts: NDArray[np.int64]) -> "AdaptiveSettings":
        """The same with cuts chosen from the counts, where there are none."""
        if self.cuts is not None:
            return self
        return self.model_copy(update={"cuts": best_cuts(target_counts, self.narrowing)})

    def build(self, encoder: Encoder, vocabulary: int) -> "AdaptiveSoftmax":
        """Make the layer; without cuts, as for a text whose words Zipf's law counts.

        Raises:
            WordlabError: where a cluster would begin behind the last word.
        """
        cuts = self.cuts
        if cuts is None:
            cuts = best_cuts(1e9 / np.arange(1, vocabulary + 1), self.narrowing)
        if cuts and cuts[-1] >= vocabulary:
            raise WordlabError(
                f"a cluster cannot begin behind {cuts[-1]:,} words: there are {vocabulary:,}",
                where="output.cuts",
                mend="choose lower ones, or leave output.cuts out",
            )
        return AdaptiveSoftmax(
            encoder.features,
            vocabulary,
            cuts,
            narrowing=self.narrowing,
            precision=self.precision,
            dropout=self.dropout,
            unigram_bias=self.bias == "unigram",
            deviation=self.deviation,
        )


def best_cuts(counts: NDArray[Any], narrowing: int) -> tuple[int, ...]:
    """Where clusters begin so that a target is expected to cost the fewest multiplications.

    The head holds HEAD_SHARE of the targets at least. None where clusters would not pay.

    Args:
        counts: of each word as a target, in any order. [V]
        narrowing: how much shorter the vectors of each cluster are.
    """
    types = len(counts)
    falling = -np.sort(-np.asarray(counts, dtype=np.float64))
    share = np.concatenate([[0.0], np.cumsum(falling) / max(falling.sum(), 1.0)])
    least = int(np.searchsorted(share, HEAD_SHARE))
    places = np.unique(np.geomspace(max(least, 1), max(types, 2), _PLACES).astype(int))
    inside = [int(place) for place in places if place < types]
    found: tuple[int, ...] = ()
    cost = float(types)
    for clusters in range(1, MOST_CLUSTERS + 1):
        for cuts in combinations(inside, clusters):
            here = _words_worked_out(cuts, share, narrowing)
            if here < cost:
                found, cost = cuts, here
    return found


def _words_worked_out(cuts: Sequence[int], share: NDArray[np.float64], narrowing: int) -> float:
    """What a target costs on average, in words with vectors of full width."""
    ends = (*cuts, len(share) - 1)
    of_clusters = (
        (share[end] - share[begin]) * (end - begin) / narrowing**number
        for number, (begin, end) in enumerate(pairwise(ends), start=1)
    )
    return float(cuts[0] + len(cuts) * (1 + CLUSTER_COST) + sum(of_clusters))


class _Cluster(nn.Module):
    """Rare words: p(word | cluster) = softmax over them of W (P features) + b."""

    def __init__(self, features: int, width: int, words: int, deviation: float) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.empty(width, features))
        nn.init.xavier_uniform_(self.projection)
        self.weight = nn.Parameter(torch.empty(words, width).normal_(std=deviation))
        self.bias = nn.Parameter(torch.zeros(words))


class AdaptiveSoftmax(OutputLayer):
    """p(v) = p(v | head) for frequent words, p(cluster | head) p(v | cluster) for others.

    Probabilities are exact and sum to 1 over all words; the loss works out the head, and of the
    clusters only what the targets are in. In the head a cluster's logit is raised by the logarithm
    of its size, so that without weights all words are equally probable.

    Args:
        features: width F of the feature vectors.
        vocabulary: V.
        cuts: words before each cluster.
        narrowing: cluster i reads F / narrowing^i numbers.
    """

    order: Tensor
    shares: Tensor
    spread: Tensor

    def __init__(
        self,
        features: int,
        vocabulary: int,
        cuts: Sequence[int],
        *,
        narrowing: int = 4,
        precision: Precision = "float32",
        dropout: float = 0.0,
        unigram_bias: bool = True,
        deviation: float = 0.02,
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.dropout = dropout
        self.unigram_bias = unigram_bias
        self.ends = (*cuts, vocabulary)
        sizes = [end - begin for begin, end in pairwise(self.ends)]
        rows = self.ends[0] + len(sizes)
        self.weight = nn.Parameter(torch.empty(rows, features).normal_(std=deviation))
        self.bias = nn.Parameter(torch.zeros(rows))
        widths = [max(1, features // narrowing**number) for number in range(1, len(sizes) + 1)]
        self.clusters = nn.ModuleList(
            _Cluster(features, width, size, deviation)
            for width, size in zip(widths, sizes, strict=True)
        )
        self.register_buffer("order", torch.arange(vocabulary))
        self.register_buffer("shares", torch.full((len(sizes),), 0.0))
        spread = torch.cat([torch.zeros(self.ends[0]), torch.tensor(sizes).float().log()])
        self.register_buffer("spread", spread, persistent=False)

    def _clusters(self) -> list[_Cluster]:
        return [cluster for cluster in self.clusters if isinstance(cluster, _Cluster)]

    @property
    def _head_bias(self) -> Tensor:
        """Of the head's words and, raised, of the clusters."""
        return self.bias + self.spread

    def _places(self) -> Tensor:
        """Where each word stands in the order by frequency. [V]"""
        places = torch.empty_like(self.order)
        places[self.order] = torch.arange(len(places), device=places.device)
        return places

    def start_from_counts(self, target_counts: Tensor) -> None:
        """Order the words by frequency, and begin at ln((count + 1) / (total + V)) unless told."""
        counts = target_counts.double()
        self.order.copy_(torch.argsort(counts, descending=True, stable=True))
        begun = counts[self.order] + 1
        sizes = [self.ends[0], *(len(cluster.weight) for cluster in self._clusters())]
        head, *behind = torch.split(begun, sizes)
        totals = torch.stack([part.sum() for part in behind]) if behind else begun.new_empty(0)
        with torch.no_grad():
            self.shares.copy_(totals / begun.sum())
            if not self.unigram_bias:
                return
            logs = (torch.cat([head, totals]) / begun.sum()).log()
            self.bias.copy_(logs - self.spread)
            for cluster, part, total in zip(self._clusters(), behind, totals, strict=True):
                cluster.bias.copy_((part / total).log())

    def log_probs(self, features: Tensor) -> Tensor:
        """Features [B, F] -> natural-log probabilities [B, V]."""
        head = torch.log_softmax(_scores(features, self.weight, self._head_bias), dim=1)
        words = self.ends[0]
        parts = [head[:, :words]]
        for number, cluster in enumerate(self._clusters()):
            inner = _scores(features, cluster.projection)
            inside = torch.log_softmax(_scores(inner, cluster.weight, cluster.bias), dim=1)
            parts.append(inside + head[:, words + number, None])
        return torch.cat(parts, dim=1).index_select(1, self._places())

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Sum over the batch of -ln p(target), in nats. [B, F], [B] -> scalar."""
        features = functional.dropout(features, self.dropout, self.training)
        places = self._places()[targets]
        of_cluster = self._cluster_of(places)
        classes = torch.where(of_cluster < 0, places, self.ends[0] + of_cluster)
        nats = self._nats(features, self.weight, self._head_bias, classes)
        if not len(targets):
            return nats
        for number, cluster in enumerate(self._clusters()):
            rows = (of_cluster == number).nonzero()[:, 0]
            # Where no target is in the cluster, a row that counts nothing: each parameter has a
            # gradient.
            counted = float(len(rows) > 0)
            rows = rows if counted else rows.new_zeros(1)
            inside = (places[rows] - self.ends[number]).clamp(0, len(cluster.weight) - 1)
            inner = product(features.index_select(0, rows), cluster.projection, None, self._type)
            nats = nats + counted * self._nats(inner, cluster.weight, cluster.bias, inside)
        return nats

    @property
    def _type(self) -> Precision:
        return self.precision if self.training else "float32"

    def _nats(self, features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        return softmax_nats(features, weight, bias, targets, self._type)

    def _cluster_of(self, places: Tensor) -> Tensor:
        """The cluster of each place, -1 for the head."""
        ends = torch.tensor(self.ends[:-1], dtype=torch.int64, device=places.device)
        return torch.bucketize(places, ends, right=True) - 1

    def weights_of_words(self) -> Tensor:
        """The head's, of words in clusters theirs and their cluster's. [V, F]"""
        words = self.ends[0]
        rows = [self.weight[:words]]
        for number, cluster in enumerate(self._clusters()):
            rows.append(cluster.weight @ cluster.projection + self.weight[words + number])
        return torch.cat(rows)[self._places()]

    @property
    def parameters_of_a_class(self) -> int:
        """A rarest word's output vector and bias."""
        last = self._clusters()[-1].weight if self.clusters else self.weight
        return last.shape[1] + 1

    def batch_sizes(self, targets: Tensor) -> dict[str, int]:
        """K and, of each cluster, its targets N1 and the pieces K1 in which they are read."""
        sizes = {"K": -(-len(targets) // chunk_rows(len(targets), len(self.weight)))}
        of_cluster = self._cluster_of(self._places()[targets])
        for number, cluster in enumerate(self._clusters()):
            inside = max(1, int((of_cluster == number).sum()))
            sizes[f"N{number + 1}"] = inside
            sizes[f"K{number + 1}"] = -(-inside // chunk_rows(inside, len(cluster.weight)))
        return sizes

    def costs(self, width: str) -> list[LayerCost]:
        """The head, and each cluster's way to shorter vectors and its softmax."""
        rows, features = self.weight.shape
        number_bytes = 2 if self.precision == "bfloat16" else FLOAT_BYTES
        layers = [
            product_cost(
                "output",
                "head",
                f"{features} x {rows} + {rows}",
                features * rows + rows,
                {width: features, "H": rows},
                inputs=width,
                units="H",
                rows="N",
                reads="K",
                number_bytes=number_bytes,
            )
        ]
        for number, cluster in enumerate(self._clusters(), start=1):
            layers += self._costs_of(cluster, number, width, number_bytes)
        return layers

    def _costs_of(
        self, cluster: _Cluster, number: int, width: str, number_bytes: int
    ) -> list[LayerCost]:
        words, inner = cluster.weight.shape
        features = cluster.projection.shape[1]
        classes, narrow, targets = f"C{number}", f"R{number}", f"N{number}"
        expected: Mapping[str, int] = {
            "N": _EXPECTED_TARGETS,
            targets: round(_EXPECTED_TARGETS * float(self._expected_share(number))),
        }
        narrowed = product_cost(
            "output",
            f"narrowing {number}",
            f"{features} x {inner}",
            features * inner,
            {width: features, narrow: inner},
            inputs=width,
            units=narrow,
            rows="N",
            share=targets,
            expected=expected,
            number_bytes=number_bytes,
        )
        softmax = product_cost(
            "output",
            f"cluster {number}",
            f"{inner} x {words} + {words}",
            inner * words + words,
            {narrow: inner, classes: words},
            inputs=narrow,
            units=classes,
            rows="N",
            reads=f"K{number}",
            share=targets,
            expected=expected,
            number_bytes=number_bytes,
        )
        return [narrowed, softmax]

    def _expected_share(self, number: int) -> float:
        """Of the targets that are in a cluster: as counted, or as Zipf's law has it."""
        counted = self.shares[number - 1]
        if counted.device.type != "meta" and float(counted) > 0:
            return float(counted)
        zipf = 1 / np.arange(1, self.ends[-1] + 1)
        return float(zipf[self.ends[number - 1] : self.ends[number]].sum() / zipf.sum())


def _scores(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Features weight' + bias, by the quickest library where there is no gradient."""
    if torch.is_grad_enabled():
        return functional.linear(features, weight, bias)
    return linear(features, weight, bias)
