"""The window tagger: a feed-forward net over the vectors of a word and its neighbours."""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.tagging import TagBatch
from wordlab.config import NameIn
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.cost import LayerCost, product_cost, units_letter
from wordlab.models.products import product
from wordlab.models.settings import Layers, Probability
from wordlab.models.taggers.tagger import TAGGERS, TagEncoder, TaggerSettings


@TAGGERS.register("window")
class WindowSettings(TaggerSettings):
    """A window of words and hidden layers (Collobert et al. 2011, sec. 3.2.1)."""

    type: Literal["window"] = "window"
    radius: int = Field(default=2, ge=0)
    """Words on each side."""
    examples: Literal["sentences", "words"] = "sentences"
    """What training draws: sentences of about one length; or words one by one, each with its
    window, for outputs that take a word's tag on its own."""
    hidden: Layers = (200,)
    """Units of each layer."""
    activation: Annotated[str, NameIn(ACTIVATIONS)] = "tanh"
    """Of the hidden units."""
    dropout: Probability = 0.3
    """Of the units of each hidden layer."""

    @property
    def drawn_radius(self) -> int | None:
        """The window's, where words are drawn one by one."""
        return self.radius if self.examples == "words" else None

    def build(self, inputs: int) -> "WindowEncoder":
        """Make the encoder with fresh weights."""
        return WindowEncoder(self, inputs)


class WindowEncoder(TagEncoder):
    """Hidden layers over the vectors of 2 radius + 1 words side by side.

    Weights begin uniform in +-sqrt(6 / (m + n)), biases at 0.
    """

    def __init__(self, settings: WindowSettings, inputs: int) -> None:
        super().__init__()
        self.settings = settings
        widths = ((2 * settings.radius + 1) * inputs, *settings.hidden)
        self.layers = nn.ModuleList(
            nn.Linear(m, n) for m, n in zip(widths, settings.hidden, strict=False)
        )
        for layer in self._layers():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.features = widths[-1]
        self.width = units_letter(len(settings.hidden), settings.hidden)
        self._activation = ACTIVATIONS[settings.activation]

    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        """[M + 2, D] -> [M, F]"""
        first = self._layers()[0]
        return self._above(product(batch.around(x, self.settings.radius), first.weight, first.bias))

    def costs(self) -> list[LayerCost]:
        """The vectors put side by side, P in a window, and each hidden layer."""
        places, hidden = 2 * self.settings.radius + 1, self.settings.hidden
        sizes = {"P": places, "I": self._layers()[0].in_features // places}
        layers = [
            LayerCost(
                "hidden",
                "window",
                f"{places} x {sizes['I']}",
                0,
                sizes,
                forward_bytes="8 P I",
                backward_bytes="4 P I + 4 I + 8 I / M",
                kept=places * sizes["I"],
            )
        ]
        inputs = "P I"
        for number, layer in enumerate(self._layers(), start=1):
            units = units_letter(number, hidden)
            sizes = {**sizes, units: layer.out_features}
            layers.append(
                product_cost(
                    "hidden",
                    "hidden" if len(hidden) == 1 else f"hidden {number}",
                    f"{layer.in_features} x {layer.out_features} + {layer.out_features}",
                    sum(p.numel() for p in layer.parameters()),
                    sizes,
                    inputs=inputs,
                    units=units,
                )
            )
            inputs = units
        return layers

    def activations(self, x: Tensor, batch: TagBatch) -> dict[str, Tensor]:
        """The units of each hidden layer."""
        first = self._layers()[0]
        h = product(batch.around(x, self.settings.radius), first.weight, first.bias)
        return {f"hidden {at}": units for at, units in enumerate(self._units(h), start=1)}

    def project(self, x: Tensor) -> Tensor:
        """What a word adds to the first layer from each place of the window, side by side.

        In use, one product for each distinct word and not for each window. [U, D] -> [U, P H]
        """
        first = self._layers()[0].weight
        by_place = first.view(len(first), 2 * self.settings.radius + 1, -1)
        return product(x, by_place.transpose(0, 1).flatten(0, 1))

    def join(self, projected: Tensor, rows: Tensor, batch: TagBatch) -> Tensor:
        """Add up what the words of each window add. [U, P H] -> [M, F]"""
        first = self._layers()[0]
        width = 2 * self.settings.radius + 1
        around = rows[batch.neighbours(self.settings.radius).to(rows.device)]
        index = around * width + torch.arange(width, device=rows.device)
        pieces = projected.view(-1, len(first.weight))
        return self._above(functional.embedding_bag(index, pieces, mode="sum") + first.bias)

    def _above(self, h: Tensor) -> Tensor:
        """The last hidden units over what the first layer's products are."""
        *_, units = self._units(h)
        return units

    def _units(self, h: Tensor) -> Iterator[Tensor]:
        """The units of each hidden layer in turn, over what the first one's products are."""
        _, *further = self._layers()
        h = self._finish(h)
        yield h
        for layer in further:
            h = self._finish(product(h, layer.weight, layer.bias))
            yield h

    def _finish(self, h: Tensor) -> Tensor:
        return functional.dropout(self._activation(h), self.settings.dropout, self.training)
