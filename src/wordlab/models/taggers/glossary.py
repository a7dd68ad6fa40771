"""Distinct words of a running text, and what a tagger makes of each on its own."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from wordlab.batching.tagging import TagStore, WordTable
from wordlab.corpus.labelled.lexicon import MARKERS, Lexicon
from wordlab.models.taggers.tagger import Tagger

ROOM = 128 * 2**20
"""Bytes that are kept of words; when they are full, all words are forgotten."""


class Glossary:
    """Words that were met before need no second look.

    Args:
        model: in its mode for use; its weights must not change.
        room: bytes to keep; a text whose words need more gets more.
    """

    def __init__(self, model: Tagger, lexicon: Lexicon, room: int = ROOM) -> None:
        self._model = model
        self._lexicon = lexicon
        (markers,) = model.prepare(WordTable.of([], lexicon))
        self._room = room // (markers.numel() // MARKERS * markers.element_size())
        self._forget(0)

    def _forget(self, words: int) -> None:
        """Begin anew, with room for at least so many words."""
        self._rows: dict[str, int] = {}
        (markers,) = self._model.prepare(WordTable.of([], self._lexicon))
        # The system hands the memory out as it is written to.
        self._prepared = markers.new_empty(MARKERS + max(words, self._room), markers.shape[1])
        self._prepared[:MARKERS] = markers

    @property
    def prepared(self) -> Tensor:
        """For `read_store`, of all words so far. [U, K]"""
        return self._prepared[: MARKERS + len(self._rows)]

    def __len__(self) -> int:
        return len(self._rows)

    def store(self, sentences: Sequence[Sequence[str]]) -> TagStore:
        """Look up the words of sentences, each of at least one, under the rows of `prepared`."""
        words = list(chain.from_iterable(sentences))
        rows = list(map(self._rows.get, words))
        if None in rows:
            new = list(dict.fromkeys(w for w, row in zip(words, rows, strict=True) if row is None))
            if len(self.prepared) + len(new) > len(self._prepared):
                new = list(dict.fromkeys(words))
                self._forget(len(new))
            self._add(new)
            rows = list(map(self._rows.get, words))
        lengths = [len(row) for row in sentences]
        return TagStore(
            WordTable(torch.empty(0, 0)),
            np.array(rows, dtype=np.int64),
            np.full(len(words), -1, dtype=np.int64),
            np.concatenate([[0], np.cumsum(lengths)]),
        )

    def _add(self, words: list[str]) -> None:
        """Prepare further words."""
        first = at = len(self.prepared)
        markers = MARKERS  # at the head of each table; they stand here already
        for part in self._model.prepare(WordTable.of(words, self._lexicon)):
            own = part[markers:]
            self._prepared[at : at + len(own)] = own
            at, markers = at + len(own), 0
        self._rows.update(zip(words, range(first, at), strict=True))
