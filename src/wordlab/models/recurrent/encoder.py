"""A stack of recurrent cells between word embeddings and the output layer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.packing import Packing
from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.models.cost import LayerCost, lookup_cost, units_letter
from wordlab.models.embeddings import Beginning, embedding_table, start_from_cooccurrence
from wordlab.models.language_model import Encoded, Encoder, NetworkSettings
from wordlab.models.products import Precision
from wordlab.models.recurrent.cell import Cell, CellOptions, State
from wordlab.models.settings import Layers, Probability, Units


class RecurrentSettings(NetworkSettings, ABC):
    """What all recurrent networks share."""

    reads: Literal["sentences", "stream"] = "sentences"
    """sentences: each on its own from a zero state; stream: one text, the state carried."""
    length: int = Field(default=35, ge=1)
    """Of a stream: tokens that training reads, and goes back over, at a time."""
    jitter: float = Field(default=0.0, ge=0, lt=1)
    """Of a stream: each length is drawn between `length` times 1 - jitter and 1 + jitter."""
    rotate: bool = False
    """Of a stream: each epoch begins each lane at a place drawn anew, end and beginning joined."""
    unpredicted: int = Field(default=0, ge=0)
    """Of sentences: so many first words are read but never predicted; 2 as CMU 10-707's 4-grams."""
    train_all: bool = False
    """Train on those first words too, though they are no targets of scoring."""
    truncation: int | None = Field(default=None, ge=0)
    """Each target's error goes back so many steps exactly; None: to where the reading begins."""
    embedding: Units = 128
    """Length of the word vectors."""
    vectors: Beginning = "random"
    """Where they begin: random; or cooccurrence, from the words that stand near in training."""
    hidden: Layers = (256,)
    """Units of each layer."""
    start: Literal["orthogonal", "glorot"] = "orthogonal"
    """Where recurrent matrices begin: orthogonal, or drawn as those of the inputs are."""
    precision: Precision = "float32"
    """Of the products in training; sums, gates and all scoring are float32."""
    word_dropout: Probability = 0.0
    """Of whole words: all occurrences in a batch lose their vectors (Gal and Ghahramani 2016)."""
    embedding_dropout: Probability = 0.3
    """Of the embeddings' elements."""
    hidden_dropout: Probability = 0.3
    """Of the units between layers."""
    dropout: Probability = 0.3
    """Of the last layer's units."""
    locked: bool = True
    """Drop the same elements at all tokens of a sequence (variational dropout, Gal 2016)."""
    weight_dropout: Probability = 0.0
    """Of the recurrent matrices, drawn once a batch (DropConnect, Merity et al. 2018)."""
    layer_norm: bool = False
    """Normalise each layer's units (Ba et al. 2016) before dropout."""
    activation_penalty: float = Field(default=0.0, ge=0)
    """AR: this times the mean square of the last layer's units, after dropout (Merity 2017)."""
    change_penalty: float = Field(default=0.0, ge=0)
    """TAR: this times the mean square of their change from token to token (Merity 2017)."""

    @model_validator(mode="after")
    def _truncated_alone(self) -> Self:
        if self.truncation is None:
            return self
        if self.weight_dropout or (len(self.hidden) > 1 and self.hidden_dropout):
            raise ValueError("truncation allows no weight_dropout and no hidden_dropout")
        return self

    @property
    def reading(self) -> Reading:
        """Sentences or a stream."""
        return self.readings[self.reads]

    @property
    def readings(self) -> Mapping[str, Reading]:
        """Both."""
        stream = Stream(self.length, jitter=self.jitter, rotate=self.rotate)
        return {"sentences": Sentences(self.unpredicted, self.train_all), "stream": stream}

    @property
    def yardstick(self) -> Windows:
        """A 4-gram with the same targets, where there is one."""
        if self.reads == "sentences" and self.unpredicted:
            return Windows(self.unpredicted + 2, "single")
        return Windows(4)

    @property
    def cell_options(self) -> CellOptions:
        """What the settings say of a cell of any kind."""
        return {
            "precision": self.precision,
            "weight_dropout": self.weight_dropout,
            "orthogonal": self.start == "orthogonal",
        }

    @abstractmethod
    def cell(self, inputs: int, units: int) -> Cell:
        """Make a layer with fresh weights."""

    def build(self, vocabulary: int) -> "RecurrentEncoder":
        """Make the encoder with fresh weights."""
        return RecurrentEncoder(self, vocabulary)


