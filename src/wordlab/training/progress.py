"""What training reports: epochs, steps, and where it stands."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """What an epoch did. Train and validation nats are both over all targets, dropout off.

    Attributes:
        epoch: its number, from 1.
        left_out: most frequent targets that the curriculum left out of training.
        train_nats, validation_nats: cross-entropy in nats a token.
        train_targets: training targets scored for `train_nats`, spread evenly over the text.
        train_accuracy, validation_accuracy: share of targets that were the most probable word.
        seen_nats: the mean of what training minimised, a target: dropout, smoothing and only the
            curriculum's targets.
        seconds: of training and scoring, this epoch; tokens_per_second of training alone.
        rate: learning rate at the end.
        best: whether the validation text never scored better before.
        validation_f1: of entities, where there are entities.
        event: what happened besides, for example a rollback.
    """

    epoch: int
    left_out: int
    train_nats: float
    train_targets: int
    train_accuracy: float
    validation_nats: float
    validation_accuracy: float
    seen_nats: float
    seconds: float
    tokens_per_second: float
    rate: float
    best: bool
    event: str = ""
    validation_f1: float | None = None

    @property
    def merit(self) -> float:
        """What training wants much of: F1 where there is one, else few nats."""
        return -self.validation_nats if self.validation_f1 is None else self.validation_f1


@dataclass
class Progress:
    """Where training stands; with the tensors of `Trainer.tensors` it is all that resuming needs.

    Attributes:
        epoch: epochs finished.
        batch: batches done in the epoch under way.
        seen_nats, seen_targets: totals of the epoch under way.
        judged_nats, judged_targets: totals since the loss was last judged for divergence.
        epoch_seconds: training time of the epoch under way; seconds: of all before it.
        rollbacks: times that a diverged loss halved the rate.
    """

    epoch: int = 0
    batch: int = 0
    seen_nats: float = 0.0
    seen_targets: int = 0
    judged_nats: float = 0.0
    judged_targets: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    rollbacks: int = 0
    event: str = ""
    history: list[Epoch] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Progress":
        """The inverse of `as_json`."""
        return cls(**{**data, "history": [Epoch(**row) for row in data["history"]]})

    @property
    def trained_seconds(self) -> float:
        """Training time so far."""
        return self.seconds + self.epoch_seconds

    @property
    def best(self) -> Epoch | None:
        """The epoch that was best on the validation text so far."""
        return max(self.history, key=lambda row: row.merit, default=None)


@dataclass(frozen=True)
class Step:
    """What the caller learns after each batch."""

    epoch: int
    epochs: int
    seen_targets: int
    targets: int
    """Of this epoch: so far, and in all."""
    seen_nats: float
    """Mean nats a target in this epoch so far."""
    tokens_per_second: float
    seconds: float
    """Training time so far."""
    share: float
    """Of the whole training that is done, by epochs or by minutes, 0 to 1."""
