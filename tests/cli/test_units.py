"""Hidden units through the real command: neurons and prototypes."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands import refusal, wordlab
from wordlab.inspection.units.effects import tagger_effects
from wordlab.inspection.units.texts import tagger_text
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train
from wordlab.samples import entities


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, texts: Path, tiny_settings: dict[str, object]
) -> Path:
    """A folder with a window tagger, a recurrent one, and a recurrent language model."""
    path = tmp_path_factory.mktemp("units")
    (path / "entities.iob2").write_text(entities())
    common = {
        "data": {"train": [str(path / "entities.iob2")]},
        "features": {"words": 6, "affix": 3},
        "training": {"epochs": 2, "batch": 64, "optimizer": {"type": "adam", "rate": 0.01}},
    }
    train_tagger(run=path / "window", settings={**common, "model": {"hidden": [6]}})
    bilstm = {"model": {"type": "bilstm", "hidden": [4]}, "output": {"type": "crf"}}
    train_tagger(run=path / "bilstm", settings={**common, **bilstm})
    recurrent = {**tiny_settings, "model": {"type": "gru", "embedding": 4, "hidden": [5]}}
    train(texts / "train.txt", texts / "validation.txt", run=path / "gru", settings=recurrent)
    kneser_ney = {"model": {"type": "kneser-ney"}}
    train(texts / "train.txt", texts / "validation.txt", run=path / "kn", settings=kneser_ney)
    return path


def shown(*arguments: str | Path, cwd: Path) -> str:
    done = wordlab(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(*arguments: str | Path, cwd: Path) -> Any:
    return json.loads(shown(*arguments, "--json", cwd=cwd))


def test_neurons_of_a_window_tagger(folder: Path) -> None:
    text = shown("neurons", "window", "--unit", "1,4", "--top", "3", cwd=folder)
    assert "Top words by unit, centre word (position 0)" in text
    assert "Bottom words by unit, centre word (position 0)" in text
    found = printed("neurons", "window", "--position", "all", "--top", "3", cwd=folder)
    assert [item["position"] for item in found["unit_words"]] == [
        position for position in (-2, -1, 0, 1, 2) for _ in range(5)
    ]
    scores = [word["score"] for word in found["unit_words"][0]["top"]]
    assert scores == sorted(scores, reverse=True)
    few = printed("neurons", "window", "--min-count", "9", cwd=folder)["unit_words"]
    assert min(word["count"] for item in few for word in item["top"]) >= 9


def test_neurons_that_are_switched_off(folder: Path) -> None:
    run = TaggerRun.load(folder / "window")
    words, entity = tagger_effects(run, tagger_text(run), units=[2])
    found = printed("neurons", "window", "--ablate", "--unit", "2", cwd=folder)["effects"]
    assert [row["change"] for row in found] == pytest.approx(
        [*words.changes[0], *entity.changes[0]]
    )
    text = shown("neurons", "window", "entities.iob2", "--ablate", "--tokens", "500", cwd=folder)
    assert "F1 of entities, and the change with a unit held" in text
    assert "words of entities.iob2" in text
    carriers = printed("neurons", "window", "--carriers", "--tokens", "900", cwd=folder)
    assert {row["name"] for row in carriers["carriers"]} == {"LOC", "MISC", "ORG", "PER"}
    assert all(0 <= row["percentile"] <= 1 for row in carriers["carriers"])
    several = ("--off", "0,1", "--clamp", "0.5", "--groups", "3", "--contexts", "2")
    both = printed("neurons", "window", *several, cwd=folder)
    assert len(both["groups"]) == 3
    assert len({row["unit"] for row in both["contexts"]}) == 5
    assert len(both["changes"]) == sum(len(s.words) for s in run.sentences("validation"))


def test_neurons_of_recurrent_networks_are_shown_in_context(folder: Path, texts: Path) -> None:
    text = shown("neurons", "gru", "--unit", "3", cwd=folder)
    assert "Where units are highest and lowest" in text
    assert "Top words" not in text
    named = shown("neurons", "gru", texts / "train.txt", "--ablate", "--word", "cat", cwd=folder)
    assert "Nats a token, and the change with a unit held" in named
    assert "cat" in named
    tagged = printed("neurons", "bilstm", "--tokens", "300", cwd=folder)
    assert "words of the run's validation text" in tagged["text"]
    assert all("[" in row["text"] for row in tagged["contexts"])


def test_prototypes(folder: Path, run: Run) -> None:
    text = shown("prototypes", "window", "--top", "4", cwd=folder)
    for title in (
        "Top words of each class, centre word (position 0)",
        "Top words of each class, word 1 before (position -1)",
        "What these words are worth, centre word (position 0)",
        "What tags may follow",
    ):
        assert title in text
    assert "mean vector of the training text's words" in text
    found = printed("prototypes", "bilstm", "--top", "4", "--min-count", "2", cwd=folder)
    assert [item["name"] for item in found["found"]] == ["LOC", "MISC", "ORG", "PER"]
    assert found["transitions"][0]["I-LOC"] is None
    of_words = printed("prototypes", run.path, "--word", "sat", "--word", "the", cwd=folder)
    assert [(i["name"], i["position"]) for i in of_words["found"]] == [
        ("sat", -1),
        ("the", -1),
        ("sat", -2),
        ("the", -2),
    ]
    assert of_words["transitions"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["neurons", "window", "--unit", "6"], "--unit: 6 is no unit; the layer has units 0 to 5"),
        (["neurons", "window", "--position", "9"], "--position: 9 is no position of the window"),
        (["neurons", "gru", "--position", "0"], "is of a recurrent network"),
        (["neurons", "window", "--ablate", "--clamp", "half"], "--clamp: 'half' is no value"),
        (["neurons", "window", "--clamp", "mean"], "--clamp: goes with --ablate or"),
        (["neurons", "gru", "--ablate", "--word", "dragon"], "'dragon' is not in the vocabulary"),
        (["neurons", "kn"], "is no network: it has no word vectors and no units"),
        (["prototypes", "gru"], "--word: of a language model the classes are next words"),
        (["prototypes", "bilstm", "--position", "-1"], "--position: -1 is no position of this"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], message: str) -> None:
    assert message in refusal(*arguments, cwd=folder)