class RecurrentEncoder(Encoder):
    """Packed ids [M] -> features of those that have a target [N, F].

    Embeddings begin normal with deviation 0.1; the cells say how they begin.
    """

    def __init__(self, settings: RecurrentSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.reading = settings.reading
        self.embedding = embedding_table(vocabulary, settings.embedding)
        inputs = (settings.embedding, *settings.hidden)
        self.cells = nn.ModuleList(
            settings.cell(m, n) for m, n in zip(inputs, settings.hidden, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(n) for n in settings.hidden if settings.layer_norm)
        self.features = settings.hidden[-1]
        self.width = units_letter(len(settings.hidden), settings.hidden)

    def _cells(self) -> list[Cell]:
        return [cell for cell in self.cells if isinstance(cell, Cell)]

    def encode(self, x: Tensor, batch: Batch, state: State = ()) -> Encoded:
        """Read a batch; the state is each layer's parts in turn, of each sequence."""
        settings = self.settings
        packing = Packing.from_steps(batch.steps)
        sequence = torch.from_numpy(packing.sequence).to(x.device)
        sequences = batch.steps[0]
        x = self._dropped(x, settings.embedding_dropout, sequence, sequences)
        state = self._begun(state, sequences)
        if settings.truncation is not None and self.training:
            units, after = self._truncated(x, batch, packing, state, settings.truncation)
            own = sequence[_rows(batch)]
            units = self._dropped(units, settings.dropout, own, sequences)
            return Encoded(units, after)
        lasts = torch.from_numpy(packing.lasts)
        units, traces = self._through_layers(x, batch.steps, state, sequence)
        after = tuple(part[lasts].detach() for part in traces)
        units = self._dropped(units, settings.dropout, sequence, sequences)
        penalty = self._penalty(units, traces[-self._cells()[-1].parts], packing, batch)
        counted = units if batch.counted is None else units[batch.counted]
        return Encoded(counted, after, penalty)

    def activations(self, batch: Batch, state: State = ()) -> tuple[dict[str, Tensor], State]:
        """The vector of each word that a target follows, and each layer's hidden state after it."""
        packing = Packing.from_steps(batch.steps)
        x = self.embed(batch)
        state = self._begun(state, batch.steps[0])
        sequence = torch.from_numpy(packing.sequence).to(x.device)
        _, traces = self._through_layers(x, batch.steps, state, sequence)
        rows, lasts = _rows(batch), torch.from_numpy(packing.lasts)
        found = {"embedding": x[rows]}
        first = 0
        for number, cell in enumerate(self._cells()):
            units = traces[first]
            first += cell.parts
            if self.settings.layer_norm:
                units = self.norms[number](units)
            found[f"hidden {number + 1}"] = units[rows]
        return found, tuple(part[lasts] for part in traces)

    def _begun(self, state: State, sequences: int) -> State:
        """The state of the sequences that go on, which are the first ones; zero at the start."""
        if state:
            return tuple(part[:sequences] for part in state)
        return tuple(part for cell in self._cells() for part in cell.zero_state(sequences))

    def embed(self, batch: Batch) -> Tensor:
        """Word vectors, without those of dropped words. [M] -> [M, E]"""
        inputs = batch.inputs
        x: Tensor = self.embedding(inputs)
        share = self.settings.word_dropout
        if share and self.training:
            kept = functional.dropout(x.new_ones(self.embedding.num_embeddings), share)
            x = x * kept[inputs, None]
        return x

    def _dropped(self, x: Tensor, share: float, sequence: Tensor, sequences: int) -> Tensor:
        """Drop elements of packed rows, the same ones of all rows of a sequence if locked."""
        if not share or not self.training:
            return x
        if not self.settings.locked:
            return functional.dropout(x, share)
        mask = functional.dropout(x.new_ones(sequences, x.shape[1]), share)
        return x * mask[sequence]

    def _through_layers(
        self, x: Tensor, steps: tuple[int, ...], state: State, sequence: Tensor
    ) -> tuple[Tensor, State]:
        """The last layer's units, and each part of each layer's state, after every token."""
        traces: list[Tensor] = []
        first = 0
        for number, cell in enumerate(self._cells()):
            if number:
                x = self._dropped(x, self.settings.hidden_dropout, sequence, steps[0])
            parts = cell(x, steps, state[first : first + cell.parts])
            traces += parts
            first += cell.parts
            x = self.norms[number](parts[0]) if self.settings.layer_norm else parts[0]
        return x, tuple(traces)

    def _penalty(
        self, dropped: Tensor, units: Tensor, packing: Packing, batch: Batch
    ) -> Tensor | None:
        """AR and TAR, or None where there are none; of a share, what it adds to the whole's."""
        settings = self.settings
        if not self.training or not (settings.activation_penalty or settings.change_penalty):
            return None
        whole = batch.whole or batch.steps
        share = len(dropped) / sum(whole)
        penalty = settings.activation_penalty * dropped.square().mean() * share
        if settings.change_penalty and len(packing.steps) > 1:
            later = np.flatnonzero(packing.time > 0)
            earlier = later - packing.steps[packing.time[later] - 1]
            change = units[torch.from_numpy(later)] - units[torch.from_numpy(earlier)]
            share = len(later) / (sum(whole) - whole[0])
            penalty = penalty + settings.change_penalty * change.square().mean() * share
        return penalty

    def _truncated(
        self, x: Tensor, batch: Batch, packing: Packing, state: State, back: int
    ) -> tuple[Tensor, State]:
        """Units of the counted tokens whose error goes back `back` steps each, and the state.

        A pass without gradients finds the states; then the last `back` + 1 tokens before each
        target are read anew from the state before them, each as a sequence of its own.
        """
        sequence = torch.from_numpy(packing.sequence).to(x.device)
        with torch.no_grad():
            _, traces = self._through_layers(x.detach(), batch.steps, state, sequence)
        rows = _rows(batch).numpy(force=True)
        lengths = np.minimum(packing.time[rows], back) + 1
        by_length = np.argsort(-lengths, kind="stable")
        windows = Packing.of(lengths[by_length])
        of_row = rows[by_length]
        begin = packing.time[of_row] - lengths[by_length] + 1
        firsts = packing.firsts
        where = firsts[begin[windows.sequence] + windows.time]
        where = where + packing.sequence[of_row][windows.sequence]
        before = torch.from_numpy(firsts[np.maximum(begin - 1, 0)] + packing.sequence[of_row])
        opens = torch.from_numpy(begin == 0)[:, None].to(x.device)
        own = torch.from_numpy(packing.sequence[of_row])
        begun = tuple(
            torch.where(opens, part[own], trace[before])
            for part, trace in zip(state, traces, strict=True)
        )
        inputs = x[torch.from_numpy(where)]
        steps = tuple(windows.steps.tolist())
        units, _ = self._through_layers(
            inputs, steps, begun, own[torch.from_numpy(windows.sequence)]
        )
        place = np.empty(len(rows), dtype=np.int64)
        place[by_length] = windows.lasts
        lasts = torch.from_numpy(packing.lasts)
        return units[torch.from_numpy(place)], tuple(part[lasts] for part in traces)

    def start_from_text(self, store: TokenStore, seed: int) -> None:
        """Set the word vectors, if the settings say so."""
        if self.settings.vectors == "cooccurrence":
            start_from_cooccurrence(self.embedding, store, seed)

    def word_vectors(self) -> Tensor:
        """The table of word embeddings. [V, E]"""
        return self.embedding.weight

    def costs(self) -> list[LayerCost]:
        """The embedding, and each layer with its blocks."""
        types, length = self.embedding.weight.shape
        layers = [lookup_cost("embedding", ("V", types), ("E", length))]
        inputs, several = "E", len(self.cells) > 1
        for number, cell in enumerate(self._cells(), start=1):
            units = units_letter(number, self.settings.hidden)
            layers.append(cell.cost(f"layer {number}" if several else "layer", inputs, units))
            if self.settings.layer_norm:
                n = cell.units
                layers.append(LayerCost("hidden", f"norm {number}", f"{n} + {n}", 2 * n))
            inputs = units
        return layers


def _rows(batch: Batch) -> Tensor:
    """The packed rows of the targets."""
    inputs, counted = batch.inputs, batch.counted
    return torch.arange(len(inputs), device=inputs.device) if counted is None else counted
