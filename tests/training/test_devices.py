"""The training step on another device than the CPU.

Where there is no GPU, the meta device stands for one: it computes nothing, but refuses to mix its
tensors with the CPU's.
"""

from typing import Any

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Order
from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.language_model import (
    MODELS,
    OUTPUT_LAYERS,
    LanguageModel,
    NetworkSettings,
    build_model,
)
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, Tagger, build_tagger
from wordlab.runs.settings import FAMILIES
from wordlab.runs.tagger_settings import FAMILIES as TAGGER_FAMILIES
from wordlab.training.devices import chosen_device
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.settings import TrainingSettings
from wordlab.training.trainer import Trainer

assert FAMILIES
assert TAGGER_FAMILIES

TYPES = 23
NETWORKS = sorted(name for name in MODELS if issubclass(MODELS[name], NetworkSettings))
DROPPED = {"word_dropout": 0.1, "weight_dropout": 0.1, "activation_penalty": 1, "change_penalty": 1}
LAYERS: list[dict[str, Any]] = [{}, {"smoothing": 0.1, "dropout": 0.1}, {"tied": True}]

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def store() -> TokenStore:
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(TYPES - 3)))
    vocabulary = Vocabulary(words, np.arange(TYPES, 0, -1), 0, 1, 2)
    lengths = (5, 9, 3, 12, 7)
    return TokenStore.in_memory(([3 + i * n % 17 for i in range(n)] for n in lengths), vocabulary)


def network(kind: str, output: dict[str, Any], **settings: Any) -> LanguageModel:
    return build_model(
        MODELS[kind].model_validate(settings),
        OUTPUT_LAYERS["softmax"].model_validate(output),
        TYPES,
        seed=1,
    ).train()


def backward(model: LanguageModel, device: torch.device) -> None:
    """Two steps, without an update."""
    state: tuple[torch.Tensor, ...] = ()
    reading = model.reading.in_training(20)
    for batch, _ in zip(reading.batches(store(), 20, order=Order(1, 1)), range(2), strict=False):
        loss = model(batch.to(device), state if batch.continues else ())
        state = loss.state
        assert loss.nats.device.type == device.type
        mean = loss.nats / loss.targets
        (mean if loss.penalty is None else mean + loss.penalty).backward()


@pytest.mark.parametrize("output", LAYERS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_language_model_keeps_to_its_device(kind: str, output: dict[str, Any]) -> None:
    settings = {} if kind == "feedforward" else {"layer_norm": True, "length": 5, **DROPPED}
    model = network(kind, output, **settings).to("meta")
    backward(model, torch.device("meta"))
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in model.parameters())


def tagger(kind: str, output: str) -> tuple[Tagger, TagStore]:
    words = ("Mara", "left", "Turin", "for", "a", "B-52")
    features = FeatureSettings(letters=4)
    lexicon = Lexicon.of_words(
        words,
        form=features.form,
        features=list(features.names),
        letters=True,
        min_feature_count=1,
    )
    tags = TagSet("BIOES", ("LOC", "PER"))
    model = build_tagger(
        features,
        TAGGERS[kind].model_validate({}),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon,
        tags,
        seed=1,
    ).train()
    sentences = [list(words), list(words[:3])]
    return model, TagStore.of(sentences, lexicon, [[0] * len(row) for row in sentences])


@on_gpu
@pytest.mark.parametrize("output", ["softmax", "crf"])
@pytest.mark.parametrize("kind", sorted(TAGGERS))
def test_a_tagger_on_a_gpu(kind: str, output: str) -> None:
    model, text = tagger(kind, output)
    loss = model.to("cuda")(next(iter(text.batches(20))).to(torch.device("cuda")))
    loss.nats.backward()
    assert loss.nats.device.type == "cuda"


@on_gpu
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_gpu_trains_as_the_cpu_does(kind: str) -> None:
    found = []
    for device in ("cpu", "cuda"):
        none = {"dropout": 0, "embedding_dropout": 0}
        none |= {} if kind == "feedforward" else {"hidden_dropout": 0}
        settings = TrainingSettings.model_validate({"batch": 20, "epochs": 3, "device": device})
        task = LanguageModelling(network(kind, {}, **none), store(), store(), settings, TYPES)
        found.append([epoch.validation_nats for epoch in Trainer(task, settings).epochs()])
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_what_is_not_there_is_refused() -> None:
    assert chosen_device("cpu").type == "cpu"
    if torch.cuda.is_available():
        assert chosen_device("auto").type == chosen_device("cuda").type == "cuda"
        return
    assert chosen_device("auto").type == "cpu"
    with pytest.raises(WordlabError, match="no GPU"):
        chosen_device("cuda")
