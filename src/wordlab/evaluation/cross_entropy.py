"""Cross-entropy of a text: totals that add, and everything that is derived from them."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Questions, Reading
from wordlab.corpus.store import TokenStore
from wordlab.models.language_model import Predictor, State, joined_states, state_rows

_COLUMNS = (np.int64, np.int64, np.float64, np.int64, np.float64)
"""Types of the arrays of `TokenScores`."""

STRETCHES = 100
"""Into so many stretches at least a sample of a text is spread."""

CHUNK_LOGITS = 1 << 22
"""Log-probabilities held at a time while scoring: 16 MiB of float32."""

Observer = Callable[[int, int], None]
"""Is told how many targets of a text are scored, and how many tokens it has."""

_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def scoring_observed(observer: Observer) -> Iterator[None]:
    """Have `observer` told of each batch that is scored while the context lasts."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def observe(scored: int, tokens: int) -> None:
    """Tell the observer, if there is one."""
    observer = _observer.get()
    if observer is not None:
        observer(scored, tokens)


@dataclass(frozen=True)
class Score:
    """Totals over predicted tokens. Scores add; what is divided is divided once, at the end.

    Attributes:
        nats: sum of -ln p(target).
        targets: predicted tokens.
        top1, top5, top10: targets among so many most probable words.

    >>> uniform = Score(nats=3 * math.log(10), targets=3, top1=0, top5=0, top10=0)
    >>> round(uniform.perplexity, 6)
    10.0
    """

    nats: float = 0.0
    targets: int = 0
    top1: int = 0
    top5: int = 0
    top10: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.nats + other.nats,
            self.targets + other.targets,
            self.top1 + other.top1,
            self.top5 + other.top5,
            self.top10 + other.top10,
        )

    @property
    def nats_per_token(self) -> float:
        """Cross-entropy H in nats a predicted token; NaN without a target."""
        return self.nats / self.targets if self.targets else math.nan

    @property
    def bits_per_token(self) -> float:
        """The same in bits."""
        return self.nats_per_token / math.log(2)

    @property
    def perplexity(self) -> float:
        """e^H with H in nats, which is 2^H with H in bits: one value whatever the logarithm."""
        return perplexity(self.nats_per_token)

    @property
    def accuracy(self) -> float:
        """Share of targets that were the most probable word."""
        return self.top1 / self.targets if self.targets else math.nan


def perplexity(nats_per_token: float) -> float:
    """e^H; infinite where that passes the range of a float."""
    return math.inf if nats_per_token >= 700 else math.exp(nats_per_token)


def adjusted_nats(nats_per_token: float, unknown_share: float) -> float:
    """Charge the unknown word for the words it stands for: l_adj = (l + f ln f) / (1 - f).

    Args:
        nats_per_token: l, the mean loss in nats.
        unknown_share: f, the share of the training corpus's tokens outside the vocabulary.

    Source: CS224d, assignment 2 (2015), which goes from 125.696 to 222.597 with f = 0.15996783.

    >>> round(math.exp(adjusted_nats(math.log(125.696), 0.15996783)), 3)
    222.597
    """
    f = unknown_share
    if f == 0:
        return nats_per_token
    if f >= 1:
        return math.nan
    return (nats_per_token + f * math.log(f)) / (1 - f)


@dataclass(frozen=True)
class TokenScores:
    """What a model says of each target, in the text's order; all arrays are [N].

    Attributes:
        positions: where the target stands in its token store.
        targets: its id.
        nats: surprisal, -ln p(target).
        ranks: 1 for the most probable word; equally probable words rank by id.
        entropies: of the whole next-word distribution, in nats.
    """

    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    nats: NDArray[np.float64]
    ranks: NDArray[np.int64]
    entropies: NDArray[np.float64]

    def score(self, chosen: NDArray[np.bool_] | None = None) -> Score:
        """Add up all targets, or those chosen."""
        nats = self.nats if chosen is None else self.nats[chosen]
        ranks = self.ranks if chosen is None else self.ranks[chosen]
        return Score(
            float(nats.sum()),
            len(nats),
            int((ranks <= 1).sum()),
            int((ranks <= 5).sum()),
            int((ranks <= 10).sum()),
        )


@torch.no_grad()
def score_tokens(
    model: Predictor,
    store: TokenStore,
    *,
    vocabulary: int,
    reading: Reading | None = None,
    entropies: bool = False,
    most: int | None = None,
) -> TokenScores:
    """Score each target of a text once; nothing is carried from file to file.

    Args:
        vocabulary: V, for the size of the chunks.
        reading: how to read the text; None for the model's own way.
        entropies: work out the entropy of each prediction too; else they are NaN.
        most: score about so many targets at most, in short stretches spread evenly over the text;
            with a carried state, the first of each of the reading's lanes.
    """
    # Filled in place: small arrays kept from batch to batch would lie between the large ones that
    # are freed, whose room could then not be used again.
    columns: list[NDArray[Any]] = [np.empty(len(store), dtype) for dtype in _COLUMNS]
    filled = 0
    for first, part in store.parts():
        for found in _score_chunks(
            model, reading or model.reading, part, vocabulary, entropies, most
        ):
            here = slice(filled, filled + len(found[0]))
            for column, values in zip(columns, found, strict=True):
                column[here] = values
            columns[0][here] += first
            filled = here.stop
    positions, targets, nats, ranks, spreads = (column[:filled] for column in columns)
    order = np.argsort(positions, kind="stable")
    return TokenScores(positions[order], targets[order], nats[order], ranks[order], spreads[order])


def batch_for(model: Predictor, vocabulary: int) -> int:
    """How many targets to score at a time: what the model allows, and memory."""
    most = max(1, CHUNK_LOGITS // vocabulary)
    return most if model.segment is None else min(most, model.segment)


def _score_chunks(
    model: Predictor,
    reading: Reading,
    store: TokenStore,
    vocabulary: int,
    entropies: bool,
    most: int | None,
) -> Iterator[Sequence[NDArray[Any]]]:
    """Yield the columns of `TokenScores`, a part of the text at a time."""
    state: State = None
    scored = 0
    for questions in _asked(model, reading, store, batch_for(model, vocabulary), most):
        after = []
        for one in questions:
            found, then = model.judge(one, state_rows(state, one.parents), entropies=entropies)
            after.append(then)
            scored += len(one.places)
            observe(scored, len(store))
            columns = (one.targets, found.nats, found.ranks, found.entropies)
            yield one.places, *(values[one.pairs] for values in columns)
        state = joined_states(after)


def _asked(
    model: Predictor, reading: Reading, store: TokenStore, size: int, most: int | None
) -> Iterator[list[Questions]]:
    """What is asked of a model: of one that learns from the text, each batch in its turn."""
    sampled = most is not None and most < len(store)
    if not (sampled or model.adaptation):
        return reading.asked(store, size)
    first, last, every = 0, None, 1
    if most is not None and sampled:
        if reading.carries:
            last = -(-most // size)
        else:
            size = max(1, min(size, most // STRETCHES))
            every = -(-len(store) // most)
            first = every // 2
    batches = islice(reading.batches(store, size), first, last, every)
    return ([Questions.of(batch)] for batch in batches)
