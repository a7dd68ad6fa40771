"""Tagging a text whole: the best tags, their marginals, and the entities that they spell."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.tagger import Tagger

BATCH_WORDS = 4096
"""Words that are tagged at a time."""


@dataclass(frozen=True)
class Tagged:
    """What a tagger finds in a text.

    Attributes:
        tags: of each word, in the order of the text. [N]
        marginals: the probability of each tag of each word. [N, L]
        spans: the entities of each sentence.
        probabilities: of each of them.
    """

    tags: NDArray[np.int64]
    marginals: NDArray[np.float64]
    spans: list[list[Span]]
    probabilities: list[list[float]]


@torch.no_grad()
def read_store(
    model: Tagger, store: TagStore, tags: TagSet, *, probabilities: bool = True
) -> Tagged:
    """Tag all sentences; the model is in its mode for use.

    Args:
        probabilities: work out those of entities too.
    """
    found = np.empty(len(store), dtype=np.int64)
    marginals = np.empty((len(store), len(tags.tags)))
    spans: list[list[Span]] = [[] for _ in store.lengths]
    sure: list[list[float]] = [[] for _ in store.lengths]
    for batch in store.batches(BATCH_WORDS):
        reading = model.read(batch)
        packing = batch.packing
        places = store.begins[batch.sentences][packing.sequence] + packing.time
        found[places] = reading.tags
        marginals[places] = reading.marginals
        firsts = packing.firsts
        for number, sentence in enumerate(batch.sentences.tolist()):
            rows = (firsts[: packing.lengths[number]] + number).tolist()
            own = tags.spans(reading.tags[rows].tolist())
            spans[sentence] = own
            if probabilities:
                sure[sentence] = [
                    reading.probability(rows[start:end], tags.joined) for start, end, _ in own
                ]
    return Tagged(found, marginals, spans, sure)
