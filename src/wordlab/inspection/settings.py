"""Every setting there is: its name, default and meaning, from the settings classes themselves."""

import json
from collections.abc import Iterable, Iterator

from wordlab.config import Settings
from wordlab.corpus.labelled.doctor import LabelledSettings
from wordlab.corpus.text import TextSettings
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.models.language_model import MODELS, OUTPUT_LAYERS
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS
from wordlab.runs.settings import DataSettings
from wordlab.runs.tagger_settings import (
    TaggerDataSettings,
    TaggerRunSettings,
    TaggerTrainingSettings,
)
from wordlab.table import Table
from wordlab.training.optimizers import OPTIMIZERS
from wordlab.training.schedules import SCHEDULES
from wordlab.training.settings import Stage, TrainingSettings


def settings_tables() -> list[Table]:
    """One table a section, and one a registered part."""
    return [
        Table.of(title, _HEADS, _rows(name, cls, fields or cls.model_fields))
        for title, name, cls, *fields in _sections()
    ]


_HEADS = ("setting", "default", "meaning")


def _sections() -> Iterator[tuple[str, str, type[Settings], *tuple[str, ...]]]:
    """Title, name and class; then the fields, where they are not all to be listed."""
    yield "data", "data", DataSettings
    yield "text", "text", TextSettings
    yield "vocabulary", "vocabulary", VocabularySettings
    for kind, model in MODELS.items():
        yield f"model, type {kind}", "model", model
    for kind, output in OUTPUT_LAYERS.items():
        yield f"output, type {kind}", "output", output
    yield "training", "training", TrainingSettings
    yield "training.curriculum, a list of", "training.curriculum[]", Stage
    for kind, optimizer in OPTIMIZERS.items():
        yield f"training.optimizer, type {kind}", "training.optimizer", optimizer
    for kind, schedule in SCHEDULES.items():
        yield f"training.schedule, type {kind}", "training.schedule", schedule
    yield "data, of a tagger", "data", TaggerDataSettings
    yield "labelled, of a tagger", "labelled", LabelledSettings
    yield "features, of a tagger", "features", FeatureSettings
    for kind, tagger in TAGGERS.items():
        yield f"model, a tagger of type {kind}", "model", tagger
    for kind, tags in TAG_OUTPUTS.items():
        yield f"output, of a tagger, type {kind}", "output", tags
    own = TaggerTrainingSettings.__annotations__
    yield "training, of a tagger where it differs", "training", TaggerTrainingSettings, *own
    yield "in no section, of a tagger", "", TaggerRunSettings, "task", "scheme"


def _rows(
    section: str, cls: type[Settings], fields: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    for name in fields:
        field = cls.model_fields[name]
        if name == "type":
            continue
        if field.is_required():
            default = "needed"
        else:
            value = field.get_default(call_default_factory=True)
            plain = value.model_dump(mode="json") if isinstance(value, Settings) else value
            is_part = isinstance(plain, dict) and "type" in plain
            default = plain["type"] if is_part else json.dumps(plain, ensure_ascii=False)
        yield f"{section}.{name}".lstrip("."), default, " ".join((field.description or "").split())
