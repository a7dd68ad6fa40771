"""`wordlab cost` through the real command; what it measures is tested with inspection."""

import json
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.runs.run import Run
from wordlab.runs.training_run import train


def test_a_run(run: Run) -> None:
    done = wordlab("cost", run.path, "--batch", "32", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["agree"] is True
    assert printed["square_flops_per_second"] > 0
    tables, types = printed["tables"], len(run.vocabulary)
    formulas = {row["layer"]: row for row in tables["Operations by formula"]}
    assert formulas["hidden"]["forward"] == "2 (n-1) E D"
    assert formulas["hidden"]["forward value"] == 2 * 2 * 6 * 8
    assert formulas["softmax"]["backward value"] == 4 * 8 * types
    assert {row["letter"]: row["size"] for row in tables["Sizes"]}["V"] == types
    counts = tables["A batch: formula and count"]
    assert [(row["part"], row["way"]) for row in counts] == [
        (part, way) for part in ("embedding", "hidden", "output") for way in ("forward", "backward")
    ]
    assert counts[-1]["counted"] == 32 * 4 * 8 * types
    times = tables["Where the time goes"]
    assert sum(row["share"] for row in times[:-1]) == pytest.approx(1, abs=0.5)
    assert all(row["least"] <= row["us a word"] <= row["most"] for row in times)


def test_a_counted_model(tmp_path: Path, texts: Path) -> None:
    settings = {"model": {"type": "kneser-ney"}}
    counted = train(texts / "train.txt", run=tmp_path / "counted", settings=settings)
    shown = wordlab("cost", counted.path, "--rounds", "1")
    assert "neither formulas of products nor a way back apply" in shown.stdout


def test_refusals(run: Run) -> None:
    assert "--rounds" in refusal("cost", run.path, "--rounds", "0")
