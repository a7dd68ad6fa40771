"""Linear mixtures of models, with weights found by expectation maximisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.batch import Batch, Reading
from wordlab.batching.windows import Windows
from wordlab.errors import WordlabError
from wordlab.models.language_model import Predictor, State
from wordlab.table import Column, Table

MOST_ROUNDS = 200
LEAST_GAIN = 1e-7
"""EM ends when a round lowers the nats a token by less."""


@dataclass(frozen=True)
class Buckets:
    """Groups of contexts by how often their last word occurs in training.

    Attributes:
        of_word: the bucket of each word of the vocabulary as the last of a context, int64 [V].
        names: of the buckets.

    >>> Buckets.by_count(np.array([0, 3, 20, 400]), 3).of_word.tolist()
    [0, 0, 1, 2]
    """

    of_word: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def by_count(cls, counts: NDArray[np.int64], buckets: int) -> "Buckets":
        """Bucket k holds the words that occur 10^k to 10^(k + 1) - 1 times; the last all above."""
        digits = np.floor(np.log10(np.maximum(counts, 1))).astype(np.int64)
        bounds = [10**k for k in range(1, buckets)]
        names = ["all contexts"]
        if buckets > 1:
            names = [f"last word up to {bounds[0] - 1:,} times in training"]
            names += [f"{low:,} to {10 * low - 1:,}" for low in bounds[:-1]]
            names += [f"{bounds[-1]:,} or more"]
        return cls(np.minimum(digits, buckets - 1), tuple(names))


class Mixture(Predictor):
    """p(w | h) = sum over members m of weight(m, bucket of h) p_m(w | h).

    Args:
        members: models over one vocabulary, by name. Those that read sequences must read in one
            way, which is the mixture's; n-gram models are given the windows of its targets.
        weights: [buckets, members], each row adds up to 1.
        start, end: ids of the markers.
        reading: how the mixture reads; None for the members' own way.

    Raises:
        WordlabError: where members read sequences in different ways.
    """

    def __init__(
        self,
        members: Mapping[str, Predictor],
        weights: Tensor,
        buckets: Buckets,
        *,
        start: int,
        end: int,
        reading: Reading | None = None,
    ) -> None:
        self.names = tuple(members)
        self.members = tuple(members.values())
        self.weights = weights
        self.buckets = buckets
        self.reading = reading or common_reading(self.members)
        adaptations = dict.fromkeys(member.adaptation for member in self.members)
        self.adaptation = "; ".join(part for part in adaptations if part)
        segments = [member.segment for member in self.members if member.segment is not None]
        self.segment = min(segments, default=None)
        self.weights_kept = ", ".join(sorted({member.weights_kept for member in self.members}))
        self._start, self._end = start, end

    def table(self) -> Table:
        """The weights of the members in each bucket."""
        columns = [Column(name, 3) for name in self.names]
        rows = zip(self.buckets.names, self.weights.tolist(), strict=True)
        return Table.of(
            "Weights of the mixture",
            ("context", *columns),
            [(name, *weights) for name, weights in rows],
        )

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place [N, V], and the members' states."""
        parts, after = self.predict_members(batch, state)
        logs = torch.log(self.weights[torch.from_numpy(self.bucket_of(batch))]).float()
        mixed = parts[0] + logs[:, :1]
        for number, part in enumerate(parts[1:], start=1):
            torch.logaddexp(mixed, part + logs[:, number, None], out=mixed)
        return mixed, after

    def predict_members(self, batch: Batch, state: State = None) -> tuple[list[Tensor], State]:
        """The distributions of each member, members x [N, V], and their states."""
        states = state or (None,) * len(self.members)
        parts, after = [], []
        for member, own in zip(self.members, states, strict=True):
            given = member.reading.like(batch, self._start, self._end)
            log_probs, then = member.predict(given, own)
            parts.append(log_probs)
            after.append(then)
        return parts, tuple(after)

    def bucket_of(self, batch: Batch) -> NDArray[np.int64]:
        """The bucket of each target's context. [N]"""
        last = batch.past(1)[:, 0]
        return self.buckets.of_word[np.where(last < 0, self._end, last)]


def common_reading(members: Sequence[Predictor]) -> Reading:
    """The way in which all members can read a text.

    Raises:
        WordlabError: where there is none.
    """
    readings = [member.reading for member in members]
    sequences = {reading for reading in readings if not isinstance(reading, Windows)}
    protocols = sorted({reading.protocol for reading in sequences})
    if len(protocols) > 1:
        raise WordlabError(
            f"the members read texts in different ways: {'; '.join(protocols)}",
            where="mixture",
            mend="mix models with the same model.reads, or name one way with --reading",
        )
    if sequences:
        return next(r for r in readings if r in sequences)
    orders = {reading.fewest_words for reading in readings}
    if len(orders) > 1:
        raise WordlabError(
            "the members do not predict the same words of a sentence",
            where="mixture",
            mend="mix models with the same model.padding",
        )
    return readings[0]


def fit_weights(
    log_probs: NDArray[np.float64], bucket_of: NDArray[np.int64], buckets: int
) -> NDArray[np.float64]:
    """Find the weights under which some targets are most probable, by EM.

    Each round gives a member the mean share that it has in the targets' probabilities:
    weight(m) <- mean over targets t of weight(m) p_m(t) / sum over k of weight(k) p_k(t)
    (Jelinek and Mercer 1980). The likelihood is concave: there is one best set of weights.

    Args:
        log_probs: natural-log probability of each target under each member, [N, M].
        bucket_of: the bucket of each target, [N].

    Returns:
        Weights [buckets, M]. A bucket without a target has the weights of all targets together.
    """
    overall = _fit(log_probs)
    rows = [bucket_of == bucket for bucket in range(buckets)]
    return np.stack([_fit(log_probs[own]) if own.any() else overall for own in rows])


def _fit(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    members = log_probs.shape[1]
    weights = np.full(members, 1 / members)
    highest = log_probs.max(axis=1, keepdims=True)
    possible = np.isfinite(highest[:, 0])  # a target that no member allows says nothing of them
    p = np.exp(log_probs[possible] - highest[possible])
    before = np.inf
    for _ in range(MOST_ROUNDS):
        shares = p * weights
        total = shares.sum(axis=1, keepdims=True)
        nats = -float(np.log(total).mean()) if len(p) else 0.0
        if before - nats < LEAST_GAIN:
            break
        before = nats
        weights = (shares / total).mean(axis=0)
    return weights
