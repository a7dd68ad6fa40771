"""Settings of training."""

from typing import Annotated

from pydantic import Field

from wordlab.config import PartOf, Settings
from wordlab.training.devices import Device
from wordlab.training.optimizers import OPTIMIZERS, AdamSettings, OptimizerSettings
from wordlab.training.schedules import SCHEDULES, ConstantSettings, ScheduleSettings


class Stage(Settings):
    """A stage of the frequency curriculum: epochs without the commonest targets."""

    leave_out: int = Field(ge=0)
    """Skip examples whose target is among so many most frequent targets."""
    epochs: int = Field(ge=1)
    """How many epochs the stage lasts."""


class TrainingSettings(Settings):
    """How a model is trained."""

    batch: int = Field(default=256, ge=1)
    """Targets a step; batches of whole sentences have up to so many, or one longer sentence."""
    sum_targets: bool = False
    """Minimise the sum over a batch's targets instead of their mean."""
    epochs: int = Field(default=20, ge=1)
    """At most so many, the curriculum's included."""
    minutes: float | None = Field(default=None, gt=0)
    """Stop after so much training time; the schedule then follows whichever ends first."""
    optimizer: Annotated[OptimizerSettings, PartOf(OPTIMIZERS, "adam")] = AdamSettings()
    """sgd, adagrad, adam or adamw."""
    schedule: Annotated[ScheduleSettings, PartOf(SCHEDULES, "constant")] = ConstantSettings()
    """constant, cosine or plateau."""
    clip: float | None = Field(default=None, gt=0)
    """Longest gradient, all parameters together; longer ones are scaled down."""
    averaging: float = Field(default=0.998, ge=0, le=1)
    """Decay of the running average of the weights that is scored and kept; 0: the weights; 1:
    their plain mean (averaged SGD)."""
    averaging_start: float = Field(default=0.0, ge=0, lt=1)
    """Average only from this share of the training on."""
    averaging_stall: int = Field(default=0, ge=0)
    """Average only once validation has not improved for so many epochs (the trigger of NT-ASGD,
    Merity et al. 2018); 0: at once."""
    patience: int = Field(default=2, ge=0)
    """Stop when validation has not improved for so many epochs, the curriculum's not counted;
    0: never."""
    curriculum: tuple[Stage, ...] = ()
    """Stages before training on all targets, in order."""
    score_targets: int = Field(default=20_000, ge=1)
    """Training targets scored after each epoch, spread evenly over the text, all frequencies."""
    checkpoint_seconds: float = Field(default=30.0, ge=0)
    """A checkpoint is written at least so often, and after each epoch."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Of the weights, the order of the examples, dropout and held-out sentences."""
    device: Device = "auto"
    """cpu, cuda, or auto: a GPU where PyTorch sees one. Ranks on one machine take one each."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of PyTorch; None: one, half or all of those there are, whichever is quickest in some
    steps at the start; a run that goes on keeps its number."""

    @property
    def curriculum_epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.curriculum)

    def left_out(self, epoch: int) -> int:
        """How many of the most frequent targets the stage of an epoch (from 0) leaves out."""
        for stage in self.curriculum:
            if epoch < stage.epochs:
                return stage.leave_out
            epoch -= stage.epochs
        return 0
