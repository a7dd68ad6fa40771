"""Exact ablation: a sentence scored as it is and again without each of its words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Batch
from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import CHUNK_LOGITS
from wordlab.models.judgement import ranks_of
from wordlab.models.language_model import CountModel, LanguageModel, Predictor

By = Literal["unknown", "omit"]

WAYS: dict[By, str] = {
    "unknown": "the unknown word is put in its place",
    "omit": "it is left out, and the words before it move up",
}
"""What is done to a word of the context, in words."""

BEST = 5
"""So many most probable words are kept of each prediction."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ablation:
    """Figures of a sentence of n words and its end marker; NaN where there is no prediction.

    A model that would carry a state or a memory from the text before begins anew.

    Attributes:
        log_probs: ln p of each target. [n + 1]
        ranks: 1 for the most probable word. [n + 1]
        best, best_log_probs: the most probable words of each prediction. [n + 1, k]
        without: ln p of each target (column) without a word before it (row). [n, n + 1]
    """

    log_probs: Floats
    ranks: Integers
    best: Integers
    best_log_probs: Floats
    without: Floats

    @classmethod
    def of(cls, model: Predictor, ids: Sequence[int], vocabulary: Vocabulary, by: By) -> "Ablation":
        """Score a sentence and all its edited forms, many at a time."""
        size, kept = len(ids), min(BEST, len(vocabulary))
        found = cls(
            np.full(size + 1, np.nan),
            np.zeros(size + 1, dtype=np.int64),
            np.zeros((size + 1, kept), dtype=np.int64),
            np.full((size + 1, kept), np.nan),
            np.full((size, size + 1), np.nan),
        )
        rows = [list(ids), *(_without(ids, word, vocabulary, by) for word in range(size))]
        lengths = np.array([len(row) + 1 for row in rows])
        begins = np.cumsum(lengths) - lengths
        store = TokenStore.in_memory(rows, vocabulary)
        reach = _reach(model, size)
        at_once = max(int(lengths.max()), CHUNK_LOGITS // len(vocabulary))
        for batch in _batches(model, store, at_once):
            row = np.searchsorted(begins, batch.positions, side="right") - 1
            target = batch.positions - begins[row] + (row > 0) * (by == "omit")
            distance = target - (row - 1)
            wanted = (row == 0) | ((distance > 0) & (distance <= reach))
            if wanted.any():
                own = replace(batch, since=begins[row])
                found._take(model, _only(own, wanted), row[wanted], target[wanted])
        # What a window does not reach has changed nothing.
        beyond = np.arange(size + 1) - np.arange(size)[:, None] > reach
        np.copyto(found.without, found.log_probs, where=beyond)
        return found

    def _take(self, model: Predictor, batch: Batch, rows: Integers, targets: Integers) -> None:
        """File what the model says of a batch.

        Args:
            rows: 0 for the sentence as it is, j for the one without its j-th word. [N]
            targets: places in the sentence as it is. [N]
        """
        log_probs = model.predict(batch)[0].cpu()
        target = batch.targets[:, None]
        of_target = log_probs.gather(1, target)
        values = of_target[:, 0].double().numpy()
        edits = np.flatnonzero(rows > 0)
        self.without[rows[edits] - 1, targets[edits]] = values[edits]
        own = np.flatnonzero(rows == 0)
        chosen, places = torch.from_numpy(own), targets[own]
        whole = log_probs[chosen].double().numpy()
        best = np.argsort(-whole, axis=1, kind="stable")[:, : self.best.shape[1]]
        self.log_probs[places] = values[own]
        self.ranks[places] = ranks_of(log_probs[chosen], of_target[chosen], target[chosen]).numpy()
        self.best[places] = best
        self.best_log_probs[places] = np.take_along_axis(whole, best, axis=1)

    def changes(self, target: int) -> Floats:
        """Ln p of a target less the same without each word before it; NaN where there is none."""
        own, without = self.log_probs[target], self.without[:target, target]
        with np.errstate(invalid="ignore"):
            changes: Floats = own - without
        changes[own == without] = 0.0  # also where the target is impossible with and without it
        return changes


def _without(ids: Sequence[int], word: int, vocabulary: Vocabulary, by: By) -> list[int]:
    """A sentence's ids without one of its words."""
    between = [] if by == "omit" else [vocabulary.unknown]
    return [*ids[:word], *between, *ids[word + 1 :]]


def _reach(model: Predictor, size: int) -> int:
    """How many words back a prediction may depend on; mixtures may hold longer windows."""
    if isinstance(model, LanguageModel | CountModel) and isinstance(model.reading, Windows):
        return model.reading.order - 1
    return size


def _batches(model: Predictor, store: TokenStore, at_once: int) -> Iterator[Batch]:
    """The model's batches of a text whose sentences have nothing to do with one another."""
    if isinstance(model.reading, Stream):  # which begins after an end marker
        return Sentences().batches(replace(store, start=store.end), at_once)
    return model.reading.batches(store, at_once)


def _only(batch: Batch, wanted: NDArray[np.bool_]) -> Batch:
    """A batch with some of its targets."""
    chosen = torch.from_numpy(np.flatnonzero(wanted))
    some = replace(
        batch,
        targets=batch.targets[chosen],
        positions=batch.positions[wanted],
        since=None if batch.since is None else batch.since[wanted],
    )
    if not batch.steps:
        return replace(some, inputs=batch.inputs[chosen])
    return replace(some, counted=chosen if batch.counted is None else batch.counted[chosen])
