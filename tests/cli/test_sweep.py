"""`wordlab sweep` through real processes: finished, stopped, killed and failing trainings."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from commands import refusal, wordlab
from wordlab.runs.run import CHECKPOINT, Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.samples import entities

TINY = ("--set", "model.n=3", "--set", "model.embedding=6", "--set", "training.batch=16")


def lines_of(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_a_grid_is_trained_once_and_can_grow(texts: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = [
        *("sweep", texts / "train.txt", "--validation", texts / "validation.txt"),
        *("--run", "grid", "--jobs", "2", "--set", "training.epochs=2", *TINY),
    ]
    first = wordlab(*arguments, "--set", "model.hidden=[8],[4,6]", "--seeds", "1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "2 trainings, 0 of them finished before; 2 at a time" in first.stderr
    assert "perplexity ±" in first.stdout
    folder = tmp_path / "grid"
    for name in ("perplexity-seconds", "perplexity-parameters"):
        assert {f"{name}.{e}" for e in ("html", "svg", "png")} <= set(os.listdir(folder))
    # Each cell is a run as any other, with the settings that the sweep gave it.
    runs = {path.name: Run.load(path) for path in (folder / "cells").iterdir() if path.is_dir()}
    shapes = [run.settings.model.hidden for _, run in sorted(runs.items())]  # type: ignore[attr-defined]
    assert shapes == [(4, 6), (8,)]
    found = next(run for name, run in runs.items() if name.startswith("hidden=_8_"))
    # As if killed while the texts of one were prepared, and after the last epoch of the other.
    for name, run in runs.items():
        (folder / "cells" / f"{name}.json").unlink()
        if run is not found:
            (run.path / "settings.json").unlink()
    again = wordlab(
        *arguments, "--set", "model.hidden=[8],[4,6]", "--seeds", "2", "--json", cwd=tmp_path
    )
    assert again.returncode == 0, again.stderr
    assert "4 trainings, 0 of them finished before" in again.stderr
    assert len(lines_of(again.stderr, "seed 2: perplexity")) == 2
    assert len(lines_of(again.stderr, "seed 1: perplexity")) == 2
    shown: Any = json.loads(again.stdout)
    assert [row["seeds"] for row in shown["settings"]] == [2, 2]
    cell = next(c for c in shown["cells"] if c["seed"] == 1 and c["model.hidden"] == "[8]")
    direct = found.evaluate(texts / "validation.txt", yardsticks=False).overall
    assert cell["figures"]["perplexity"] == pytest.approx(direct.perplexity)
    assert cell["figures"]["parameters"] == sum(p.numel() for p in found.model.parameters())
    assert json.loads((folder / "sweep.json").read_text()) == shown["settings"]
    assert (folder / "sweep.md").read_text().startswith("**Sweep**")
    assert len((folder / "sweep.tsv").read_text().splitlines()) == 3


LONG = (
    *("--set", "training.epochs=60", "--set", "training.patience=0"),
    *("--set", "training.checkpoint_seconds=0.2", "--seeds", "1", *TINY),
)


@pytest.fixture(scope="module")
def uninterrupted(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of the long training's cell without a sweep around it."""
    folder = tmp_path_factory.mktemp("whole")
    options = [option for option in LONG if option not in {"--seeds", "1"}]
    done = wordlab(
        *("train", texts / "train.txt", "--validation", texts / "validation.txt"),
        *("--run", folder / "run", "--seed", "1", "--json", "--set", "model.hidden=8", *options),
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_stopped_goes_on_to_the_same_figures(
    texts: Path, tmp_path: Path, uninterrupted: dict[str, Any], kind: signal.Signals
) -> None:
    if kind == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("elsewhere the trainings of a killed sweep go on to their own ends")
    command = [
        *("sweep", texts / "train.txt", "--validation", texts / "validation.txt", *LONG),
        *("--run", tmp_path / "grid", "--set", "model.hidden=8"),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "wordlab", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        cell = _first_checkpoint(tmp_path / "grid" / "cells", process)
        process.send_signal(kind)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == (-9 if kind == signal.SIGKILL else 130)
    if kind != signal.SIGKILL:
        assert "stopped; what was trained is in" in said
        assert "Traceback" not in said
    log = cell.with_name(f"{cell.name}.log")
    _wait_for(lambda: "go on: wordlab resume" in log.read_text())
    epochs = len((cell / "history.jsonl").read_text().splitlines())
    assert 0 < epochs < 60

    done = wordlab(*command, "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    rows = [line for line in log.read_text().splitlines() if line.strip()[:1].isdigit()]
    assert len(rows) == 60 - epochs, "it went on where it was cut off"
    first = shown["cells"][0]["figures"]
    for name in ("nats_per_token", "accuracy", "best_epoch", "epochs", "parameters"):
        assert first[name] == uninterrupted[name], name


def _first_checkpoint(folder: Path, process: subprocess.Popen[str]) -> Path:
    """Wait until the first training has a checkpoint of some epochs; return its run folder."""
    _wait_for(lambda: bool(list(folder.glob(f"*/{CHECKPOINT}"))) or process.poll() is not None)
    assert process.poll() is None
    run = next(folder.glob(f"*/{CHECKPOINT}")).parent
    _wait_for(lambda: (run / "history.jsonl").exists())
    return run


def _wait_for(what: Any) -> None:
    give_up = time.monotonic() + 60
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_failing_training_stops_no_other(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[training.optimizer]\ntype = 'sgd'\n")
    command = [
        *("sweep", "settings.toml", texts / "train.txt", "--seeds", "1", "--run", "grid", *TINY),
        *("--set", "training.optimizer.rate=1e30,0.5", "--set", "training.epochs=2"),
    ]
    done = wordlab(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "FAILED: training: the loss diverged" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("wordlab: grid: 1 of 2 trainings failed; see ")
    row = next(line for line in done.stdout.splitlines() if line.startswith("1e30"))
    assert "seed 1: training: the loss diverged" in row
    kept = json.loads((tmp_path / "grid" / "sweep.json").read_text())
    assert [row["seeds"] for row in kept] == [0, 1]
    again = wordlab(*command, cwd=tmp_path)
    assert again.returncode == 2
    assert "2 trainings, 1 of them finished before" in again.stderr
    assert not lines_of(again.stderr, "rate=0.5 seed 1: perplexity")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cmu10707-bset"], "'cmu10707-bset' is no recipe, no settings file (.toml) and no text"),
        (["cmu10707-best", "TEXT"], "cmu10707-best: a recipe brings its own texts"),
        (["cmu10707-best", "--data", "."], "cmu10707/train.txt: there is no such file"),
        (["settings.toml"], "data.train: no training text was named"),
        (["-"], "-: standard input can be read once only"),
        (["TEXT", "--validation", "no.txt"], "no.txt: there is no such file"),
        (["TEXT", "--set", "model.hiden=8,9"], "model.hiden: unknown setting"),
        (["TEXT", "--jobs", "0"], "--jobs"),
        (["cmu10707-best", "--task", "tagger"], "a recipe brings its own texts and task"),
        (["TEXT", "--task", "parser"], "'parser' is no task; allowed: language-model, tagger"),
        (["TEXT", "--task", "tagger", "--set", "model.n=3"], "model.n: unknown setting"),
        (["TEXT", "--run", "."], "is there already and is no sweep's folder"),
    ],
)
def test_bad_options(texts: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "settings.toml").write_text("")
    found = [str(texts / "train.txt") if a == "TEXT" else a for a in arguments]
    assert message in refusal("sweep", *found, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]


def test_taggers_are_swept_by_their_f1(tmp_path: Path) -> None:
    (tmp_path / "entities.iob2").write_text(entities())
    (tmp_path / "small.toml").write_text(
        "task = 'tagger'\n[features]\nwords = 8\n[training]\nepochs = 2\n"
    )
    command = ("sweep", "small.toml", "entities.iob2", "--seeds", "2", "--set", "model.hidden=16")
    done = wordlab(*command, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["figure"] == "entity F1"
    scores = [cell["figures"]["entity_f1"] for cell in shown["cells"]]
    (row,) = shown["settings"]
    assert row["entity F1"] == pytest.approx(sum(scores) / 2)
    assert row["entity F1 ±"] == pytest.approx(abs(scores[0] - scores[1]) / math.sqrt(2))
    folder = tmp_path / shown["folder"]
    for cell in shown["cells"]:
        run = TaggerRun.load(tmp_path / cell["figures"]["run"])
        assert run.settings.training.seed == cell["seed"]
        assert cell["figures"]["parameters"] == sum(p.numel() for p in run.model.parameters())
        assert cell["figures"]["validation_text"]["sha256"]
    pictures = {f"entity-f1-{cost}.svg" for cost in ("seconds", "parameters")}
    assert pictures <= set(os.listdir(folder))
    # As if killed after the last epoch of one: it is resumed, the other is not run again.
    next((folder / "cells").glob("*seed=1*.json")).unlink()
    again = wordlab(*command, cwd=tmp_path)
    assert "2 trainings, 1 of them finished before" in again.stderr
    assert f"seed 1: entity F1 {100 * scores[0]:.2f} % in" in again.stderr
    assert "entity F1 ±" in again.stdout


def test_a_recipe_is_swept_on_its_own_data(texts: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "cmu10707"
    data.mkdir(parents=True)
    (data / "train.txt").write_text((texts / "train.txt").read_text())
    (data / "val.txt").write_text((texts / "validation.txt").read_text())
    done = wordlab(
        *("sweep", "cmu10707-tanh-128", "--data", "data", "--seeds", "1", "--json"),
        *("--set", "model.hidden=4", "--set", "training.epochs=1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["folder"] == "runs/sweep-cmu10707-tanh-128"
    run = Run.load(tmp_path / shown["cells"][0]["figures"]["run"])
    assert run.settings.vocabulary.unknown == "UNK"
