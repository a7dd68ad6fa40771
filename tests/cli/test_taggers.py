"""Taggers through the real command: train, resume, evaluate, tag."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.samples import entities

TEXT = "Ada Lovelace visited Turin with Acme Corp ."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample and a tagger that learned from it."""
    path = tmp_path_factory.mktemp("taggers")
    (path / "entities.iob2").write_text(entities())
    (path / "lines.txt").write_text(f"{TEXT}\n\n  Nothing here <b> & there.\n")
    settings = {
        "data": {"train": [str(path / "entities.iob2")]},
        "features": {"words": 32},
        "model": {"hidden": [64]},
        "training": {"epochs": 12, "batch": 96},
    }
    train_tagger(run=path / "run", settings=settings)
    return path


def test_train_prints_figures_and_keeps_the_best(tmp_path: Path, folder: Path) -> None:
    done = wordlab(
        *("train", folder / "entities.iob2", "--task", "tagger", "--run", "run", "--json"),
        *("--set", "training.epochs=2", "--set", "model.hidden=8", "--set", "features.words=8"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert 0 <= printed["entity_f1_low"] <= printed["entity_f1"] <= printed["entity_f1_high"] <= 1
    assert printed["token_f1_weighted"] >= 0
    assert printed["seconds"] > 0
    assert "held out by document" in done.stderr
    assert "val F1" in done.stderr
    again = wordlab("resume", "run", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["entity_f1"] == printed["entity_f1"]


def test_evaluate(folder: Path) -> None:
    printed = json.loads(wordlab("evaluate", "run", "entities.iob2", "--json", cwd=folder).stdout)
    assert printed["sentences"] == 526
    assert printed["entity_f1"] > 0.5
    assert set(printed["types"]) == {"LOC", "MISC", "ORG", "PER"}
    shown = wordlab("evaluate", "run", "entities.iob2", "--errors", "5", cwd=folder).stdout
    for title in ("Entities", "Words", "Recall by name", "Errors by kind", "shares with"):
        assert title in shown
    assert "weighted by true words" in shown
    assert "more are left out" in shown


def test_the_learning_curve(folder: Path, tmp_path: Path) -> None:
    settings = {
        "data": {"train": [str(folder / "entities.iob2")]},
        "features": {"words": 8},
        "model": {"hidden": [8]},
        "training": {"epochs": 2},
    }
    train_tagger(run=tmp_path / "run", settings=settings)
    arguments = ("evaluate", "run", folder / "entities.iob2", "--curve")
    message = refusal(*arguments, "--chart", "curve.gif", cwd=tmp_path)
    assert "curve.gif: 'gif' is no picture format" in message
    assert not (tmp_path / "run" / "curve").exists()
    done = wordlab(*arguments, "--chart", "curve.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("val F1") == 2
    assert "run/curve/half: training on" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows[3:6]] == ["quarter", "half", "all"]
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    again = wordlab(*arguments, "--json", cwd=tmp_path)
    assert "training on" not in again.stderr
    printed = json.loads(again.stdout)["curve"]
    assert [f"{100 * point['entity_f1']:.2f}" for point in printed] == [r[3] for r in rows[3:6]]


def test_compare(folder: Path, tmp_path: Path) -> None:
    settings = {
        "data": {"train": [str(folder / "entities.iob2")]},
        "features": {"words": 4},
        "model": {"hidden": [4]},
        "training": {"epochs": 1},
    }
    train_tagger(run=tmp_path / "poor", settings=settings)
    arguments = ("compare", folder / "run", tmp_path / "poor", "entities.iob2")
    printed = json.loads(wordlab(*arguments, "--json", cwd=folder).stdout)
    assert printed["f1"][0] > printed["f1"][1]
    assert printed["difference"] == pytest.approx(printed["f1"][0] - printed["f1"][1])
    assert 0 < printed["interval_95"][0] < printed["difference"] < printed["interval_95"][1]
    assert printed["p_value"] < 0.001
    assert set(printed["types"]) == {"LOC", "MISC", "ORG", "PER"}
    shown = wordlab(*arguments, cwd=folder).stdout
    assert "F1 of entities, run less poor" in shown
    assert "run has fewer errors" in shown


def test_tag_in_every_format(folder: Path) -> None:
    run = TaggerRun.load(folder / "run")
    (expected,) = run.tag(TEXT)
    assert expected.entities
    text = wordlab("tag", "run", "-", stdin=TEXT.encode(), cwd=folder).stdout
    for entity in expected.entities:
        assert f"[{entity.type} {entity.text}]" in text
    lines = wordlab("tag", "run", "lines.txt", cwd=folder).stdout.splitlines()
    assert len(lines) == 3
    assert lines[1] == ""
    records = [
        json.loads(line)
        for line in wordlab("tag", "run", "lines.txt", "--json", cwd=folder).stdout.splitlines()
    ]
    assert [record["text"] for record in records] == (folder / "lines.txt").read_text().split("\n")[
        :3
    ]
    for entity, record in zip(expected.entities, records[0]["entities"], strict=True):
        assert (record["start"], record["end"]) == (entity.start, entity.end)
        assert record["probability"] == pytest.approx(entity.probability)
    columns = wordlab("tag", "run", "lines.txt", "--format", "columns", cwd=folder).stdout
    assert columns.count("\n\n") == 2
    first = expected.entities[0]
    assert f"{expected.words[first.first_word]}\tB-{first.type}\n" in columns
    page = wordlab("tag", "run", "lines.txt", "--format", "html", cwd=folder).stdout
    assert "&lt;b&gt; &amp; there" in page
    HTMLParser().feed(page)


def test_second_readings(folder: Path) -> None:
    expected = list(TaggerRun.load(folder / "run").readings((folder / "lines.txt").read_text()))
    first, rest = expected[0], expected[1:]
    assert first.second is not None
    above = str(first.probability + 1e-3)
    shown = wordlab("tag", "run", "lines.txt", "--second", "--below", above, cwd=folder)
    lines = shown.stdout.splitlines()
    doubtful = sum(each.probability < float(above) for each in rest)
    assert len(lines) == 4 + doubtful
    for entity in first.best.entities:
        assert f"[{entity.type} {entity.text}]" in lines[0]
    odds = f"    or, {first.second_probability:.3f} against {first.probability:.3f}: "
    assert lines[1].startswith(odds)
    for entity in first.second.entities:
        assert f"[{entity.type} {entity.text}]" in lines[1]
    done = wordlab("tag", "run", "lines.txt", "--second", "--below", above, "--json", cwd=folder)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[0]["probability"] == pytest.approx(first.probability)
    assert records[0]["second"]["probability"] == pytest.approx(first.second_probability)
    found = [(e["start"], e["end"], e["type"]) for e in records[0]["second"]["entities"]]
    assert found == [(e.start, e.end, e.type) for e in first.second.entities]
    assert (records[1]["words"], records[1]["second"]) == ([], None)


def test_a_tagger_is_passed_on_without_its_text(folder: Path) -> None:
    done = wordlab("export", "run", "shared", "--words", "hashed", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote shared\n")
    own, shared = (TaggerRun.load(folder / name).tag(TEXT) for name in ("run", "shared"))
    assert shared == own
    printed = wordlab("evaluate", "shared", "entities.iob2", "--json", cwd=folder).stdout
    assert json.loads(printed)["entity_f1"] > 0.5
    assert "shared: holds no training text to go on with" in refusal("resume", "shared", cwd=folder)


def test_a_tagger_as_a_network_for_other_programs(folder: Path) -> None:
    done = wordlab("export", "run", "net.onnx", "--words", "hashed", cwd=folder)
    written = "wrote net.onnx and net.json\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", written)
    assert (folder / "net.onnx").stat().st_size > 10_000
    about = (folder / "net.json").read_text()
    assert json.loads(about)["hashing"]
    assert "lovelace" not in about


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "run", "lines.txt", "--second", "--format", "html"], "--second: goes with"),
        (["export", "run", "run"], "run: is there already and is not empty"),
        (["export", "run", "new", "--words", "secret"], "--words: 'secret' is no way to write"),
        (["tag", "run", "none.txt"], "none.txt: there is no such file"),
        (["tag", "run", "lines.txt", "--format", "xml"], "--format: 'xml' is no format"),
        (["tag", "run", "lines.txt", "--scheme", "XYZ"], "'XYZ' is no tagging scheme"),
        (["tag", "run", "lines.txt", "--tokens", "XYZ"], "'XYZ' is no tokenizer"),
        (["evaluate", "run", "lines.txt"], "lines.txt:"),
        (
            ["evaluate", "run", "entities.iob2", "--chart", "c.svg"],
            "--chart: is of a learning curve; add --curve",
        ),
        (["score", "run", "lines.txt"], "is the run of a tagger, not of a language model"),
        (["describe", "conll2003-window"], "these are of a tagger, and a language model is asked"),
        (["report", "run", "--out", "run.pdf"], "run.pdf: 'pdf' is no format of reports"),
        (["train", "lines.txt", "--task", "parser"], "'parser' is no task; allowed"),
        (
            ["train", "lines.txt", "--task", "tagger"],
            "lines.txt:3:22: a row of 5 where",
        ),
        (
            ["train", "entities.iob2", "--task", "tagger", "--set", "features.suffixes=[9]"],
            "'suffix-9' is no feature",
        ),
        (
            ["train", "entities.iob2", "--task", "tagger", "--set", "features.vectors=none"],
            "none: there are no such vectors",
        ),
        (
            ["train", "entities.iob2", "--task", "tagger", "--set", "model.type=crf"],
            "model: 'crf' is no tagger; allowed: ",
        ),
    ],
)
def test_refusals(folder: Path, arguments: list[str], message: str) -> None:
    if arguments[0] == "train":
        arguments = [*arguments, "--run", "new"]
    assert message in refusal(*arguments, cwd=folder)
    assert not (folder / "new").exists()


