"""`wordlab cost` through the real command."""

import json
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.runs.run import Run
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train


def figures(*arguments: str | Path) -> dict[str, list[dict[str, object]]]:
    done = wordlab("cost", *arguments, "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["agree"] is True
    assert printed["square_flops_per_second"] > 0
    tables: dict[str, list[dict[str, object]]] = printed["tables"]
    return tables


def test_a_feed_forward_run(run: Run) -> None:
    tables = figures(run.path, "--batch", "32")
    types = len(run.vocabulary)
    formulas = {row["layer"]: row for row in tables["Operations by formula"]}
    assert formulas["hidden"]["forward"] == "2 (n-1) E D"
    assert formulas["hidden"]["forward value"] == 2 * 2 * 6 * 8
    assert formulas["softmax"]["backward value"] == 4 * 8 * types
    assert {"letter": "V", "size": types} == {
        key: value for key, value in tables["Sizes"][1].items() if key != "of"
    }
    counts = tables["A batch: formula and count"]
    assert [(row["part"], row["way"]) for row in counts] == [
        (part, way) for part in ("embedding", "hidden", "output") for way in ("forward", "backward")
    ]
    assert counts[-1]["counted"] == 32 * 4 * 8 * types
    times = tables["Where the time goes"]
    assert sum(float(str(row["share"])) for row in times[:-1]) == pytest.approx(1)
    assert all(row["least"] <= row["us a word"] <= row["most"] for row in times)  # type: ignore[operator]
    assert not any("back in time" in title for title in tables)


def test_a_recurrent_run_goes_back_in_time(tmp_path: Path, texts: Path) -> None:
    settings = {
        "model": {"type": "elman", "embedding": 10, "hidden": [10], "direct": True, "biases": 0},
        "training": {"epochs": 1},
    }
    run = train(texts / "train.txt", run=tmp_path / "run", settings=settings)
    tables = figures(run.path)
    types = len(run.vocabulary)
    rows = tables["One target's error, tau steps back in time"]
    assert [row["tau"] for row in rows] == [0, 1, 3, 10, 35]
    for row in rows:
        steps = int(str(row["tau"]))
        assert row["V D + tau D D"] == 10 * types + steps * 100
        assert row["counted"] == row["operations, formula"] == 40 * types + (steps + 1) * 400
    even = tables["Where the steps cost as much as the output layer"]
    # With E = D and no input matrix a step is one product, as the assignment says.
    assert even[0]["tau"] == pytest.approx(types / 10)
    assert even[1]["tau"] == pytest.approx(types / 10)


def test_a_tagger_and_a_counted_model(tmp_path: Path, sample: Path, texts: Path) -> None:
    settings = {
        "data": {"train": [str(sample)]},
        "features": {"words": 8},
        "model": {"hidden": [8]},
        "training": {"epochs": 1},
    }
    tagger = train_tagger(run=tmp_path / "tagger", settings=settings)
    layers = [row["layer"] for row in figures(tagger.path)["Operations by formula"]]
    assert layers == ["hidden", "scores", "chain"]
    described = json.loads(wordlab("describe", tagger.path, "--json").stdout)["Layers above"]
    assert [row["layer"] for row in described] == ["window", *layers, "total"]
    settings = {"model": {"type": "kneser-ney"}}
    counted = train(texts / "train.txt", run=tmp_path / "counted", settings=settings)
    shown = wordlab("cost", counted.path, "--rounds", "1")
    assert "neither formulas of products nor a way back apply" in shown.stdout
    printed = json.loads(wordlab("cost", counted.path, "--rounds", "1", "--json").stdout)
    assert printed["predictions"][0]["bytes"] > 0
    mixed = wordlab("mix", counted.path, "--tune", texts / "validation.txt", "--unigram-cache",
                    "5", "--run", tmp_path / "mixed")  # fmt: skip
    assert mixed.returncode == 0, mixed.stderr
    shown = wordlab("cost", tmp_path / "mixed", "--rounds", "1")
    assert "unigram cache" in shown.stdout


def test_refusals(tmp_path: Path, run: Run) -> None:
    assert "no such folder" in refusal("cost", tmp_path / "none")
    assert "--rounds" in refusal("cost", run.path, "--rounds", "0")
