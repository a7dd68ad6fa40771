"""Run folders: resuming to the bit, damage, the Python face."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import wordlab
from wordlab.errors import WordlabError
from wordlab.runs.files import AT_WORK, alone_in, read_tensors
from wordlab.runs.model_files import MODEL
from wordlab.runs.run import CHECKPOINT, Run
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun

SETTINGS = {
    "model": {"n": 3, "embedding": 6, "hidden": [8], "dropout": 0.3},
    "training": {
        "batch": 8,
        "epochs": 3,
        "checkpoint_seconds": 0,
        "averaging": 0.9,
        "optimizer": {"type": "adam", "rate": 0.02},
        "schedule": "cosine",
    },
}


def start(
    texts: Path, folder: Path, model: dict[str, object] | None = None, **training: object
) -> TrainingRun:
    settings = {**SETTINGS, "training": {**SETTINGS["training"], **training}}  # type: ignore[dict-item]
    settings["model"] = model or SETTINGS["model"]
    return TrainingRun.start(
        RunSettings.model_validate(settings),
        folder,
        train=wordlab.read_text(texts / "train.txt"),
        validation=wordlab.read_text(texts / "validation.txt"),
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(folder / MODEL)[0]


def assert_equal_to_the_bit(one: Path, two: Path) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    histories = [Run.load(folder).history for folder in (one, two)]
    assert [e.validation_nats for e in histories[0]] == [e.validation_nats for e in histories[1]]


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam", "adamw"])
def test_a_stopped_run_resumes_to_the_bit(texts: Path, tmp_path: Path, optimizer: str) -> None:
    chosen = {"type": optimizer, "rate": 0.02}
    list(start(texts, tmp_path / "straight", optimizer=chosen).epochs())
    broken = start(texts, tmp_path / "broken", optimizer=chosen)

    def stop_in_the_second_epoch(step: object) -> None:
        if broken.trainer.progress.epoch == 1 and broken.trainer.progress.batch == 5:
            broken.trainer.stop()

    list(broken.epochs(stop_in_the_second_epoch))
    assert len(Run.load(tmp_path / "broken").history) == 1
    list(TrainingRun.resume(tmp_path / "broken").epochs())
    assert_equal_to_the_bit(tmp_path / "straight", tmp_path / "broken")


@pytest.mark.parametrize("reads", ["sentences", "stream"])
def test_a_recurrent_run_resumes_to_the_bit_with_its_state(
    texts: Path, tmp_path: Path, reads: str
) -> None:
    model = {"type": "lstm", "embedding": 6, "hidden": [6, 5], "reads": reads, "length": 4}
    list(start(texts, tmp_path / "straight", model=model, batch=12).epochs())
    broken = start(texts, tmp_path / "broken", model=model, batch=12)

    def stop_in_the_second_epoch(step: object) -> None:
        if broken.trainer.progress.epoch == 1 and broken.trainer.progress.batch == 5:
            broken.trainer.stop()

    list(broken.epochs(stop_in_the_second_epoch))
    list(TrainingRun.resume(tmp_path / "broken").epochs())
    assert_equal_to_the_bit(tmp_path / "straight", tmp_path / "broken")


def test_a_start_that_was_killed_is_begun_again(texts: Path, tmp_path: Path) -> None:
    """Only where it was marked as such, and not while someone is at work in it."""
    folder = tmp_path / "run"
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "train.ids").write_bytes(b"half")
    with pytest.raises(WordlabError, match="is not empty"):
        start(texts, folder)
    with alone_in(folder), pytest.raises(WordlabError, match="is being prepared in it"):
        start(texts, folder)
    (folder / AT_WORK).touch()
    assert start(texts, folder).run.store("train").header.sentences > 0
    assert not (folder / AT_WORK).exists()
    (folder / AT_WORK).touch()
    with pytest.raises(WordlabError, match="is not empty"):
        start(texts, folder)


def test_a_run_killed_in_mid_epoch_resumes_to_the_bit(texts: Path, tmp_path: Path) -> None:
    """Through the real command, killed with SIGKILL, which no program can catch."""
    config = tmp_path / "config.toml"
    config.write_text(
        "[model]\nn = 3\nembedding = 6\nhidden = [8]\ndropout = 0.3\n"
        "[training]\nbatch = 8\nepochs = 12\npatience = 0\ncheckpoint_seconds = 0\n"
    )

    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "wordlab", *arguments]

    def training(folder: Path) -> list[str]:
        return command(
            *("train", str(texts / "train.txt"), "--validation", str(texts / "validation.txt")),
            *("--config", str(config), "--run", str(folder)),
        )

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    subprocess.run(training(straight), check=True, capture_output=True, env=environment)
    process = subprocess.Popen(
        training(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        time.sleep(0.01)
        if (killed / CHECKPOINT).exists():
            progress = json.loads(read_tensors(killed / CHECKPOINT)[1]["progress"])
            if progress["epoch"] >= 1 and progress["batch"] >= 2:
                break
    process.send_signal(signal.SIGKILL)
    process.wait()
    progress = json.loads(read_tensors(killed / CHECKPOINT)[1]["progress"])
    assert 1 <= progress["epoch"] < 12, "the run was not killed on its way"
    assert progress["batch"] > 0, "the run was not killed in mid-epoch"
    subprocess.run(command("resume", str(killed)), check=True, capture_output=True, env=environment)
    assert len(Run.load(killed).history) == 12
    assert_equal_to_the_bit(straight, killed)


def test_a_folder_copied_at_the_wrong_moment_is_told(texts: Path, tmp_path: Path) -> None:
    made = start(texts, tmp_path / "run", epochs=4)
    epochs = made.epochs()
    next(epochs)
    early = (tmp_path / "run" / MODEL).read_bytes()
    list(epochs)
    (tmp_path / "run" / MODEL).write_bytes(early)
    with pytest.raises(WordlabError, match="is of epoch 1, but the best so far was epoch"):
        TrainingRun.resume(tmp_path / "run")


def test_checkpoints_that_do_not_fit_are_told(texts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    list(start(texts, folder, epochs=1).epochs())
    checkpoint = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes((folder / MODEL).read_bytes())
    with pytest.raises(WordlabError, match="is no checkpoint of training"):
        TrainingRun.resume(folder)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(WordlabError, match="has trained weights but no checkpoint"):
        TrainingRun.resume(folder)
    (folder / CHECKPOINT).write_bytes(checkpoint)
    text = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(text.replace('"embedding": 6', '"embedding": 7'))
    with pytest.raises(WordlabError, match="does not fit the folder's settings"):
        TrainingRun.resume(folder)


def test_resuming_a_finished_run_changes_nothing(texts: Path, tmp_path: Path) -> None:
    list(start(texts, tmp_path / "run").epochs())
    before = (tmp_path / "run" / MODEL).read_bytes()
    assert list(TrainingRun.resume(tmp_path / "run").epochs()) == []
    assert (tmp_path / "run" / MODEL).read_bytes() == before


def test_a_run_without_a_checkpoint_resumes_from_the_start(texts: Path, tmp_path: Path) -> None:
    list(start(texts, tmp_path / "straight").epochs())
    start(texts, tmp_path / "unborn")
    with pytest.raises(WordlabError, match="no finished epoch yet"):
        _ = Run.load(tmp_path / "unborn").model
    list(TrainingRun.resume(tmp_path / "unborn").epochs())
    assert_equal_to_the_bit(tmp_path / "straight", tmp_path / "unborn")


def test_a_folder_in_use_is_refused(texts: Path, run: Run) -> None:
    with pytest.raises(WordlabError, match="is there already and is not empty"):
        start(texts, run.path)


def open_whole(folder: Path) -> None:
    opened = Run.load(folder)
    _ = opened.model, opened.history, opened.yardsticks


def copy_of(run: Run, folder: Path) -> Path:
    shutil.copytree(run.path, folder / "copy")
    return folder / "copy"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (MODEL, cut, "is cut short or no safetensors file"),
        (MODEL, lambda p: p.write_bytes(b"\x80\x04pickle."), "is cut short or no safetensors"),
        (MODEL, lambda p: p.write_bytes(b""), "is cut short or no safetensors"),
        (MODEL, Path.unlink, "has no finished epoch yet"),
        ("settings.json", cut, "is not JSON"),
        ("settings.json", lambda p: p.write_text("[]"), "holds no settings"),
        ("settings.json", lambda p: p.write_text('{"modle": 1}'), "modle: unknown setting"),
        ("settings.json", Path.unlink, "is no run folder"),
        (
            "vocabulary.tsv",
            lambda p: p.write_text("<unk>\n<s>\n</s>\nx\n"),
            "belongs to vocabulary",
        ),
        ("vocabulary.tsv", lambda p: p.write_bytes(b"\xff"), "is not UTF-8"),
        ("vocabulary.tsv", Path.unlink, "there is no such file"),
        ("history.jsonl", cut, "is no training history"),
        ("corpus/train.ids", cut, "where its header promises"),
        ("corpus/train.json", Path.unlink, "no longer in its folder"),
        ("corpus/train.json", lambda p: p.write_text("{}"), "is no token store"),
    ],
)
def test_damage_is_named(run: Run, tmp_path: Path, name: str, damage: object, message: str) -> None:
    folder = copy_of(run, tmp_path)
    damage(folder / name)  # type: ignore[operator]
    with pytest.raises(WordlabError, match=message) as caught:
        open_whole(folder)
    assert "\n" not in str(caught.value)


def test_settings_of_another_model_are_refused(run: Run, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path)
    data = json.loads((folder / "settings.json").read_text())
    data["model"]["hidden"] = [9]
    (folder / "settings.json").write_text(json.dumps(data))
    with pytest.raises(WordlabError, match="does not fit the folder's settings"):
        _ = Run.load(folder).model


def test_a_foreign_safetensors_file_is_refused(run: Run, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = copy_of(run, tmp_path)
    save_file({"x": torch.ones(2)}, folder / MODEL)
    with pytest.raises(WordlabError, match="is not a file of wordlab"):
        _ = Run.load(folder).model


def test_the_run_folder_says_how_it_was_made(run: Run) -> None:
    made = run.environment
    assert {"command", "threads", "versions", "processor", "data"} <= made.keys()
    assert made["data"]["train"]["sha256"]
    assert run.settings.training.seed == 1
    names = {path.suffix for path in run.path.rglob("*") if path.is_file()}
    assert names == {".json", ".jsonl", ".tsv", ".safetensors", ".ids"}


def test_the_python_face(run: Run, texts: Path) -> None:
    opened = wordlab.load(run.path)
    evaluation = opened.evaluate(texts / "validation.txt")
    best = min(opened.history, key=lambda e: e.validation_nats)
    assert evaluation.overall.nats_per_token == pytest.approx(best.validation_nats, rel=1e-6)
    assert evaluation.overall.targets == 15
    rows = list(opened.score(["the cat sat", "a bird"]))
    assert [row.word for row in rows] == ["the", "cat", "sat", "a", "bird"]
    assert [row.unknown for row in rows] == [False] * 4 + [True]
    assert rows[-1].scored == "<unk>"
    sentences = opened.generate("the cat", words=5, count=3, seed=2)
    assert len(sentences) == 3
    assert all(s.prompt == ("the", "cat") and len(s.words) <= 5 for s in sentences)


def test_scores_add_up_to_the_evaluation(run: Run, texts: Path) -> None:
    evaluation = run.evaluate(texts / "validation.txt", yardsticks=False)
    rows = list(run.score(texts / "validation.txt", end=True))
    assert sum(row.nats or 0 for row in rows) == pytest.approx(evaluation.overall.nats, rel=1e-9)
    assert len(rows) == evaluation.overall.targets
    for row in rows:
        assert row.bits == pytest.approx((row.nats or 0) / math.log(2))


def test_equal_sentences_score_equal(run: Run) -> None:
    lines = ["the dog saw a cat .", "a mouse", "the dog saw a cat ."] * 400
    rows = list(run.score(lines))
    first = [row.nats for row in rows if row.sentence == 1]
    for number in (3, 4, 1198, 1200):
        assert [r.nats for r in rows if r.sentence == number] == pytest.approx(first, abs=1e-6)


def test_holding_out_and_texts_in_memory(tmp_path: Path) -> None:
    lines = ["a b c d", "b c d a", "c d a b"] * 20
    run = wordlab.train(
        wordlab.text_of(lines), run=tmp_path / "r", settings={"training": {"epochs": 1}}
    )
    assert run.store("train").header.sentences + run.store("validation").header.sentences == 60


def test_a_run_that_could_not_begin_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff\n")
    with pytest.raises(WordlabError, match="is not UTF-8"):
        wordlab.train(tmp_path / "bad.txt", run=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_validation_text_without_a_target_is_refused(tmp_path: Path) -> None:
    settings = {"model": {"padding": "single"}}
    with pytest.raises(WordlabError, match="validation text: no sentence is long enough"):
        wordlab.train(["a b c"], ["a"], run=tmp_path / "r", settings=settings)


def test_too_little_text_to_hold_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="too few to hold some out"):
        wordlab.train(["a b c"], run=tmp_path / "r")


def test_a_text_brings_its_own_reading(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("The cat sat. The dog ran. " * 20)
    text = wordlab.read_text(path, layout="running", tokens="words", form="lower")
    run = wordlab.train(text, text, run=tmp_path / "r", settings={"training": {"epochs": 1}})
    assert run.vocabulary.words[3:] == ("the", ".", "cat", "sat", "dog", "ran")
    assert run.settings.text.layout == "running"
