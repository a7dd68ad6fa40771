"""The processes that train one model together: what each trains on, and what they agree on."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, distributed, nn

from wordlab.errors import WordlabError
from wordlab.training.task import Examples
from wordlab.training.together.gradient_sums import GradientSums
from wordlab.training.together.sums_by_memory import SumsByMemory
from wordlab.training.together.sums_by_messages import SumsByMessages

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

_PAUSE = 0.01

PATIENCE = timedelta(days=7)
"""How long ranks wait for the first one while it prepares or scores a text."""


class Ranks:
    """One process that trains alone; `joined` gives those of several.

    Attributes:
        rank: the number of this process, from 0. The first one scores, reports and saves.
        size: how many there are.
        restarts: whether what started them starts them again after a fault.
    """

    rank = 0
    size = 1
    restarts = False

    def begin(self, model: nn.Module) -> None:
        """Take over the first rank's weights, and get ready to add up this model's gradients."""

    def share(self, batch: Examples) -> Examples | None:
        """What this rank trains on; None: nothing of this batch."""
        return batch

    def draw_apart(self, random: torch.Generator, *moment: int) -> None:
        """Let chance differ from rank to rank, by a moment's numbers; the first rank's goes on."""

    def add_up(self, model: nn.Module, nats: float) -> float:
        """Add up all ranks' gradients of a model that was begun; return the sum of their nats."""
        return nats

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """The first rank's seconds, and whether any rank was asked to stop."""
        return seconds, stop

    def meet(self) -> None:
        """Wait until all ranks have come so far."""

    def of_first(self, make: Callable[[], T]) -> T:
        """What the first rank makes, while the others wait for it."""
        return make()

    def joint_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The state of all sequences of a batch, from that of each rank's own."""
        return state

    def own_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This rank's part of it."""
        return state


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the ranks that torchrun started, this process among them; else be alone.

    Raises:
        WordlabError: where they do not find each other.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE
        return
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    with _in_touch():
        store, rank, size = next(rendezvous("env://"))
        store = PrefixStore(_name_of_start(store, rank, size), store)
        distributed.init_process_group(_backend(), store=store, rank=rank, world_size=size)
    ranks = JoinedRanks()
    try:
        yield ranks
    finally:
        ranks.close()
        distributed.destroy_process_group()


def _name_of_start(store: "Store", rank: int, size: int) -> str:
    """A name that the ranks of this start have in common, and those of earlier ones had not.

    After a restart, torchrun's store still holds the addresses of the ranks that are gone. The
    first rank makes up a name and tells it to whoever calls, until all of today's have heard it.
    """
    own = uuid.uuid4().hex
    if rank:
        store.set(f"caller {rank}", own)
        name: str = store.get(f"name for {own}").decode()
        store.set(f"{name} heard by {rank}", "")
        return name
    for other in range(1, size):
        while not store.check([f"{own} heard by {other}"]):
            caller = store.get(f"caller {other}").decode()
            store.set(f"name for {caller}", own)
            time.sleep(_PAUSE)
    return own


def _backend() -> str:
    """Gloo for tensors in main memory; NCCL for those of GPUs, where there are any."""
    if torch.cuda.is_available() and distributed.is_nccl_available():
        return "cpu:gloo,cuda:nccl"
    return "gloo"


@contextmanager
def _in_touch() -> Iterator[None]:
    """Tell the loss of another rank in one line."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split("] ", 1)[-1].split(". ")[0]
        raise WordlabError(
            f"lost touch with another rank ({reason})",
            where=f"rank {os.environ['RANK']}",
            mend="see what that one says; torchrun --max-restarts starts all of them again",
        ) from None


class JoinedRanks(Ranks):
    """This process among those of torch's process group.

    All get the same sums to the bit, and so keep the same weights, as they began with them.
    """

    restarts = True
    _latest: GradientSums

    def __init__(self) -> None:
        self._sums: WeakKeyDictionary[nn.Module, GradientSums] = WeakKeyDictionary()
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self._patient = distributed.new_group(timeout=PATIENCE, backend="gloo")

    def begin(self, model: nn.Module) -> None:
        """Take over the first rank's weights, and get ready to add up this model's gradients."""
        with _in_touch():
            for value in model.state_dict().values():
                distributed.broadcast(value, 0)
            self._latest = SumsByMemory.of(model, self.rank, self._tell) or SumsByMessages(model)
        self._sums[model] = self._latest

    def share(self, batch: Examples) -> Examples | None:
        """What this rank trains on; None: nothing of this batch."""
        return batch.share(self.rank, self.size)

    def draw_apart(self, random: torch.Generator, *moment: int) -> None:
        """Begin other ranks' chance anew at each moment, so that no checkpoint must keep it."""
        if self.rank:
            (seed,) = np.random.SeedSequence([self.rank, *moment]).generate_state(1, np.uint64)
            random.manual_seed(int(seed))

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """The first rank's seconds, and whether any rank was asked to stop."""
        with _in_touch():
            said = self._latest.tell([seconds, float(stop)])
        return float(said[0, 0]), bool(said[:, 1].any())

    def meet(self) -> None:
        """Wait until all ranks have come so far."""
        with _in_touch():
            distributed.barrier(self._patient)

    def of_first(self, make: Callable[[], T]) -> T:
        """What the first rank makes, while the others wait for it."""
        made: list[Any] = [make() if self.rank == 0 else None]
        with _in_touch():
            distributed.broadcast_object_list(made, 0, group=self._patient)
        found: T = made[0]
        return found

    def joint_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Put the sequences in their order: the ranks have them in turn."""
        with _in_touch():
            of_ranks = self._tell(tuple(part.cpu() for part in state))
        found = []
        for parts in zip(*filter(None, of_ranks), strict=True):
            whole = parts[0].new_empty(sum(map(len, parts)), *parts[0].shape[1:])
            for rank, part in enumerate(parts):
                whole[rank :: self.size] = part
            found.append(whole)
        return tuple(found)

    def own_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This rank's part of it."""
        return tuple(part[self.rank :: self.size] for part in state)

    def add_up(self, model: nn.Module, nats: float) -> float:
        """Add up all ranks' gradients of a model that was begun; return the sum of their nats."""
        with _in_touch():
            return self._sums[model].add_up(nats)

    def close(self) -> None:
        """Let no other rank wait for this one."""
        for sums in self._sums.values():
            sums.close()

    def _tell(self, what: Any) -> list[Any]:
        """What each rank told all others."""
        told = [None] * self.size
        distributed.all_gather_object(told, what, group=self._patient)
        return told
