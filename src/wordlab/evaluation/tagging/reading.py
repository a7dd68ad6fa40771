"""Tagging a text whole: the best tags, their marginals, and the entities that they spell."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.tagger import Tagger

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
    if prepared is None:
        prepared = torch.cat(list(model.prepare(store.table)))
    found = np.empty(len(store), dtype=np.int64)
    of_tags = np.empty((len(store) if marginals else 0, len(tags.tags)))
    spans: list[list[Span]] = [[] for _ in store.lengths]
    sure: list[list[float]] = [[] for _ in store.lengths]
    for batch in store.batches(BATCH_WORDS):
        reading = model.read(batch, prepared)
        packing = batch.packing
        places = store.begins[batch.sentences][packing.sequence] + packing.time
        found[places] = reading.tags
        if marginals:
            of_tags[places] = reading.marginals()
        entities = tags.entities(reading.tags[packing.in_turn], packing.lengths)
        sentences = batch.sentences[entities.sentence].tolist()
        bounds = (entities.start.tolist(), entities.end.tolist(), entities.tag.tolist())
        for sentence, start, end, tag in zip(sentences, *bounds, strict=True):
            spans[sentence].append(Span(start, end, tags.kinds[tag]))
        if probabilities:
            values = reading.probabilities(entities, tags.joined).tolist()
            for sentence, value in zip(sentences, values, strict=True):
                sure[sentence].append(value)
    return Tagged(found, of_tags, spans, sure)
