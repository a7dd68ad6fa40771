"""All settings of a tagger's run, as they stand in a TOML file and in the run folder."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wordlab.config import NameIn, PartOf, Settings
from wordlab.corpus.labelled.doctor import LabelledSettings
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.outputs import CrfSettings, SoftmaxTagsSettings
from wordlab.models.taggers.recurrent import BigruSettings, BilstmSettings
from wordlab.models.taggers.tagger import (
    TAG_OUTPUTS,
    TAGGERS,
    TaggerSettings,
    TagOutputSettings,
)
from wordlab.models.taggers.window import WindowSettings
from wordlab.training.optimizers import OPTIMIZERS, AdamSettings, OptimizerSettings
from wordlab.training.schedules import SCHEDULES, CosineSettings, ScheduleSettings
from wordlab.training.settings import TrainingSettings

# Every family is registered by its import.
FAMILIES = (WindowSettings, BilstmSettings, BigruSettings, SoftmaxTagsSettings, CrfSettings)


class TaggerDataSettings(Settings):
    """Which labelled texts are read."""

    train: tuple[str, ...] = ()
    """Files of the training text."""
    validation: tuple[str, ...] = ()
    """Files of the text that chooses the best epoch."""
    hold_out: float = Field(default=0.2, gt=0, lt=1)
    """Without a validation text: the share of the training text's documents, or of its sentences
    where it has one document only, that is held out, each type in its share."""


class TaggerTrainingSettings(TrainingSettings):
    """How a tagger is trained."""

    batch: int = Field(default=256, ge=1)
    """Words a step: sentences of about one length, or one longer sentence."""
    epochs: int = Field(default=20, ge=1)
    """At most so many."""
    optimizer: Annotated[OptimizerSettings, PartOf(OPTIMIZERS, "adam")] = AdamSettings(rate=0.002)
    """sgd, adagrad, adam or adamw."""
    schedule: Annotated[ScheduleSettings, PartOf(SCHEDULES, "constant")] = CosineSettings()
    """constant, cosine or plateau."""
    patience: int = Field(default=0, ge=0)
    """Stop when the F1 of the validation text has not improved for so many epochs; 0: never."""


class TaggerRunSettings(Settings):
    """Everything that decides what a tagger's run is."""

    task: Literal["tagger"] = "tagger"
    """What is trained; without this line, a language model."""
    data: TaggerDataSettings = TaggerDataSettings()
    labelled: LabelledSettings = LabelledSettings()
    scheme: Annotated[str, NameIn(SCHEMES)] = "BIOES"
    """Tagging scheme that the model uses, whatever that of the files is."""
    features: FeatureSettings = FeatureSettings()
    model: Annotated[TaggerSettings, PartOf(TAGGERS, "window")] = WindowSettings()
    output: Annotated[TagOutputSettings, PartOf(TAG_OUTPUTS, "crf")] = CrfSettings()
    training: TaggerTrainingSettings = TaggerTrainingSettings()

    @model_validator(mode="after")
    def _words_apart(self) -> Self:
        if self.model.drawn_radius is not None and self.output.in_chains:
            raise ValueError(
                'model.examples = "words" needs an output that takes words apart, such as softmax'
            )
        return self
