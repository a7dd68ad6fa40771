"""The unit that models read, and the contract of everything that produces it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.corpus.store import TokenStore


@dataclass(frozen=True)
class Batch:
    """Inputs with the targets that are to be predicted from them.

    Attributes:
        inputs: what the model reads, int64; for windows [B, n - 1].
        targets: the ids to be predicted, int64 [B].
        positions: where each target stands in the token store, int64 [B].
    """

    inputs: Tensor
    targets: Tensor
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """The order of an epoch: none is the text's own; else drawn from seed and epoch."""

    seed: int
    epoch: int


class Reading(ABC):
    """How a model reads a text: which inputs it is given and which tokens it must predict."""

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
        """Yield every target once, `size` at a time; the last batch may be smaller.

        Args:
            order: shuffle thus; None keeps the text's order.
            left_out: target ids whose examples are skipped (a curriculum's stage).
        """

    @abstractmethod
    def target_counts(self, store: TokenStore, types: int) -> NDArray[np.int64]:
        """How often each of `types` ids is a target. int64 [types]."""

    @abstractmethod
    def contexts(self, histories: Sequence[Sequence[int]], start: int) -> Tensor:
        """Return the inputs that predict the next word after each history of one sentence."""

    def device_batch(self, batch: Batch, device: torch.device) -> Batch:
        """Move a batch to a device."""
        if device.type == "cpu":
            return batch
        return Batch(
            batch.inputs.to(device, non_blocking=True),
            batch.targets.to(device, non_blocking=True),
            batch.positions,
        )
