"""`wordlab probe` through a real process."""

import json
from itertools import product
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.runs.run import Run
from wordlab.runs.training_run import train


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of words that the run knows, nouns told from others."""
    nouns = ("cat", "dog", "mouse", "mat", "rug")
    path = tmp_path_factory.mktemp("labelled") / "nouns.tsv"
    rows = []
    for first, verb, second in product(nouns, ("saw", "sat"), nouns):
        words = ["the", first, verb, "a", second, "."]
        rows += [f"{word}\t{'noun' if word in nouns else 'other'}" for word in words] + [""]
    path.write_text("\n".join(rows))
    return path


def test_a_property_from_a_file(run: Run, labelled: Path) -> None:
    arguments = ["probe", run.path, "--property", labelled, "--network", "best"]
    arguments += ["--network", "untrained", "--words", "200"]
    done = wordlab(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["classes"] == ["noun", "other"]
    assert [(row["network"], row["layer"]) for row in found["layers"]] == [
        ("untrained", "embedding"),
        ("untrained", "hidden 1"),
        ("best", "embedding"),
        ("best", "hidden 1"),
    ]
    assert found["held_out_words"] + found["training_words"] == pytest.approx(200, abs=6)
    assert found["layers"][2]["accuracy"] > found["majority"]
    shown = wordlab(*arguments).stdout
    assert "words in column 1, labels in column 2 of 2, between tabs" in shown
    assert f"{100 * found['layers'][2]['accuracy']:.2f} %" in shown
    assert wordlab(*arguments, "--json").stdout == done.stdout
    other = json.loads(wordlab(*arguments, "--json", "--seed", "2").stdout)
    assert other["layers"] != found["layers"]


def test_a_property_that_needs_no_file(run: Run, texts: Path) -> None:
    text = texts / "train.txt"
    few = refusal("probe", run.path, "--property-of", "length", "--text", text)
    assert "8 different sentences are too few" in few
    assert "2 different sentences" in refusal("probe", run.path, "--property-of", "position")
    assert "'size' is no property" in refusal("probe", run.path, "--property-of", "size")


def test_what_is_refused(run: Run, labelled: Path, texts: Path, tmp_path: Path) -> None:
    command = ["probe", run.path]
    assert "give either --property FILE" in refusal(*command)
    assert "goes with --property-of" in refusal(*command, "--property", labelled, "--text", "t")
    wrong = refusal(*command, "--property", labelled, "--network", "first")
    assert "allowed: untrained, best, last" in wrong
    assert "above 0" in refusal(*command, "--property", labelled, "--strength", "0")
    ragged = tmp_path / "ragged.tsv"
    ragged.write_text("the\tother\ncat\n")
    assert f"{ragged}:2:4: the row has 1 columns" in refusal(*command, "--property", ragged)
    one = tmp_path / "one.tsv"
    one.write_text(labelled.read_text().replace("noun", "other"))
    assert "one class alone: other" in refusal(*command, "--property", one)
    counted = tmp_path / "counted"
    train(texts / "train.txt", run=counted, settings={"model": {"type": "kneser-ney"}})
    assert "is no network" in refusal("probe", counted, "--property", labelled)
