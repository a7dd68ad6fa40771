"""Recurrent taggers: each sentence read forwards and backwards."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.packing import Indices, Packing
from wordlab.batching.tagging import TagBatch
from wordlab.models.cost import LayerCost, units_letter
from wordlab.models.products import Precision
from wordlab.models.recurrent.cell import Cell
from wordlab.models.recurrent.gru import GruCell
from wordlab.models.recurrent.lstm import LstmCell
from wordlab.models.settings import Layers, Probability
from wordlab.models.taggers.tagger import TAGGERS, TagEncoder, TaggerSettings


class BidirectionalSettings(TaggerSettings, ABC):
    """What taggers that read both ways share (Graves and Schmidhuber 2005)."""

    hidden: Layers = (100,)
    """Units of each layer in each direction."""
    dropout: Probability = 0.3
    """Of the units of each layer, the same ones at all words of a sentence."""
    precision: Precision = "float32"
    """Of the products in training."""

    @abstractmethod
    def cell(self, inputs: int, units: int) -> Cell:
        """Make a layer in one direction."""

    def build(self, inputs: int) -> "BidirectionalEncoder":
        """Make the encoder with fresh weights."""
        return BidirectionalEncoder(self, inputs)


@TAGGERS.register("bilstm")
class BilstmSettings(BidirectionalSettings):
    """LSTM cells in both directions."""

    type: Literal["bilstm"] = "bilstm"

    def cell(self, inputs: int, units: int) -> Cell:
        """Make a layer in one direction."""
        return LstmCell(inputs, units, precision=self.precision)


@TAGGERS.register("bigru")
class BigruSettings(BidirectionalSettings):
    """GRU cells in both directions."""

    type: Literal["bigru"] = "bigru"

    def cell(self, inputs: int, units: int) -> Cell:
        """Make a layer in one direction."""
        return GruCell(inputs, units, precision=self.precision)


class BidirectionalEncoder(TagEncoder):
    """Each layer reads what the one below found in both directions."""

    def __init__(self, settings: BidirectionalSettings, inputs: int) -> None:
        super().__init__()
        self.settings = settings
        widths = [inputs, *(2 * units for units in settings.hidden)]
        pairs = list(zip(widths, settings.hidden, strict=False))
        self.forwards = nn.ModuleList(settings.cell(m, n) for m, n in pairs)
        self.backwards = nn.ModuleList(settings.cell(m, n) for m, n in pairs)
        self.features = widths[-1]
        self.width = f"(2{units_letter(len(settings.hidden), settings.hidden)})"

    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        """[M + 2, D] -> [M, F]"""
        *_, h = self._units(x, batch)
        return h

    def activations(self, x: Tensor, batch: TagBatch) -> dict[str, Tensor]:
        """The units of each layer, those of both directions side by side."""
        hidden = enumerate(self._units(x, batch), start=1)
        return {f"hidden {number}": h for number, h in hidden}

    def _units(self, x: Tensor, batch: TagBatch) -> Iterator[Tensor]:
        """The units of each layer in turn. [M + 2, D] -> [M, 2 H]"""
        packing = batch.packing
        turned = torch.from_numpy(reversed_places(packing)).to(x.device)
        sequence = torch.from_numpy(packing.sequence).to(x.device)
        h = x[: len(batch.words)]
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            left = _run(ahead, h, batch.steps)
            right = _run(back, h[turned], batch.steps)[turned]
            h = self._dropped(torch.cat([left, right], dim=1), sequence, len(packing.lengths))
            yield h

    def costs(self) -> list[LayerCost]:
        """Each layer in both directions; the one above reads both, 2D wide."""
        layers, inputs = [], "I"
        several = len(self.settings.hidden) > 1
        for number, pair in enumerate(zip(self.forwards, self.backwards, strict=True), start=1):
            units = units_letter(number, self.settings.hidden)
            for way, cell in zip(("forwards", "backwards"), pair, strict=True):
                assert isinstance(cell, Cell)
                layers.append(cell.cost(f"{way} {number}" if several else way, inputs, units))
            inputs = f"(2{units})"
        return layers

    def _dropped(self, h: Tensor, sequence: Tensor, sentences: int) -> Tensor:
        if not self.settings.dropout or not self.training:
            return h
        mask = functional.dropout(h.new_ones(sentences, h.shape[1]), self.settings.dropout)
        return h * mask[sequence]


def reversed_places(packing: Packing) -> Indices:
    """Of each packed word, the place of the one as far from its sentence's other end. [M]"""
    mirrored = packing.lengths[packing.sequence] - 1 - packing.time
    places: Indices = packing.firsts[mirrored] + packing.sequence
    return places


def _run(cell: nn.Module, x: Tensor, steps: tuple[int, ...]) -> Tensor:
    assert isinstance(cell, Cell)
    units: Tensor = cell(x, steps, cell.zero_state(steps[0]))[0]
    return units
