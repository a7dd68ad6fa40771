"""All settings of a run, as they stand in a TOML file and in the run folder."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from wordlab.config import NameIn, PartOf, Settings
from wordlab.corpus.text import LAYOUTS, TextSettings
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.models.adaptive_softmax import AdaptiveSettings
from wordlab.models.counts.arpa_settings import ArpaSettings
from wordlab.models.counts.kneser_ney import KneserNeySettings
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import MODELS, OUTPUT_LAYERS, ModelSettings, OutputSettings
from wordlab.models.noise_contrastive import NceSettings
from wordlab.models.recurrent.elman import ElmanSettings
from wordlab.models.recurrent.gru import GruSettings
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.settings import TrainingSettings

# Every family and every output layer is registered by its import.
FAMILIES = (
    FeedforwardSettings,
    ElmanSettings,
    GruSettings,
    LstmSettings,
    KneserNeySettings,
    ArpaSettings,
)
OUTPUTS = (SoftmaxSettings, AdaptiveSettings, NceSettings)


class DataSettings(Settings):
    """Which texts are read."""

    train: tuple[str, ...] = ()
    """Files of the training text."""
    validation: tuple[str, ...] = ()
    """Files of the text that chooses the best epoch."""
    validation_layout: Annotated[str, NameIn(LAYOUTS)] | None = None
    """Layout of the validation text, where it is not text.layout."""
    hold_out: float = Field(default=0.1, gt=0, lt=1)
    """Without a validation text: the share of training sentences, drawn at random, held out."""


class RunSettings(Settings):
    """Everything that decides what a language model's run is."""

    data: DataSettings = DataSettings()
    text: TextSettings = TextSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    model: Annotated[ModelSettings, PartOf(MODELS, "feedforward")] = FeedforwardSettings()
    output: Annotated[OutputSettings, PartOf(OUTPUT_LAYERS, "softmax")] = SoftmaxSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="before")
    @classmethod
    def _of_a_language_model(cls, data: Any) -> Any:
        """Take no settings of a tagger; say so, not that each of them is unknown."""
        if not isinstance(data, dict) or "task" not in data:
            return data
        if data["task"] != "language-model":
            raise ValueError(f"these are of a {data['task']}, and a language model is asked for")
        return {key: value for key, value in data.items() if key != "task"}
