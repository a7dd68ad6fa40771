"""Learning to predict the next word."""

from collections.abc import Iterator

import numpy as np
import torch

from wordlab.batching.batch import Batch, Order
from wordlab.corpus.store import TokenStore
from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import Score, score_tokens
from wordlab.models.language_model import LanguageModel
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Judged, Task


class LanguageModelling(Task):
    """One language model, one text.

    Args:
        model: with fresh weights; what they begin with from the text is put in here.
        train, validation: texts encoded with the model's vocabulary.
        vocabulary: V.

    Raises:
        WordlabError: where a text, or a stage of the curriculum, has no target.
    """

    def __init__(
        self,
        model: LanguageModel,
        train: TokenStore,
        validation: TokenStore,
        settings: TrainingSettings,
        vocabulary: int,
    ) -> None:
        self.model: LanguageModel = model
        self.train = train
        self.validation = validation
        self.vocabulary = vocabulary
        self.uniform_nats = model.output.guess_nats(vocabulary)
        self._reading = model.reading.in_training(settings.batch)
        self._watched = model.reading.between_epochs(settings.batch)
        self._target_counts = self._reading.target_counts(train, vocabulary)
        validation_counts = model.reading.target_counts(validation, vocabulary)
        for name, counts in (("training", self._target_counts), ("validation", validation_counts)):
            if not counts.sum():
                raise WordlabError(
                    "no sentence is long enough to have a target",
                    where=f"{name} text",
                    mend="give longer sentences, or set model.padding=full",
                )
        self._validation_targets = int(validation_counts.sum())
        self._by_frequency = np.argsort(-self._target_counts, kind="stable")
        model.encoder.start_from_text(train, settings.seed)
        model.output.start_from_counts(torch.from_numpy(self._target_counts))
        for stage in settings.curriculum:
            if not self.targets(stage.leave_out):
                raise WordlabError(
                    f"without the {stage.leave_out} most frequent targets there is none left",
                    where="training.curriculum",
                    mend="leave out fewer words",
                )

    def targets(self, left_out: int) -> int:
        """Targets of an epoch without the so many commonest ones."""
        return int(np.delete(self._target_counts, self._commonest(left_out)).sum())

    def batches(self, size: int, order: Order, left_out: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        words = frozenset(self._commonest(left_out))
        return iter(self._reading.batches(self.train, size, order=order, left_out=words))

    def judge(self, most: int) -> Judged:
        """Score both texts."""
        train, validation = self._score(self.train, most), self._score(self.validation)
        return Judged(
            train.nats_per_token,
            train.targets,
            train.accuracy,
            validation.nats_per_token,
            validation.accuracy,
        )

    def judged_targets(self, most: int) -> int:
        """Of the whole validation text, and of a sample of the training text."""
        return self._validation_targets + min(most, int(self._target_counts.sum()))

    def at(self, share: float) -> None:
        """Tell the output layer."""
        self.model.output.at(share)

    def _commonest(self, count: int) -> list[int]:
        """The ids of the most frequent targets."""
        return [int(index) for index in self._by_frequency[:count]]

    def _score(self, store: TokenStore, most: int | None = None) -> Score:
        return score_tokens(
            self.model, store, vocabulary=self.vocabulary, reading=self._watched, most=most
        ).score()
