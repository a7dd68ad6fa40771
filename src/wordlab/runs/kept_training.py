"""A training whose run folder is kept up to date: checkpoints, weights, history."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from wordlab.errors import WordlabError
from wordlab.runs.files import read_tensors, write_tensors
from wordlab.runs.history import write_history
from wordlab.runs.model_files import MODEL
from wordlab.runs.preflight import Expectation, expectation
from wordlab.runs.run import CHECKPOINT
from wordlab.runs.threads import settle_threads
from wordlab.training.pace import Pace, measured_pace
from wordlab.training.progress import Epoch, Progress, Step
from wordlab.training.settings import TrainingSettings
from wordlab.training.together.ranks import ALONE, Ranks
from wordlab.training.trainer import Trainer


class AnyTrainer(Protocol):
    """What trains, by gradients or by counting."""

    progress: Progress
    stopped: bool

    def stop(self) -> None:
        """Ask to end after the batch under way."""

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[Epoch]:
        """Train, and yield each epoch."""

    def best_weights(self) -> dict[str, Tensor]:
        """What is to be kept."""

    def tensors(self) -> dict[str, Tensor]:
        """What resuming needs."""

    def restore(
        self, tensors: dict[str, Tensor], progress: Progress, best: dict[str, Tensor]
    ) -> None:
        """Go on from there."""


R = TypeVar("R")


class KeptTraining(ABC, Generic[R]):
    """A training and its run folder; go through `epochs()`, then `finish()`.

    Attributes:
        path: of the run folder.
        trainer: what trains.
        notes: what a user may want to know before it begins.
        ranks: the processes that train together; the first one alone writes to the folder.
        needed: bytes of memory that training adds, by formula.
    """

    path: Path
    trainer: AnyTrainer
    settings: TrainingSettings
    notes: tuple[str, ...] = ()
    ranks: Ranks = ALONE
    needed: int = 0
    _pace: Pace | None = None
    _saved: float

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, str]:
        """What the files of weights belong to."""

    @abstractmethod
    def finish(self) -> R:
        """Open the run anew, with what was trained."""

    def settle_threads(self) -> None:
        """Choose the number of threads, and note why; ranks share cores as torchrun has them."""
        if self.ranks.size > 1:
            return
        task = self.trainer.task if isinstance(self.trainer, Trainer) else None
        line, self._pace = settle_threads(self.path, self.settings, task)
        self.notes += (line,) if line else ()

    def expectation(self) -> Expectation | None:
        """The time and memory that the rest is expected to take; None where nothing is left.

        Some steps on a copy of the model are timed, unless they were to choose the threads.
        """
        trainer = self.trainer
        if not isinstance(trainer, Trainer) or trainer.progress.epoch >= self.settings.epochs:
            return None
        if self._pace is None:
            self._pace = measured_pace(trainer.task, self.settings, [torch.get_num_threads()])
        return expectation(trainer, self.needed, self._pace)

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[Epoch]:
        """Train and yield each epoch when its weights and history are on disk."""
        self._saved = self.trainer.progress.trained_seconds

        def step(report: Step) -> None:
            if on_step is not None:
                on_step(report)
            # By the time of training, which all ranks have the same; they save together.
            due = report.seconds - self._saved >= self.settings.checkpoint_seconds
            if due or self.trainer.stopped:
                self.save_checkpoint()

        for epoch in self.trainer.epochs(step):
            if self.ranks.rank == 0:
                self._keep(epoch)
            self.save_checkpoint()
            yield epoch

    def _keep(self, epoch: Epoch) -> None:
        """Write what an epoch did, and its weights if they are the best."""
        if epoch.best:
            about = {**self.metadata, "epoch": str(epoch.epoch)}
            write_tensors(self.path / MODEL, self.trainer.best_weights(), about)
        write_history(self.path, self.trainer.progress.history)

    def save_checkpoint(self) -> None:
        """Write all that resuming needs, as one file that replaces the last; all ranks call it."""
        tensors, progress = self.trainer.tensors(), self.trainer.progress
        if self.ranks.rank == 0:
            about = {**self.metadata, "progress": json.dumps(progress.as_json())}
            write_tensors(self.path / CHECKPOINT, tensors, about)
        self._saved = progress.trained_seconds

    def go_on(self) -> None:
        """Take back the state of the last checkpoint, if there is one.

        Raises:
            WordlabError: where it is damaged, or belongs to something else.
        """
        checkpoint, model = self.path / CHECKPOINT, self.path / MODEL
        if checkpoint.exists():
            self._restore(checkpoint, model)
        elif model.exists():
            raise WordlabError(
                f"has trained weights but no {CHECKPOINT} to go on from", where=str(self.path)
            )

    def _restore(self, checkpoint: Path, model: Path) -> None:
        """Take back the state of the checkpoint; the best weights are those of the model file."""
        tensors, metadata = read_tensors(checkpoint)
        for name, value in self.metadata.items():
            if metadata.get(name) != value:
                raise WordlabError(f"belongs to another {name}", where=str(checkpoint))
        try:
            progress = Progress.from_json(json.loads(metadata["progress"]))
        except (KeyError, TypeError, ValueError):
            raise WordlabError("is no checkpoint of training", where=str(checkpoint)) from None
        best: dict[str, Tensor] = {}
        if progress.best is not None:
            best, about = read_tensors(model)
            if int(about.get("epoch", "0")) < progress.best.epoch:
                raise WordlabError(
                    f"is of epoch {about.get('epoch')}, but the best so far was epoch "
                    f"{progress.best.epoch}",
                    where=str(model),
                    mend="copy the run folder again, while nothing is written to it",
                )
        try:
            self.trainer.restore(tensors, progress, best)
        except (RuntimeError, KeyError, ValueError) as error:
            raise WordlabError(
                f"does not fit the folder's settings ({str(error).splitlines()[-1].strip()})",
                where=str(checkpoint),
                mend="put back the settings.json that the run was trained with",
            ) from None
