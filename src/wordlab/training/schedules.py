"""Schedules by name: the factor on the learning rate as training goes on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from wordlab.config import Settings
from wordlab.registry import Registry

SCHEDULES: Registry[type["ScheduleSettings"]] = Registry("schedule")


class ScheduleSettings(Settings, ABC):
    """Settings of a schedule; register a subclass in SCHEDULES under its `type`."""

    type: str
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of training over which the rate climbs from 0."""

    def factor(self, progress: float, validation: Sequence[float]) -> float:
        """The factor on the rate.

        Args:
            progress: share of training done, 0 to 1.
            validation: after each epoch so far, what is to fall: nats a token, or F1 times -1.
        """
        if progress < self.warmup:
            return progress / self.warmup
        return self.after_warmup((progress - self.warmup) / (1 - self.warmup), validation)

    @abstractmethod
    def after_warmup(self, progress: float, validation: Sequence[float]) -> float:
        """The factor when the warm-up is over; `progress` counts from there."""


@SCHEDULES.register("constant")
class ConstantSettings(ScheduleSettings):
    """The rate stays."""

    type: Literal["constant"] = "constant"

    def after_warmup(self, progress: float, validation: Sequence[float]) -> float:
        """1, always."""
        return 1.0


@SCHEDULES.register("cosine")
class CosineSettings(ScheduleSettings):
    """The rate falls along half a cosine to `floor` (Loshchilov and Hutter 2017, eq. 5)."""

    type: Literal["cosine"] = "cosine"
    floor: float = Field(default=0.0, ge=0, le=1)
    """Factor at the end."""

    def after_warmup(self, progress: float, validation: Sequence[float]) -> float:
        """1 at the start, `floor` at the end."""
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


@SCHEDULES.register("plateau")
class PlateauSettings(ScheduleSettings):
    """The rate is cut each time the validation text has not improved for some epochs."""

    type: Literal["plateau"] = "plateau"
    cut: float = Field(default=0.5, gt=0, lt=1)
    """Factor of each cut."""
    patience: int = Field(default=1, ge=1)
    """Epochs without an improvement before a cut."""
    least: float = Field(default=1e-3, gt=0)
    """An improvement is at least so many nats a token, or so much F1."""

    def after_warmup(self, progress: float, validation: Sequence[float]) -> float:
        """`cut` to the power of the plateaus so far."""
        best, waited, cuts = math.inf, 0, 0
        for value in validation:
            if value < best - self.least:
                best, waited = value, 0
                continue
            waited += 1
            if waited == self.patience:
                cuts, waited = cuts + 1, 0
        return self.cut**cuts
