"""Models in run folders: one of its own, or a mixture of those in the folder `members`."""

from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from wordlab.batching.batch import Reading
from wordlab.config import Settings, read_json, validate
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.caches import NeuralCache, UnigramCache
from wordlab.models.dynamic import DynamicModel
from wordlab.models.language_model import (
    CountSettings,
    LanguageModel,
    NetworkSettings,
    Predictor,
    build_model,
)
from wordlab.models.mixture import Buckets, Mixture, common_reading
from wordlab.models.narrow_weights import FLOAT32, fill, settle
from wordlab.runs.files import read_tensors
from wordlab.runs.settings import RunSettings

SETTINGS, VOCABULARY, MODEL = "settings.json", "vocabulary.tsv", "model.safetensors"
MIXTURE, MEMBERS = "mixture.json", "members"
KIND = "weights"
"""In an exported model's metadata: the kind of its weights, of `WEIGHTS`."""
GRADIENTS = "gradients.safetensors"
"""Beside a member that learns while it scores: the sizes of its gradients in training."""


class MixtureSettings(Settings):
    """What is mixed, and how; the file `mixture.json` of a mixture's run folder."""

    members: tuple[str, ...] = Field(min_length=1)
    """Folders in `members`, one for each run that is mixed."""
    reading: str = ""
    """How recurrent members read: sentences or stream; empty for their own way."""
    buckets: int = Field(default=1, ge=1, le=7)
    """Groups of contexts with weights of their own, by how frequent the last word is."""
    unigram_caches: tuple[int, ...] = ()
    """A member for each: the share of each word among so many last words of the text."""
    neural_cache: int = Field(default=0, ge=0)
    """Compare each network's units with those at so many last words; 0: no such cache."""
    sharpness: float = Field(default=0.3, gt=0)
    """Of the neural cache: how much more alike units weigh."""
    dynamic_rate: float = Field(default=0.0, ge=0)
    """Networks take a gradient step of this rate after each segment of the text; 0: none."""
    dynamic_decay: float = Field(default=0.0, ge=0, lt=1)
    """And go this share of the way back to where they were."""
    dynamic_segment: int = Field(default=20, ge=1)
    """Words of a segment."""
    weights: tuple[tuple[float, ...], ...] = ()
    """Of each member in each bucket; empty before they are fitted: all alike."""

    @model_validator(mode="after")
    def _one_row_a_bucket(self) -> Self:
        if self.weights and len(self.weights) != self.buckets:
            raise ValueError(f"{len(self.weights)} rows of weights for {self.buckets} buckets")
        return self


def load_model(folder: Path, settings: RunSettings, vocabulary: Vocabulary) -> Predictor:
    """Load the model of a run folder, ready to predict.

    Raises:
        WordlabError: where a file is missing, damaged, or belongs to another vocabulary.
    """
    if (folder / MIXTURE).exists():
        return load_mixture(folder, vocabulary)
    tensors, metadata = _tensors(folder, vocabulary)
    kind = metadata.get(KIND, FLOAT32)
    try:
        if isinstance(settings.model, CountSettings):
            return settings.model.restore(tensors)
        model = fresh_network(settings, vocabulary)
        if KIND in metadata:
            fill(model, tensors, kind)
        else:
            model.load_state_dict(tensors)
        model.weights_kept = kind
        settle(model)
        return model.eval()
    except (RuntimeError, WordlabError) as error:
        raise WordlabError(
            f"does not fit the folder's settings ({str(error).splitlines()[-1].strip()})",
            where=str(folder / MODEL),
            mend="put back the settings.json that the run was trained with",
        ) from None


