"""Counting in one pass, in the place of training."""

import time
from collections.abc import Callable, Iterator

from torch import Tensor

from wordlab.corpus.store import TokenStore
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.language_model import CountModel, CountSettings
from wordlab.training.progress import Epoch, Progress, Step
from wordlab.training.settings import TrainingSettings


class CountTrainer:
    """Counts one model on one text; to the caller, a training of one epoch.

    Args:
        train, validation: texts encoded with the model's vocabulary.
        vocabulary: V.
    """

    def __init__(
        self,
        model: CountSettings,
        train: TokenStore,
        validation: TokenStore,
        settings: TrainingSettings,
        vocabulary: int,
    ) -> None:
        self.train = train
        self.validation = validation
        self.reading = model.reading
        self.progress = Progress()
        self.stopped = False
        self._family = model
        self._settings = settings
        self._vocabulary = vocabulary
        self._model: CountModel | None = None

    def stop(self) -> None:
        """Ask to end; counting is too short to be cut."""
        self.stopped = True

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[Epoch]:
        """Count, score, and yield the one epoch."""
        if self.progress.epoch:
            return
        began = time.perf_counter()
        self._model, notes = self._family.fit(self.train, self._vocabulary)
        counted = time.perf_counter() - began
        train, validation = (
            score_tokens(self._model, store, vocabulary=self._vocabulary, most=most).score()
            for store, most in (
                (self.train, self._settings.score_targets),
                (self.validation, None),
            )
        )
        seconds = time.perf_counter() - began
        epoch = Epoch(
            epoch=1,
            left_out=0,
            train_nats=train.nats_per_token,
            train_targets=train.targets,
            train_accuracy=train.accuracy,
            validation_nats=validation.nats_per_token,
            validation_accuracy=validation.accuracy,
            seen_nats=train.nats_per_token,
            seconds=seconds,
            tokens_per_second=len(self.train) / counted,
            rate=0.0,
            best=True,
            event="; ".join(notes),
        )
        self.progress.history.append(epoch)
        self.progress.epoch, self.progress.seconds = 1, seconds
        yield epoch

    def best_weights(self) -> dict[str, Tensor]:
        """The counted model."""
        return {} if self._model is None else self._model.tensors()

    def tensors(self) -> dict[str, Tensor]:
        """Nothing beside `best_weights`: counting is done in one go."""
        return {}

    def restore(
        self, tensors: dict[str, Tensor], progress: Progress, best: dict[str, Tensor]
    ) -> None:
        """Go on from a checkpoint: all is done, or nothing is."""
        self.progress = progress
        if progress.history:
            self._model = self._family.restore(best)