def test_a_language_model_is_no_tagger(run: Run, folder: Path) -> None:
    assert "is the run of a language model" in refusal("tag", run.path, "lines.txt", cwd=folder)
    message = refusal("evaluate", run.path, "entities.iob2", "--curve", cwd=folder)
    assert "is the run of a language model, not of a tagger" in message
    message = refusal("export", run.path, "new", "--words", "hashed", cwd=folder)
    assert "--words: is of taggers, and this is a language model" in message
    message = refusal("export", "run", "new", "--weights", "int8", cwd=folder)
    assert "--weights: is of language models, and this is a tagger" in message
    message = refusal("compare", "run", run.path, "entities.iob2", cwd=folder)
    assert "is the run of a language model, not of a tagger" in message


def test_the_demo_from_a_dirty_file_to_entities(tmp_path: Path) -> None:
    done = wordlab("demo", "tagger", "--dirty", "--folder", "d", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ragged row" in done.stdout
    assert "d/mended.iob2: 19 changes" in done.stderr
    assert "Ada Lovelace" in done.stdout
    score = float(done.stdout.split("F1 ")[-1].split(" %")[0])
    assert score > 45
    assert (tmp_path / "d" / "tagger" / "model.safetensors").exists()
    assert "is of the tagger" in refusal("demo", "--dirty", cwd=tmp_path)
    assert "'parser' is no demo" in refusal("demo", "parser", cwd=tmp_path)
