"""A window tagger's steps by the compiled kernel: the same as one after the other by autograd."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.errors import WordlabError
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, build_tagger
from wordlab.native.library import kernels, without_kernels
from wordlab.training.settings import TrainingSettings
from wordlab.training.tagging import Tagging
from wordlab.training.trainer import Trainer
from wordlab.training.window_steps import WindowSteps

pytestmark = pytest.mark.skipif(not kernels().usable, reason=str(kernels()))

PLAIN = {
    "words": 7,
    "capitals": 0,
    "shape": 0,
    "prefixes": [],
    "suffixes": [],
    "word_dropout": 0.0,
    "dropout": 0.0,
}
NET = {"radius": 1, "hidden": [9], "examples": "words", "dropout": 0.0}
TRAINING = {
    "batch": 10,
    "epochs": 2,
    "averaging": 0.0,
    "optimizer": {"type": "sgd", "rate": 0.05, "l2": 0.01},
}


def trainer(
    features: dict[str, Any] = PLAIN,
    net: dict[str, Any] = NET,
    training: dict[str, Any] = TRAINING,
) -> Trainer:
    draw = np.random.default_rng(1)
    words = [f"w{i}" for i in range(40)]
    sentences = [[words[i] for i in draw.integers(0, 40, draw.integers(1, 9))] for _ in range(90)]
    tags = TagSet("bare", ("LOC", "PER"))
    read = FeatureSettings.model_validate(features)
    lexicon = Lexicon.of_words(
        [word for row in sentences for word in row],
        form=read.form,
        features=list(read.names),
        letters=False,
        min_feature_count=1,
    )
    gold = [[int(word[1:]) % 3 for word in row] for row in sentences]
    model = build_tagger(
        read,
        TAGGERS["window"].model_validate(net),
        TAG_OUTPUTS["softmax"].model_validate({}),
        lexicon,
        tags,
        seed=1,
    )
    store = TagStore.of(sentences, lexicon, gold)
    radius = net["radius"] if net["examples"] == "words" else None
    task = Tagging(model, store, store, [[] for _ in sentences], tags, radius)
    return Trainer(task, TrainingSettings.model_validate(training))


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 30),
    radius=st.integers(0, 2),
    hidden=st.integers(1, 40),
    mean=st.booleans(),
    schedule=st.sampled_from(["constant", "cosine"]),
    at_once=st.integers(1, 100),
)
def test_the_same_weights_and_figures(
    batch: int, radius: int, hidden: int, mean: bool, schedule: str, at_once: int
) -> None:
    net = {**NET, "radius": radius, "hidden": [hidden]}
    training = {**TRAINING, "batch": batch, "sum_targets": not mean, "schedule": {"type": schedule}}
    training["optimizer"] = {"type": "sgd", "rate": 0.01 if not mean else 0.1, "l2": 0.01}
    compiled, single = trainer(net=net, training=training), trainer(net=net, training=training)
    assert isinstance(compiled.task.steps(compiled.settings), WindowSteps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wordlab.training.window_steps.WORDS_AT_ONCE", at_once)
        of_compiled = list(compiled.epochs())
    with without_kernels():
        assert single.task.steps(single.settings) is None
        of_single = list(single.epochs())
    for one, other in zip(of_compiled, of_single, strict=True):
        assert one.seen_nats == pytest.approx(other.seen_nats, rel=1e-4)
        assert one.validation_nats == pytest.approx(other.validation_nats, rel=1e-4)
        assert one.seen_nats != one.validation_nats
    for name, weight in compiled.model.state_dict().items():
        torch.testing.assert_close(weight, single.model.state_dict()[name], rtol=1e-3, atol=2e-5)


def test_it_goes_on_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordlab.training.window_steps.WORDS_AT_ONCE", 40)
    whole, first, second = (trainer() for _ in range(3))
    list(whole.epochs())

    def stop_soon(step: object) -> None:
        if first.progress.batch >= 12:
            first.stop()

    assert not list(first.epochs(stop_soon))
    assert first.progress.batch == 12
    second.restore(first.tensors(), first.progress, {})
    list(second.epochs())
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name])


def test_it_learns() -> None:
    made = trainer(training={**TRAINING, "epochs": 12, "optimizer": {"type": "sgd", "rate": 0.3}})
    epochs = list(made.epochs())
    assert epochs[-1].validation_accuracy > 0.95


def test_divergence_is_seen() -> None:
    made = trainer(training={**TRAINING, "optimizer": {"type": "sgd", "rate": 1e4}})
    with pytest.raises(WordlabError, match="diverged"):
        list(made.epochs())


@pytest.mark.parametrize(
    ("features", "net", "training"),
    [
        ({"dropout": 0.1}, {}, {}),
        ({"word_dropout": 0.1}, {}, {}),
        ({"capitals": 3}, {}, {}),
        ({"train_words": False}, {}, {}),
        ({}, {"activation": "relu"}, {}),
        ({}, {"dropout": 0.1}, {}),
        ({}, {"hidden": [4, 4]}, {}),
        ({}, {"examples": "sentences"}, {}),
        ({}, {}, {"averaging": 0.9}),
        ({}, {}, {"clip": 1.0}),
        ({}, {}, {"optimizer": {"type": "adam"}}),
        ({}, {}, {"optimizer": {"type": "sgd", "momentum": 0.5}}),
    ],
)
def test_what_the_kernel_has_not_is_left_to_autograd(
    features: dict[str, Any], net: dict[str, Any], training: dict[str, Any]
) -> None:
    made = trainer({**PLAIN, **features}, {**NET, **net}, {**TRAINING, **training})
    assert made.task.steps(made.settings) is None
