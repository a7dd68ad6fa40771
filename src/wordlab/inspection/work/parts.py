"""A model cut into its parts, each with what it does to a drawn batch."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.batch import Batch, Order
from wordlab.batching.packing import Packing
from wordlab.batching.tagging import TagBatch, TagStore
from wordlab.corpus.labelled.lexicon import WORD, Lexicon
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.models.cost import LayerCost, Part, evaluate
from wordlab.models.language_model import LanguageModel
from wordlab.models.recurrent.encoder import RecurrentEncoder
from wordlab.models.taggers.tagger import Tagger

WORDS = 24
"""Of each drawn sentence."""


@dataclass(frozen=True)
class PartOfModel:
    """A part, and what it does to a batch.

    Attributes:
        run: from what the part before made, to what the next one takes.
        rows: of the batch, that formulas are of one of.
    """

    name: Part
    run: Callable[[Tensor], Tensor]
    rows: int


@dataclass(frozen=True)
class Workload:
    """A model in training and a batch for it.

    Attributes:
        parts: in the order in which data pass them.
        layers: of all parts.
        batch: the batch's letters and sizes.
        protocol: what is done and what is left out, in words.
    """

    model: nn.Module
    parts: tuple[PartOfModel, ...]
    layers: tuple[LayerCost, ...]
    batch: Mapping[str, int]
    protocol: str

    @property
    def sizes(self) -> dict[str, int]:
        """All letters."""
        return {k: v for layer in self.layers for k, v in layer.sizes.items()} | dict(self.batch)

    def of(self, part: PartOfModel, formula: Callable[[LayerCost], str]) -> int:
        """The value of the formulas of a part's layers, summed, for the whole batch."""
        of_row = sum(
            evaluate(formula(layer), self.sizes) for layer in self.layers if layer.part == part.name
        )
        return int(of_row * part.rows)


def language_workload(model: LanguageModel, vocabulary: Vocabulary, size: int) -> Workload:
    """Of a language model: a training batch of about `size` targets, read in its own way."""
    model = _whole(model)
    reading = model.reading.in_training(size)
    store = TokenStore.in_memory(drawn_sentences(vocabulary, 2 * size + 2 * WORDS), vocabulary)
    batch = max(reading.batches(store, size, order=Order(1, 0)), key=lambda x: len(x.targets))
    protocol = (
        f"A batch of drawn sentences of {WORDS} words, in float32 where the settings say no other; "
        "dropout as in training; all classes and no truncation, whatever the settings say."
    )
    return _language(model, batch, protocol)


def recurrent_workload(model: LanguageModel, steps_back: int, targets: int) -> Workload:
    """Of a recurrent language model: targets whose error goes back so many steps, each alone."""
    model = _whole(model)
    packing = Packing.of(np.full(targets, steps_back + 1))
    types = len(model.encoder.word_vectors())
    ids = np.random.default_rng(1).integers(types, size=len(packing.time))
    places = np.arange(targets)
    batch = Batch(
        torch.from_numpy(ids),
        torch.from_numpy(ids[packing.lasts]),
        places,
        places,
        steps=tuple(packing.steps.tolist()),
        counted=torch.from_numpy(packing.lasts),
    )
    return _language(model, batch, "")


def _whole(model: LanguageModel) -> LanguageModel:
    """A copy in training that neither samples classes nor truncates."""
    model = deepcopy(model).train()
    model.output.at(1.0)
    encoder = model.encoder
    if isinstance(encoder, RecurrentEncoder):
        encoder.settings = encoder.settings.model_copy(update={"truncation": None})
    return model


def _language(model: LanguageModel, batch: Batch, protocol: str) -> Workload:
    encoder, output = model.encoder, model.output
    rows, targets = len(batch.inputs), len(batch.targets)
    sizes = {"M": rows, "N": targets, **output.batch_sizes(batch.targets)}
    if batch.steps:
        sizes |= {"S": batch.steps[0], "T": len(batch.steps)}
    parts = (
        PartOfModel("embedding", lambda _: encoder.embed(batch), rows),
        PartOfModel("hidden", lambda x: encoder.encode(x, batch).features, rows),
        PartOfModel("output", lambda x: output.loss(x, batch.targets), targets),
    )
    return Workload(model, parts, tuple(model.costs()), sizes, protocol)


def tagger_workload(model: Tagger, lexicon: Lexicon, size: int) -> Workload:
    """Of a tagger: a batch of whole sentences with about `size` words."""
    model = deepcopy(model).train()
    forms = lexicon.columns[WORD]
    drawn = _drawn(len(forms), size + WORDS)
    rows = [
        [forms[at] for at in drawn[first : first + WORDS]]
        for first in range(0, max(size, WORDS), WORDS)
    ]
    store = TagStore.of(rows, lexicon, [[0] * len(row) for row in rows])
    return tagger_parts(model, next(iter(store.batches(size))))


def tagger_parts(model: Tagger, batch: TagBatch) -> Workload:
    """Of a tagger and a batch of whole sentences."""
    words = len(batch.targets)
    table = batch.table
    distinct = torch.unique(batch.padded())
    letters = 0 if table.letters is None else int((table.letters[distinct] >= 0).sum(dim=1).max())
    sizes = {"M": words, "N": words, "S": batch.steps[0], "T": len(batch.steps)}
    sizes |= {"U": len(distinct), "G": letters} if letters else {}
    parts = (
        PartOfModel("embedding", lambda _: model.words(table, batch.padded()), words),
        PartOfModel("hidden", lambda x: model.encoder(x, batch), words),
        PartOfModel("output", lambda x: model.output.loss(x, batch), words),
    )
    protocol = f"A batch of drawn sentences of {WORDS} words; dropout as in training."
    return Workload(model, parts, tuple(model.costs()), sizes, protocol)


def drawn_sentences(vocabulary: Vocabulary, tokens: int) -> list[list[int]]:
    """Sentences of WORDS words each."""
    markers = {vocabulary.unknown, vocabulary.start, vocabulary.end}
    words = np.array(
        [i for i in range(len(vocabulary)) if i not in markers] or [vocabulary.unknown]
    )
    drawn = words[_drawn(len(words), tokens)]
    return [drawn[first : first + WORDS].tolist() for first in range(0, tokens, WORDS)]


def _drawn(types: int, count: int) -> NDArray[np.int64]:
    """Numbers of words, the first the most frequent, as Zipf found them."""
    weights = 1 / np.arange(1, types + 1)
    found: NDArray[np.int64] = np.random.default_rng(1).choice(
        types, size=count, p=weights / weights.sum()
    )
    return found
