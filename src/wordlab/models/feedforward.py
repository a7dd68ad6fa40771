"""The feed-forward n-gram network of Bengio et al. (2003) and of CMU 10-707, homework 3."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.batching.windows import Padding, Windows
from wordlab.config import NameIn
from wordlab.corpus.store import TokenStore
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.cost import LayerCost, lookup_cost, product_cost, units_letter
from wordlab.models.embeddings import Beginning, embedding_table, start_from_cooccurrence
from wordlab.models.language_model import MODELS, Encoded, Encoder, NetworkSettings
from wordlab.models.operands import operand
from wordlab.models.products import linear, product
from wordlab.models.settings import Layers, Probability, Units


@MODELS.register("feedforward")
class FeedforwardSettings(NetworkSettings):
    """h = f(W [L(w_1) .. L(w_n-1)] + a), or several such layers; features are h."""

    type: Literal["feedforward"] = "feedforward"
    n: int = Field(default=4, ge=2, le=64)
    """Length of the n-grams: n - 1 words are read, the n-th is predicted."""
    padding: Padding = "full"
    """full: n - 1 start markers; single: one, so a sentence's first n - 2 words are no targets."""
    embedding: Units = 64
    """Length of the word vectors."""
    vectors: Beginning = "random"
    """Where they begin: random; or cooccurrence, from the words that stand near in training."""
    hidden: Layers = (128,)
    """Units of each hidden layer."""
    activation: Annotated[str, NameIn(ACTIVATIONS)] = "tanh"
    """identity, tanh, sigmoid, relu or gelu."""
    embedding_dropout: Probability = 0.3
    """Of the concatenated embeddings."""
    dropout: Probability = 0.3
    """Of the units of each hidden layer."""
    direct: bool = False
    """Connect the embeddings to the output too: features are [h, L(w_1) .. L(w_n-1)]."""
    sparse: bool = False
    """Update only the embedding rows that a batch reads."""

    @property
    def reading(self) -> Windows:
        """Windows of n tokens."""
        return Windows(self.n, self.padding)

    @property
    def yardstick(self) -> Windows:
        """The same windows."""
        return self.reading

    def build(self, vocabulary: int) -> "FeedforwardEncoder":
        """Make the encoder with fresh weights."""
        return FeedforwardEncoder(self, vocabulary)


class FeedforwardEncoder(Encoder):
    """Windows of ids [N, n - 1] -> features [N, F].

    Embeddings begin normal with deviation 0.1; hidden weights uniform in
    +-sqrt(6 / (inputs + units)) (Glorot and Bengio 2010, eq. 16); biases at 0.
    """

    def __init__(self, settings: FeedforwardSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.reading = settings.reading
        self.activation = ACTIVATIONS[settings.activation]
        self.embedding = embedding_table(vocabulary, settings.embedding, sparse=settings.sparse)
        window = (settings.n - 1) * settings.embedding
        widths = (window, *settings.hidden)
        self.hidden = nn.ModuleList(nn.Linear(inputs, units) for inputs, units in pairwise(widths))
        for layer in self._layers():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.features = settings.hidden[-1] + (window if settings.direct else 0)
        self.width = "F" if settings.direct else units_letter(len(settings.hidden), settings.hidden)

    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.hidden if isinstance(layer, nn.Linear)]

    def embed(self, batch: Batch) -> Tensor:
        """Windows [N, n - 1] -> [N, n - 1, E]"""
        vectors: Tensor = self.embedding(batch.inputs)
        return vectors

    def encode(self, x: Tensor, batch: Batch, state: tuple[Tensor, ...] = ()) -> Encoded:
        """[N, n - 1, E] -> features [N, F]; there is no state."""
        settings = self.settings
        window = x.flatten(1)
        window = functional.dropout(window, settings.embedding_dropout, self.training)
        *_, units = self._units(window)
        return Encoded(torch.cat([units, window], dim=1) if settings.direct else units)

    def _units(self, window: Tensor) -> Iterator[Tensor]:
        """The units of each hidden layer in turn."""
        units = window
        for layer in self._layers():
            units = self.activation(_affine(layer, units))
            units = functional.dropout(units, self.settings.dropout, self.training)
            yield units

    def activations(
        self, batch: Batch, state: tuple[Tensor, ...] = ()
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
        """The vector of the last word of each window, and the units of each hidden layer."""
        vectors = self.embedding(batch.inputs)
        hidden = enumerate(self._units(vectors.flatten(1)), start=1)
        return {"embedding": vectors[:, -1], **{f"hidden {at}": h for at, h in hidden}}, ()

    def start_from_text(self, store: TokenStore, seed: int) -> None:
        """Set the word vectors, if the settings say so."""
        if self.settings.vectors == "cooccurrence":
            start_from_cooccurrence(self.embedding, store, seed)

    def word_vectors(self) -> Tensor:
        """The table of word embeddings. [V, E]"""
        return self.embedding.weight

    def costs(self) -> list[LayerCost]:
        """The embedding and each hidden layer."""
        settings = self.settings
        types, length = self.embedding.weight.shape
        context = ("(n-1)", settings.n - 1)
        rows, width = ("V", types), ("E", length)
        layers = [lookup_cost("embedding", rows, width, each=context, dense=not settings.sparse)]
        sizes, inputs = dict([context, width]), "(n-1) E"
        for number, layer in enumerate(self._layers(), start=1):
            units = units_letter(number, settings.hidden)
            sizes = {**sizes, units: layer.out_features}
            layers.append(
                product_cost(
                    "hidden",
                    "hidden" if len(settings.hidden) == 1 else f"hidden {number}",
                    f"{layer.in_features} x {layer.out_features} + {layer.out_features}",
                    sum(p.numel() for p in layer.parameters()),
                    sizes,
                    inputs=inputs,
                    units=units,
                )
            )
            inputs = units
        return layers


def _affine(layer: nn.Linear, x: Tensor) -> Tensor:
    """W x + b by the fastest product at hand."""
    weight = operand(layer.weight, x)
    if weight is layer.weight:
        return product(x, layer.weight, layer.bias)
    return linear(x, weight, layer.bias)
