"""Tagging a text whole: the best tags, their marginals, and the entities that they spell."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.tagging import TagBatch, TagStore
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.paths import Spelling
from wordlab.models.taggers.tagger import Reading, Tagger

BATCH_WORDS = 8192
"""Words that are tagged at a time."""


@dataclass(frozen=True)
class Tagged:
    """What a tagger finds in a text.

    Attributes:
        tags: of each word, in the order of the text. [N]
        marginals: the probability of each tag of each word, if they were asked for. [N, L]
        spans: the entities of each sentence.
        probabilities: of each of them, if they were asked for.
    """

    tags: NDArray[np.int64]
    marginals: NDArray[np.float64]
    spans: list[list[Span]]
    probabilities: list[list[float]]


@torch.no_grad()
def read_store(
    model: Tagger,
    store: TagStore,
    tags: TagSet,
    *,
    prepared: Tensor | None = None,
    probabilities: bool = True,
    marginals: bool = False,
) -> Tagged:
    """Tag all sentences; the model is in its mode for use.

    Args:
        prepared: what the model has worked out of the store's words.
        probabilities: work out those of entities too.
        marginals: work out those of all tags too.
    """
    device = next(model.parameters()).device
    if prepared is None:
        prepared = torch.cat(list(model.prepare(store.table.to(device))))
    found = np.empty(len(store), dtype=np.int64)
    of_tags = np.empty((len(store) if marginals else 0, len(tags.tags)))
    spans: list[list[Span]] = [[] for _ in store.lengths]
    sure: list[list[float]] = [[] for _ in store.lengths]
    for batch in store.batches(BATCH_WORDS):
        reading = model.read(batch.to(device), prepared)
        packing = batch.packing
        places = store.begins[batch.sentences][packing.sequence] + packing.time
        found[places] = reading.tags
        if marginals:
            of_tags[places] = reading.marginals()
        _file(reading, batch, tags, spans, sure if probabilities else None)
    return Tagged(found, of_tags, spans, sure)


def _file(
    reading: Reading,
    batch: TagBatch,
    tags: TagSet,
    spans: list[list[Span]],
    sure: list[list[float]] | None,
) -> None:
    """Put the entities of a batch, and their probabilities, under their sentences."""
    packing = batch.packing
    entities = tags.entities(reading.tags[packing.in_turn], packing.lengths)
    sentences = batch.sentences[entities.sentence].tolist()
    bounds = (entities.start.tolist(), entities.end.tolist(), entities.tag.tolist())
    for sentence, start, end, tag in zip(sentences, *bounds, strict=True):
        spans[sentence].append(Span(start, end, tags.kinds[tag]))
    if sure is not None:
        values = reading.probabilities(entities, tags.joined).tolist()
        for sentence, value in zip(sentences, values, strict=True):
            sure[sentence].append(value)


@dataclass(frozen=True)
class Readings:
    """A reading of each sentence, told apart from others by its entities.

    Attributes:
        spans: the entities of each sentence.
        probabilities: of each of them.
        whole: that a sentence has just these; 0 where none was looked for. [S]
    """

    spans: list[list[Span]]
    probabilities: list[list[float]]
    whole: NDArray[np.float64]

    @classmethod
    def of(cls, sentences: int) -> "Readings":
        """Without an entity."""
        spans: list[list[Span]] = [[] for _ in range(sentences)]
        return cls(spans, [[] for _ in range(sentences)], np.zeros(sentences))


@torch.no_grad()
def read_twice(
    model: Tagger, store: TagStore, tags: TagSet, prepared: Tensor, *, below: float
) -> tuple[Readings, Readings]:
    """The best reading of each sentence, and the next of those that are less sure than `below`.

    The next one is that of the best path that spells other entities. The probability of a reading
    is that of all paths that spell it, which under IOB1 and IOE1 can be more than one.

    Args:
        prepared: what the model has worked out of the store's words.
    """
    best, second = (Readings.of(len(store.lengths)) for _ in range(2))
    for batch in store.batches(BATCH_WORDS):
        reading = model.read(batch, prepared)
        _file(reading, batch, tags, best.spans, best.probabilities)
        paths, spelling = reading.paths(), Spelling.of(reading.tags, batch.packing, tags)
        sure = np.exp(np.minimum(paths.log_probability(spelling), 0.0))
        best.whole[batch.sentences] = sure
        doubtful = np.flatnonzero(sure < below)
        if len(doubtful):
            few, rows = paths.only(doubtful)
            path = few.best_other(spelling.only(rows))
            whole = few.log_probability(Spelling.of(path, few.packing, tags))
            second.whole[batch.sentences[doubtful]] = np.exp(np.minimum(whole, 0.0))
            others = np.zeros_like(reading.tags)  # no entity where none was looked for
            others[rows] = path
            _file(reading.along(others), batch, tags, second.spans, second.probabilities)
    return best, second
