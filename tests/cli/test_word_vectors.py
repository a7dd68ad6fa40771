"""Maps and neighbours of one run or several, of language models and taggers."""

import json
from pathlib import Path

import numpy as np
import pytest

from commands import wordlab
from wordlab.cli.app import app
from wordlab.errors import WordlabError
from wordlab.runs.export.folder import export_folder
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train


@pytest.fixture(scope="module")
def other(
    tmp_path_factory: pytest.TempPathFactory, texts: Path, tiny_settings: dict[str, object]
) -> Run:
    """The run of another seed."""
    training = {**tiny_settings["training"], "seed": 2}  # type: ignore[dict-item]
    return train(
        texts / "train.txt",
        texts / "validation.txt",
        run=tmp_path_factory.mktemp("runs") / "other",
        settings={**tiny_settings, "training": training},
    )


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> TaggerRun:
    settings = {
        "data": {"train": [str(sample)]},
        "features": {"words": 8, "affix": 4},
        "model": {"hidden": [8]},
        "training": {"epochs": 2},
    }
    return train_tagger(run=tmp_path_factory.mktemp("taggers") / "run", settings=settings)


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command prints, in this process."""
    app([str(argument) for argument in arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_neighbours_beside_each_other(
    run: Run, other: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("neighbours", run.path, "cat", "--beside", run.path, "--count", "3")
    shown = command(capsys, *given)
    assert shown.count("Stability of the 3 nearest words") == 2
    assert "(by chance)" in shown
    same = json.loads(command(capsys, *given, "--metric", "cosine", "--json"))
    assert [found["overall"]["jaccard"] for found in same] == [1.0]
    more = json.loads(
        command(capsys, "neighbours", run.path, "--beside", other.path, *given[3:], "--json")
    )
    assert more[0]["runs"] == ["tiny", "other", "tiny"]
    assert 0 < more[0]["overall"]["jaccard"] < 1


def test_an_analogy(run: Run) -> None:
    given = ("neighbours", run.path, "--analogy", "cat", "dog", "mat", "--among", "12")
    shown = wordlab(*given)
    assert shown.returncode == 0, shown.stderr
    assert "cat is to dog as mat is to" in shown.stdout
    found = json.loads(wordlab(*given, "--json").stdout)
    assert found["question"] == ["cat", "dog", "mat"]
    assert not {answer["word"] for answer in found["answers"]} & {"cat", "dog", "mat"}


def test_the_words_of_a_tagger(
    tagger: TaggerRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "turin" in command(capsys, "neighbours", tagger.path, "turin")
    given = ("map", tagger.path, "--colour", "class", "--out", tmp_path / "map.svg", "--words")
    found = json.loads(command(capsys, *given, "400", "--json"))
    groups = {row["word"]: row["group"] for row in found}
    assert groups["the"] == "O"
    assert set(groups.values()) == {"O", "LOC", "MISC", "ORG", "PER"}
    labels = {
        word.lower(): kind
        for sentence in tagger.sentences("train")
        for start, end, kind in sentence.spans
        for word in sentence.words[start:end]
    }
    assert groups["turin"] == labels["turin"] == "LOC"


def test_maps_beside_each_other(
    run: Run, other: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--words", "8", "--out", tmp_path / "map.svg")
    shown = command(capsys, "map", run.path, "--beside", other.path, *out, "--moved", "3")
    assert "other turned onto tiny" in shown
    assert "Words that moved most" in shown
    assert shown.count("tiny") >= 2
    found = json.loads(
        command(capsys, "map", run.path, "--checkpoints", *out, "--colour", "frequency", "--json")
    )
    assert {row["run"] for row in found["map"]} == {"tiny", "tiny, last"}
    assert {row["group"] for row in found["map"]} == {"words 1-10"}
    assert len(found["map"]) == 16
    assert found["alignment"][0]["variance explained"] == pytest.approx(1, abs=0.2)
    moved = [row["moved by"] for row in found["moved"]]
    assert moved == sorted(moved, reverse=True)
    assert np.isfinite(moved).all()
    words = tmp_path / "words.tsv"
    words.write_text("cat\tanimals\ndog\tanimals\n")
    found = json.loads(command(capsys, "map", run.path, *out, "--colour", words, "--json"))
    assert {row["group"] for row in found} == {"animals", "other"}


def test_refusals(run: Run, tagger: TaggerRun, tmp_path: Path) -> None:
    export_folder(tagger, tmp_path / "hashed", words="hashed")
    for given, message in (
        ("neighbours RUN", "names no word; name some, or --beside RUN"),
        ("neighbours RUN catt", "'catt' is not in the vocabulary; did you mean 'cat'"),
        ("neighbours RUN --analogy cat dog matt", "did you mean 'mat'"),
        ("neighbours RUN cat --analogy cat dog mat", "--analogy: goes without"),
        ("neighbours RUN --beside TAGGER --count 99", "too few for 99 neighbours"),
        ("neighbours HASHED turin", "its words are written as hashes"),
        ("map RUN --colour class", "--colour class: is of taggers"),
        ("map RUN --colour red", "'red' is neither frequency nor class nor a file"),
        ("map RUN --beside RUN --checkpoints", "--checkpoints: goes without --beside"),
        ("map RUN --beside none", "none: there is no such folder"),
        ("map HASHED --checkpoints", "its words are written as hashes"),
    ):
        named = {"RUN": run.path, "TAGGER": tagger.path, "HASHED": tmp_path / "hashed"}
        with pytest.raises(WordlabError) as raised:
            app([str(named.get(part, part)) for part in given.split()], standalone_mode=False)
        assert message in str(raised.value), given
