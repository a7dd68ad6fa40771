"""Learning to tag entities."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from wordlab.batching.batch import Order
from wordlab.batching.tagging import TagBatch, TagStore
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.evaluation.tagging.reading import Tagged, read_store
from wordlab.evaluation.tagging.tallies import entity_counts, micro
from wordlab.models.taggers.tagger import Tagger
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Judged, Task
from wordlab.training.window_steps import WindowSteps, window_steps


class Tagging(Task):
    """One tagger, one labelled text; judged by the F1 of entities.

    Args:
        gold: the entities of each sentence of the validation text.
        radius: draw words one by one, with so many on each side; None: draw sentences.
    """

    def __init__(
        self,
        model: Tagger,
        train: TagStore,
        validation: TagStore,
        gold: Sequence[Sequence[Span]],
        tags: TagSet,
        radius: int | None = None,
    ) -> None:
        self.model: Tagger = model
        self.train = train
        self.validation = validation
        self.gold = gold
        self.tags = tags
        self.radius = radius
        known = set(tags.types)
        self._types = (*tags.types, *sorted({s.type for row in gold for s in row} - known))
        self.uniform_nats = math.log(len(tags.tags))

    def targets(self, left_out: int) -> int:
        """Words of the training text."""
        return len(self.train)

    def batches(self, size: int, order: Order, left_out: int) -> Iterator[TagBatch]:
        """Sentences of about the same length together, or words in any order."""
        if self.radius is not None:
            return self.train.windows(size, self.radius, order)
        return self.train.batches(size, order)

    def steps(self, settings: TrainingSettings) -> WindowSteps | None:
        """The compiled kernel's, where it has all of the network and words are drawn one by one."""
        if self.radius is None:
            return None
        return window_steps(self.model, self.train, self.radius, settings)

    def judged_targets(self, most: int) -> int:
        """Words of the validation text, and of a sample of the training text."""
        return len(self.validation) + min(most, len(self.train))

    def judge(self, most: int) -> Judged:
        """Tag both texts; of the training text, sentences spread evenly over it."""
        chosen = _spread(self.train, most)
        train, validation = (
            read_store(self.model, text, self.tags, probabilities=False, marginals=True)
            for text in (chosen, self.validation)
        )
        counts = entity_counts(self.gold, validation.spans, self._types)
        return Judged(
            _nats(train, chosen),
            len(chosen),
            _accuracy(train, chosen),
            _nats(validation, self.validation),
            _accuracy(validation, self.validation),
            micro(counts.sum(axis=0)).f1,
        )


def _spread(store: TagStore, most: int) -> TagStore:
    """Sentences with about so many words in all, spread evenly over a text."""
    if len(store) <= most:
        return store
    every = math.ceil(len(store) / most)
    return store.only(np.arange(0, len(store.lengths), every))


def _nats(tagged: Tagged, store: TagStore) -> float:
    known = store.tags >= 0
    of_gold = tagged.marginals[known, store.tags[known]]
    return float(-np.log(np.maximum(of_gold, 1e-300)).mean()) if known.any() else 0.0


def _accuracy(tagged: Tagged, store: TagStore) -> float:
    return float((tagged.tags == store.tags).mean())
