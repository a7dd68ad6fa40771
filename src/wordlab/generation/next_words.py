"""The distribution of the next word after histories that grow: no word is read twice."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.models.language_model import Predictor, State, joined_states, state_rows

History = tuple[int, ...]


@torch.no_grad()
def next_log_probs(
    model: Predictor, vocabulary: Vocabulary, histories: Sequence[Sequence[int]]
) -> Tensor:
    """Natural-log probabilities of the word after each history. [len(histories), V]"""
    contexts = model.reading.contexts(histories, vocabulary.start, vocabulary.end)
    return model.predict(contexts)[0]


class NextWords:
    """What a model expects after histories, from the states that it was in one word before.

    The states after the histories of one call are kept for the next. A model that learns from the
    text reads each history from its beginning.
    """

    def __init__(self, model: Predictor, vocabulary: Vocabulary) -> None:
        self.model = model
        self.vocabulary = vocabulary
        self._rows: dict[History, int] = {}
        self._log_probs = torch.empty(0)
        self._state: State = None

    @torch.no_grad()
    def after(self, histories: Sequence[Sequence[int]]) -> Tensor:
        """Natural-log probabilities of the word after each history. [len(histories), V]"""
        if self.model.adaptation:
            return next_log_probs(self.model, self.vocabulary, histories)
        wanted = [tuple(history) for history in histories]
        # Longest first, as sequences are packed, so that the states come out in this order.
        distinct = sorted(dict.fromkeys(wanted), key=len, reverse=True)
        old = [history for history in distinct if history in self._rows]
        new = [history for history in distinct if history not in self._rows]
        parts = []
        if old:
            rows = self._rows_of(old)
            parts.append((self._log_probs[rows], state_rows(self._state, rows)))
        if new:
            parts.append(self._read(new))
        log_probs, states = zip(*parts, strict=True)
        self._rows = {history: row for row, history in enumerate([*old, *new])}
        self._log_probs, self._state = torch.cat(log_probs), joined_states(states)
        return self._log_probs[self._rows_of(wanted)]

    def _rows_of(self, histories: Sequence[History]) -> NDArray[np.int64]:
        return np.array([self._rows[history] for history in histories])

    def _read(self, histories: Sequence[History]) -> tuple[Tensor, State]:
        """Go on from the states that are kept, or from the beginning if one of them is missing."""
        start, end = self.vocabulary.start, self.vocabulary.end
        reading = self.model.reading
        before = [history[:-1] for history in histories]
        if not all(histories) or not all(history in self._rows for history in before):
            return self.model.predict(reading.contexts(histories, start, end))
        state = state_rows(self._state, self._rows_of(before))
        return self.model.predict(reading.continued(histories, start, end), state)
