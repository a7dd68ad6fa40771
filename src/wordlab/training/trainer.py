"""The training loop: it yields epochs; the caller logs, saves and stops."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from wordlab.batching.batch import Order
from wordlab.errors import WordlabError
from wordlab.models.language_model import Loss
from wordlab.models.softmax_nats import mean_of
from wordlab.training.averaging import WeightAverage
from wordlab.training.devices import chosen_device
from wordlab.training.optimizers import OptimizerSet
from wordlab.training.progress import Epoch, Progress, Step
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Examples, Floats, Steps, Task
from wordlab.training.together.ranks import ALONE, Ranks

ROLLBACK_FACTOR = 0.5
MOST_ROLLBACKS = 8
DIVERGED = 3.0
"""Training whose mean nats pass this many times those of a uniform guess has diverged."""
JUDGED_TARGETS = 1000
"""The mean is taken over so many targets, or the whole text: a few rare words diverge nowhere."""


class Trainer:
    """Trains one model on one text.

    Args:
        task: its model begins with fresh weights, or with those of `best` and `progress` when
            resuming.
        ranks: the processes that train it together; each has a trainer like this one.
    """

    def __init__(self, task: Task, settings: TrainingSettings, ranks: Ranks = ALONE) -> None:
        self.task = task
        self._device = chosen_device(settings.device)
        self.model = model = task.model.to(self._device)
        self.settings = settings
        self.ranks = ranks
        self.progress = Progress()
        self.stopped = False
        self._asked_to_stop = False
        ranks.begin(model)
        self._targets = task.targets(0)
        self._optimizer = OptimizerSet(settings.optimizer, model)
        if settings.clip is not None and self._optimizer.is_sparse:
            raise WordlabError(
                "gradients of single rows cannot be clipped with the others",
                where="training.clip",
                mend="set model.sparse=false, or leave training.clip out",
            )
        self._average = WeightAverage(model, settings.averaging)
        self._best = self._average.weights()
        self._state: tuple[Tensor, ...] = ()
        self._rng = torch.Generator()
        self._rng.manual_seed(settings.seed)

    # -- state ----------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """What resuming needs beside `progress`: weights, average, optimiser, random state.

        All ranks must ask for it together.
        """
        return {
            **{f"model.{k}": v for k, v in self.model.state_dict().items()},
            **{f"average.{k}": v for k, v in self._average.tensors().items()},
            **{f"optimizer.{k}": v for k, v in self._optimizer.tensors().items()},
            **{f"state.{i}": part for i, part in enumerate(self.ranks.joint_state(self._state))},
            "random": self._rng.get_state(),
        }

    def restore(
        self, tensors: dict[str, Tensor], progress: Progress, best: dict[str, Tensor]
    ) -> None:
        """Go on from a checkpoint; `best` are the weights of the best epoch so far, if any."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.model.load_state_dict(parts["model"])
        self._average.restore(parts["average"])
        self._optimizer.restore(parts["optimizer"])
        parts_of_state = sum(name.startswith("state.") for name in tensors)
        state = tuple(tensors[f"state.{i}"].to(self._device) for i in range(parts_of_state))
        self._state = self.ranks.own_state(state)
        self._rng.set_state(tensors["random"])
        self.progress = progress
        if progress.history:
            self._best = best

    def best_weights(self) -> dict[str, Tensor]:
        """The weights that scored best on the validation text so far."""
        return self._best

    def steps(self, left_out: int) -> Steps:
        """What takes the steps of an epoch without the so many commonest targets."""
        own = self.task.steps(self.settings) if self.ranks.size == 1 else None
        return own or _Singly(self._step, self.task, self.settings, left_out)

    # -- the loop -------------------------------------------------------------------------

    def stop(self) -> None:
        """End after the batch under way; `progress` and `tensors` then allow to resume.

        Of several ranks, any may be asked; all end when they have heard of it, a batch later.
        """
        self._asked_to_stop = True
        self.stopped = self.stopped or self.ranks.size == 1

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[Epoch]:
        """Train, and yield each epoch when it is scored.

        Args:
            on_step: called after each batch; it may save a checkpoint or call `stop`.

        Raises:
            WordlabError: where the loss diverges again and again.
        """
        while not self.stopped and not self._finished():
            if self._train_epoch(on_step or (lambda step: None)):
                epoch = self._close_epoch()
                if epoch is not None:
                    yield epoch

    def _finished(self) -> bool:
        history, settings = self.progress.history, self.settings
        if self.progress.epoch >= settings.epochs:
            return True
        if settings.minutes is not None and self.progress.seconds >= 60 * settings.minutes:
            return True
        history = history[settings.curriculum_epochs :]
        if not settings.patience or not history:
            return False
        best = max(history, key=lambda row: row.merit)
        return history[-1].epoch - best.epoch >= settings.patience

    def _train_epoch(self, on_step: Callable[[Step], None]) -> bool:
        """Train to the end of the epoch or of the time; say whether that was reached."""
        progress, settings = self.progress, self.settings
        left_out = settings.left_out(progress.epoch)
        targets = self.task.targets(left_out)
        order = Order(settings.seed, progress.epoch)
        self.model.train()
        steps = self.steps(left_out)
        for block in steps.blocks(order, progress.batch):
            began = time.perf_counter()
            batches = steps.count(block)
            factors = self._factors(batches, targets)
            self.task.at(self._share(progress.seen_targets / targets))
            nats = steps.take(block, factors)
            if self._has_diverged(nats, len(block.targets)):
                self._roll_back()
                return False
            progress.batch += batches
            progress.seen_nats += nats
            progress.seen_targets += len(block.targets)
            took = time.perf_counter() - began
            seconds, self.stopped = self.ranks.agree(took, self._asked_to_stop)
            progress.epoch_seconds += seconds
            on_step(self._report(targets))
            if self.stopped and progress.seen_targets < targets:
                return False
            if settings.minutes is not None and progress.trained_seconds >= 60 * settings.minutes:
                break
        return True

    def _step(self, batch: Examples, factor: float) -> float:
        """Update the weights on one batch, and return the nats that it had before."""
        targets = len(batch.targets)
        with mean_of(1 if self.settings.sum_targets else targets):
            loss = self._loss(self.ranks.share(batch))
        if not targets:
            return 0.0
        self._optimizer.zero()
        if loss is not None:
            self._objective(loss, targets).backward()  # type: ignore[no-untyped-call]
        value = self.ranks.add_up(self.model, 0.0 if loss is None else float(loss.nats.detach()))
        if not math.isfinite(value):
            return value
        if self.settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self._optimizer.step(factor)
        if self._averages():
            self._average.update()
        return value

    def _loss(self, batch: Examples | None) -> Loss | None:
        """Read what this rank has of a batch; None if that is nothing."""
        if batch is None:
            self._state = ()
            return None
        progress = self.progress
        moment = (self.settings.seed, progress.epoch, progress.batch, progress.rollbacks)
        self.ranks.draw_apart(self._rng, *moment)
        with self._chance():
            here = batch.to(self._device)
            loss: Loss = self.model(here, self._state if batch.continues else ())
        self._state = loss.state
        return loss

    @contextmanager
    def _chance(self) -> Iterator[None]:
        """Let all chance in here come from the trainer's own random state.

        A GPU's generator is begun anew from it at each batch: no checkpoint has to know it.
        """
        gpus = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            torch.set_rng_state(self._rng.get_state())
            if gpus:
                torch.cuda.manual_seed(int(torch.randint(2**62, ())))
            yield
            self._rng.set_state(torch.get_rng_state())

    def _averages(self) -> bool:
        """Whether the weights are averaged by now; once begun, it goes on."""
        if self._average.updates:
            return True
        settings, progress = self.settings, self.progress
        of_epoch = progress.seen_targets / self._targets
        if self._share(of_epoch) < settings.averaging_start:
            return False
        best = progress.best
        waited = 0 if best is None else progress.epoch - best.epoch
        return waited >= settings.averaging_stall

    def _objective(self, loss: Loss, targets: int) -> Tensor:
        """What the step minimises: the mean nats or their sum, and the penalty.

        Args:
            targets: of the whole batch, of which the loss may be a share's.
        """
        objective = loss.nats if self.settings.sum_targets else loss.nats / targets
        return objective if loss.penalty is None else objective + loss.penalty

    def _has_diverged(self, nats: float, targets: int) -> bool:
        """Whether the loss is no number, or far above a uniform guess over enough targets."""
        progress = self.progress
        if not math.isfinite(nats):
            return True
        if not targets:
            return False
        progress.judged_nats += nats
        progress.judged_targets += targets
        if progress.judged_targets < min(JUDGED_TARGETS, self._targets):
            return False
        mean = progress.judged_nats / progress.judged_targets
        progress.judged_nats, progress.judged_targets = 0.0, 0
        return mean > DIVERGED * self.task.uniform_nats

    def _share(self, of_epoch: float) -> float:
        """Share of the training that is done: by epochs or by minutes, whichever is further."""
        share = (self.progress.epoch + of_epoch) / self.settings.epochs
        if self.settings.minutes is not None:
            share = max(share, self.progress.trained_seconds / (60 * self.settings.minutes))
        return min(share, 1.0)

    def _factors(self, batches: int, targets: int) -> Floats:
        """What the rate of each of the next batches is multiplied by."""
        seen, size = self.progress.seen_targets, self.settings.batch
        return np.array([self._factor((seen + at * size) / targets) for at in range(batches)])

    def _factor(self, of_epoch: float) -> float:
        history = self.progress.history[self.settings.curriculum_epochs :]
        worse = [-row.merit for row in history]
        factor = self.settings.schedule.factor(self._share(of_epoch), worse)
        return factor * ROLLBACK_FACTOR**self.progress.rollbacks

    def _report(self, targets: int) -> Step:
        progress = self.progress
        return Step(
            epoch=progress.epoch + 1,
            epochs=self.settings.epochs,
            seen_targets=progress.seen_targets,
            targets=targets,
            seen_nats=progress.seen_nats / max(progress.seen_targets, 1),
            tokens_per_second=progress.seen_targets / max(progress.epoch_seconds, 1e-9),
            seconds=progress.trained_seconds,
            share=self._share(progress.seen_targets / targets),
        )

    def _roll_back(self) -> None:
        """Return to the best weights so far, forget the optimiser's state, halve the rate."""
        progress = self.progress
        progress.rollbacks += 1
        if progress.rollbacks > MOST_ROLLBACKS:
            raise WordlabError(
                f"the loss diverged {progress.rollbacks} times, at ever lower rates",
                where="training",
                mend="lower training.optimizer.rate or set training.clip",
            )
        self.model.load_state_dict(self._best)
        self._optimizer = OptimizerSet(self.settings.optimizer, self.model)
        self._average = WeightAverage(self.model, self.settings.averaging)
        progress.event = (
            f"the loss diverged at batch {progress.batch + 1}: back to the best weights so far, "
            f"rate x {ROLLBACK_FACTOR**progress.rollbacks:g}"
        )
        progress.batch, progress.seen_nats, progress.seen_targets = 0, 0.0, 0
        progress.judged_nats, progress.judged_targets = 0.0, 0

    def _close_epoch(self) -> Epoch | None:
        """Score the epoch, keep the weights if they are the best, and move on to the next.

        None if the weights turn out to have diverged; then they are rolled back.
        """
        progress = self.progress
        began = time.perf_counter()
        factor = self._factor(1.0)
        with self._average.applied():
            self.model.eval()
            row = self.ranks.of_first(lambda: self._row(factor, began))
            finite = math.isfinite(row.validation_nats)
            best = progress.best
            better = best is None or row.merit > best.merit
            if better and finite:
                self._best = self._average.weights()
        if not finite:
            self._roll_back()
            return None
        row = replace(row, best=better)
        progress.history.append(row)
        progress.epoch += 1
        progress.batch, progress.seen_nats, progress.seen_targets = 0, 0.0, 0
        progress.seconds += row.seconds
        progress.epoch_seconds, progress.event = 0.0, ""
        return row

    def _row(self, factor: float, began: float) -> Epoch:
        """Judge the epoch under way: what it did, its last part since `began`."""
        progress = self.progress
        judged = self.task.judge(self.settings.score_targets)
        return Epoch(
            epoch=progress.epoch + 1,
            left_out=self.settings.left_out(progress.epoch),
            train_nats=judged.train_nats,
            train_targets=judged.train_targets,
            train_accuracy=judged.train_accuracy,
            validation_nats=judged.validation_nats,
            validation_accuracy=judged.validation_accuracy,
            validation_f1=judged.validation_f1,
            seen_nats=progress.seen_nats / max(progress.seen_targets, 1),
            seconds=progress.epoch_seconds + time.perf_counter() - began,
            tokens_per_second=progress.seen_targets / max(progress.epoch_seconds, 1e-9),
            rate=self.settings.optimizer.rate * factor,
            best=False,
            event=progress.event,
        )


class _Singly(Steps):
    """One batch after the other.

    Args:
        step: updates the weights on a batch at a factor of the rate; returns its nats.
    """

    def __init__(
        self,
        step: Callable[[Examples, float], float],
        task: Task,
        settings: TrainingSettings,
        left_out: int,
    ) -> None:
        self._step = step
        self._task = task
        self._size = settings.batch
        self._left_out = left_out

    def blocks(self, order: Order, first: int) -> Iterator[Examples]:
        """The batches from one of them on."""
        return islice(self._task.batches(self._size, order, self._left_out), first, None)

    def count(self, block: Examples) -> int:
        """One."""
        return 1

    def take(self, block: Examples, factors: Floats) -> float:
        """Take the step."""
        return self._step(block, float(factors[0]))