def _tensors(folder: Path, vocabulary: Vocabulary) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a run folder, and what is said of them."""
    path = folder / MODEL
    if not path.exists():
        raise WordlabError(
            "has no finished epoch yet",
            where=str(folder),
            mend=f"let it train further: wordlab resume {folder}",
        )
    tensors, metadata = read_tensors(path)
    if metadata.get("vocabulary") != vocabulary.hash:
        raise WordlabError(
            f"belongs to vocabulary {metadata.get('vocabulary')}, but the folder's is "
            f"{vocabulary.hash}",
            where=str(path),
            mend="put back the vocabulary.tsv that the run was trained with",
        )
    return tensors, metadata


def fresh_network(settings: RunSettings, vocabulary: Vocabulary) -> LanguageModel:
    """The network as it was before training."""
    if not isinstance(settings.model, NetworkSettings):
        raise WordlabError(f"a model of type {settings.model.type} is no network")
    return build_model(
        settings.model, settings.output, len(vocabulary), seed=settings.training.seed
    )


def read_settings(folder: Path) -> RunSettings:
    """The settings of a run folder."""
    data = read_json(folder / SETTINGS)
    if not isinstance(data, dict):
        raise WordlabError("holds no settings", where=str(folder / SETTINGS))
    if data.get("task") == "tagger":
        raise WordlabError(
            "is the run of a tagger, not of a language model",
            where=str(folder),
            mend="taggers go with wordlab tag, evaluate and resume",
        )
    return validate(RunSettings, data, source=str(folder / SETTINGS))


def load_mixture(folder: Path, vocabulary: Vocabulary) -> Mixture:
    """Load the members and mix them with the weights of `mixture.json`."""
    data = read_json(folder / MIXTURE)
    if not isinstance(data, dict):
        raise WordlabError("holds no settings", where=str(folder / MIXTURE))
    settings = validate(MixtureSettings, data, source=str(folder / MIXTURE))
    runs: dict[str, Predictor] = {}
    for name in settings.members:
        path = folder / MEMBERS / name
        own = read_settings(path)
        model = load_model(path, own, vocabulary)
        if settings.reading and isinstance(model, LanguageModel):
            model.reading = reading_of(own, settings.reading, path)
        runs[name] = model
    members = _with_caches(runs, settings, vocabulary, folder / MEMBERS)
    weights = settings.weights or ((1 / len(members),) * len(members),) * settings.buckets
    if any(len(row) != len(members) for row in weights):
        raise WordlabError(
            f"has rows of weights that are not {len(members)} long", where=str(folder / MIXTURE)
        )
    return Mixture(
        members,
        torch.tensor(weights, dtype=torch.float64),
        Buckets.by_count(vocabulary.counts, settings.buckets),
        start=vocabulary.start,
        end=vocabulary.end,
    )


def reading_of(settings: RunSettings, name: str, folder: Path) -> Reading:
    """The way of this name in which a run's model reads a text.

    Raises:
        WordlabError: where it cannot read so.
    """
    readings = settings.model.readings
    if name not in readings:
        raise WordlabError(
            f"cannot read a text as {name!r}",
            where=str(folder),
            mend=f"allowed: {', '.join(readings)}",
        )
    return readings[name]


def _gradient_sizes(path: Path, model: LanguageModel) -> dict[str, Tensor]:
    sizes, _ = read_tensors(path)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    if {name: size.shape for name, size in sizes.items()} != shapes:
        raise WordlabError(
            "does not fit the network beside it", where=str(path), mend="mix the runs again"
        )
    return sizes


def _with_caches(
    runs: dict[str, Predictor],
    settings: MixtureSettings,
    vocabulary: Vocabulary,
    folder: Path,
) -> dict[str, Predictor]:
    """The runs, dynamic if asked for, and the caches that go with them."""
    reading = common_reading(tuple(runs.values()))
    types, start = len(vocabulary), vocabulary.start
    members: dict[str, Predictor] = {}
    for name, model in runs.items():
        members[name] = model
        if not isinstance(model, LanguageModel):
            continue
        if settings.dynamic_rate:
            members[name] = DynamicModel(
                model,
                rate=settings.dynamic_rate,
                decay=settings.dynamic_decay,
                segment=settings.dynamic_segment,
                sizes=_gradient_sizes(folder / name / GRADIENTS, model),
            )
        if settings.neural_cache:
            members[f"{name}, neural cache"] = NeuralCache(
                model, types, start, window=settings.neural_cache, sharpness=settings.sharpness
            )
    for window in settings.unigram_caches:
        members[f"unigram cache {window}"] = UnigramCache(reading, types, start, window)
    return members
