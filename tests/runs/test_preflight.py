"""What a training is expected to take, before it begins."""

import json
from pathlib import Path

import pytest
import torch

import wordlab
from commands import refusal
from commands import wordlab as command
from wordlab.errors import WordlabError
from wordlab.runs import preflight
from wordlab.runs.preflight import Expectation, duration, needed_bytes, tagger_bytes
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import TrainingRun
from wordlab.training.pace import Pace

PACE = Pace(1, 1000.0, 4000.0, {1: 0.25}, {1: 0.0}, 5)


def test_the_line_says_time_memory_and_why() -> None:
    made = Expectation(4000.0, 20, 86_402, PACE, None, 300 << 20, 2000 << 20)
    assert made.line() == (
        "expected: 1 h 6 min at most (20 epochs of 86,402 targets at 1,000 a second), "
        "300 MiB of memory (2,000 are free)"
    )
    short = Expectation(4000.0, 20, 86_402, PACE, 10.0, None, None)
    assert short.line() == (
        "expected: 10 min 0 s (3.0 of 20 epochs of 86,402 targets at 1,000 a second)"
    )
    assert "1 epoch of" in Expectation(4.0, 1, 5, PACE, None, None, None).line()
    assert [duration(x) for x in (0.2, 59.5, 3600)] == ["1 s", "1 min 0 s", "1 h 0 min"]


def test_time_is_of_what_is_left(texts: Path, tmp_path: Path) -> None:
    settings = {
        "model": {"n": 3, "embedding": 6, "hidden": [8]},
        "training": {"epochs": 4, "curriculum": [{"leave_out": 2, "epochs": 1}]},
    }
    made = TrainingRun.start(
        RunSettings.model_validate(settings),
        tmp_path / "run",
        train=wordlab.read_text(texts / "train.txt"),
        validation=wordlab.read_text(texts / "validation.txt"),
    )
    made._pace = PACE
    whole = made.expectation()
    assert whole is not None
    task = made.trainer.task  # type: ignore[union-attr]
    judged = task.judged_targets(20_000)
    targets = task.targets(0)
    assert judged == targets + len(made.run.store("validation")) > targets
    assert whole.seconds == pytest.approx(
        (3 * targets + task.targets(2)) / 1000 + 4 * judged / 4000
    )
    epochs = made.epochs()
    next(epochs)
    next(epochs)
    rest = made.expectation()
    assert rest is not None
    assert rest.epochs == 2
    assert rest.seconds == pytest.approx(2 * targets / 1000 + 2 * judged / 4000)
    list(epochs)
    assert made.expectation() is None


def test_the_command_says_it_before_it_trains(texts: Path, tmp_path: Path) -> None:
    done = command(
        *("train", texts / "train.txt", "--run", tmp_path / "run", "--json"),
        *("--set", "training.epochs=2", "--set", "model.hidden=8"),
    )
    first, *_ = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert first.startswith("expected: ")
    assert "2 epochs of" in first
    assert json.loads(done.stdout)["epochs"] == 2
    described = command("describe", "--vocabulary", "100", "--json")
    assert described.stderr.startswith("expected: a million training targets take ")
    assert json.loads(described.stdout)["vocabulary"] == 100


def test_a_model_beyond_memory_is_refused_before_the_text_is_read(tmp_path: Path) -> None:
    said = refusal(
        *("train", tmp_path / "no-such-text", "--run", tmp_path / "run"),
        *("--set", "model.hidden=2000000,2000000"),
    )
    assert "GiB of memory are free" in said
    assert "choose fewer hidden units" in said


def test_a_tagger_beyond_memory_is_refused(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "available_bytes", lambda: 1 << 20)
    settings = {"data": {"train": [str(sample)]}}
    with pytest.raises(WordlabError, match="GiB of memory are free"):
        train_tagger(run=tmp_path / "run", settings=settings)


def test_a_tagger_is_sized_without_being_made(sample: Path, tmp_path: Path) -> None:
    for model, output in (("window", "softmax"), ("bilstm", "crf")):
        settings = {
            "data": {"train": [str(sample)]},
            "features": {"words": 7, "letters": 3},
            "model": {"type": model, "hidden": [9]},
            "output": {"type": output},
            "training": {"epochs": 1},
        }
        run = train_tagger(run=tmp_path / model, settings=settings)
        opened = TaggerRun.load(run.path)
        parameters = sum(p.numel() for p in opened.model.parameters())
        few = tagger_bytes(opened.settings, opened.lexicon, opened.tag_set, None)
        vectors = torch.zeros(len(opened.lexicon.counts), 70)
        many = tagger_bytes(opened.settings, opened.lexicon, opened.tag_set, vectors)
        assert few > 4 * 18 * parameters  # six numbers of each, and three copies of four
        assert many > few + 4 * 18 * 63 * (len(opened.lexicon.counts) - 3)


def test_what_resuming_needs_is_counted(tmp_path: Path) -> None:
    plain = RunSettings.model_validate({"training": {"optimizer": "sgd", "averaging": 0}})
    adam = RunSettings.model_validate({"training": {"optimizer": "adam"}})
    assert needed_bytes(adam, 5000) > 1.8 * needed_bytes(plain, 5000)
