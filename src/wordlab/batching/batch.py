"""The unit that models read, and the contract of everything that produces it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.packing import Packing
from wordlab.corpus.store import Ids, TokenStore


@dataclass(frozen=True)
class Batch:
    """Inputs with the targets that are to be predicted from them.

    Sequences are packed by time: first the first tokens of all of them, longest sequence first,
    then the second tokens of those that have one, and so on. There is no padding.

    Attributes:
        inputs: what the model reads, int64; windows [N, n - 1], packed sequences [M].
        targets: the ids to be predicted, int64 [N].
        positions: where each target stands in the text, int64 [N].
        text: the ids of the text; those before a position are its past.
        since: where each target's past begins, int64 [N]; None: where the text does.
        steps: how many sequences have a token at each time, falling; empty for windows.
        counted: the inputs whose successor is a target, int64 [N]; None: all of them, in order.
        continues: whether the sequences go on where those of the batch before it ended.
        whole: `steps` of the batch that this is a share of; empty where it is no share.
    """

    inputs: Tensor
    targets: Tensor
    positions: NDArray[np.int64]
    text: Ids
    since: NDArray[np.int64] | None = None
    steps: tuple[int, ...] = ()
    counted: Tensor | None = None
    continues: bool = False
    whole: tuple[int, ...] = ()

    def past(self, length: int) -> NDArray[np.int64]:
        """The last ids before each target, the latest last; -1 where there is none. [N, length]"""
        places = self.positions[:, None] + np.arange(-length, 0)
        first = np.zeros(1, dtype=np.int64) if self.since is None else self.since
        known = places >= first[:, None]
        ids = np.asarray(self.text[np.where(known, places, 0)]).astype(np.int64)
        return np.where(known, ids, -1)

    def share(self, rank: int, ranks: int) -> "Batch | None":
        """What one of several ranks trains on: every so many-th window or sequence; None: nothing.

        Sequences that go on are the first of a batch, so that each stays with its rank.
        """
        if not self.steps:
            here = slice(rank, None, ranks)
            if len(self.targets) <= rank:
                return None
            since = self.since if self.since is None else self.since[here]
            return replace(
                self,
                inputs=self.inputs[here],
                targets=self.targets[here],
                positions=self.positions[here],
                since=since,
            )
        own, steps = Packing.from_steps(self.steps).share(rank, ranks)
        if not steps:
            return None
        rows = np.arange(len(own)) if self.counted is None else self.counted.numpy()
        mine = own[rows]
        chosen = torch.from_numpy(mine)
        place = np.cumsum(own) - 1
        return replace(
            self,
            inputs=self.inputs[torch.from_numpy(own)],
            targets=self.targets[chosen],
            positions=self.positions[mine],
            since=self.since if self.since is None else self.since[mine],
            steps=steps,
            counted=None if self.counted is None else torch.from_numpy(place[rows[mine]]),
            whole=self.steps,
        )

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        if device.type == "cpu":
            return self
        counted = self.counted
        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            targets=self.targets.to(device, non_blocking=True),
            counted=counted if counted is None else counted.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class Questions:
    """Contexts of a text that differ, and the targets that follow them.

    Attributes:
        batch: a row for each context; its targets and positions are those of one place where the
            context stands.
        rows, targets: each distinct pair of a context, by its row, and a target. [K]
        places: where such pairs stand in the text. [P]
        pairs: which one stands there. [P]
        parents: of a batch that goes on: the row of the state before it from which each sequence
            goes on; None: the state as it is.
    """

    batch: Batch
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    places: NDArray[np.int64]
    pairs: NDArray[np.int64]
    parents: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """A batch as it is; each of its targets is a question."""
        each = np.arange(len(batch.targets))
        return cls(batch, each, batch.targets.numpy(), batch.positions, each)


@dataclass(frozen=True)
class Order:
    """The order of an epoch: none is the text's own; else drawn from seed and epoch."""

    seed: int
    epoch: int

    @property
    def draw(self) -> np.random.Generator:
        """A generator at the epoch's beginning."""
        return np.random.default_rng([self.seed, self.epoch])


class Reading(ABC):
    """How a model reads a text: which inputs it is given and which tokens it must predict."""

    carries = False
    """Whether a state is carried from sentence to sentence."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """The reading in words, printed beside every figure."""

    @property
    @abstractmethod
    def fewest_words(self) -> int:
        """Words of a sentence that must be given before the first that is predicted."""

    @abstractmethod
    def batches(
        self,
        store: TokenStore,
        size: int,
        *,
        order: Order | None = None,
        left_out: frozenset[int] = frozenset(),
    ) -> Iterator[Batch]:
        """Yield every target once, about `size` at a time and never more than that by much.

        Args:
            order: shuffle thus; None keeps the text's order.
            left_out: target ids whose examples are skipped (a curriculum's stage).
        """

    @abstractmethod
    def target_counts(self, store: TokenStore, types: int) -> NDArray[np.int64]:
        """How often each of `types` ids is a target. int64 [types]."""

    @abstractmethod
    def contexts(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """Return a batch whose target i, yet unknown (-1), is the word after history i.

        Args:
            histories: ids since the sentence's first word.
            start, end: ids of the markers.
        """

    def continued(self, histories: Sequence[Sequence[int]], start: int, end: int) -> Batch:
        """As `contexts`, to be given with the state after all but the last word of each history.

        As a rule there is no state, and this is the same.
        """
        return self.contexts(histories, start, end)

    def asked(self, store: TokenStore, size: int) -> Iterator[list[Questions]]:
        """Yield all that a text asks, up to `size` contexts at a time, for a model that only reads.

        The lists follow one another: what has parents goes on from the states after all questions
        of the list before. As a rule they are the batches, and no context is shared.
        """
        return ([Questions.of(batch)] for batch in self.batches(store, size))

    def like(self, batch: Batch, start: int, end: int) -> Batch:
        """Return a batch of this reading with the targets, and the pasts, of another's.

        A sequence cannot be started amid a text: unless this reading can look up what it needs,
        the batch must be one of its own, and is returned as it is.
        """
        return batch

    def in_training(self, size: int) -> "Reading":
        """The reading that training uses, with batches of `size` targets; as a rule, this one."""
        return self

    def between_epochs(self, size: int) -> "Reading":
        """A reading as good for watching progress, and quicker if there is one; else this one."""
        return self


def after(
    inputs: Tensor,
    histories: Sequence[Sequence[int]],
    *,
    steps: tuple[int, ...] = (),
    counted: Tensor | None = None,
) -> Batch:
    """Return the batch of the words, yet unknown, that follow some histories."""
    ends = np.cumsum([len(history) for history in histories], dtype=np.int64)
    text = np.array([index for history in histories for index in history] or [0], dtype=np.int64)
    return Batch(
        inputs,
        torch.full((len(histories),), -1),
        ends,
        text,
        since=np.concatenate([[0], ends[:-1]]),
        steps=steps,
        counted=counted,
    )
