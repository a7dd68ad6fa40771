"""Explanations through the real command."""

import json
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.cli.app import app
from wordlab.errors import WordlabError
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger

SENTENCE = "Ada Lovelace visited Turin with Acme Corp ."


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> TaggerRun:
    settings = {
        "data": {"train": [str(sample)]},
        "features": {"words": 24},
        "model": {"hidden": [48]},
        "training": {"epochs": 6, "batch": 64},
    }
    return train_tagger(run=tmp_path_factory.mktemp("tagger") / "run", settings=settings)


def test_predictions_of_a_text(run: Run, texts: Path, tmp_path: Path) -> None:
    text = texts / "validation.txt"
    arguments = ("explain", run.path, text, "--by", "omit", "--end")
    done = wordlab(*arguments, "--json", "--out", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    scored = [score.as_row() for score in run.score(text, end=True)]
    words = [word for sentence in found for word in sentence["words"]]
    assert [word["word"] for word in words] == [row["word"] for row in scored]
    for word, row in zip(words, scored, strict=True):
        assert word["nats"] == pytest.approx(row["nats"], abs=1e-5)
        assert word["rank"] == row["rank"]
        assert len(word["context"]) == (0 if row["nats"] is None else row["position"] - 1)
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page


def test_a_sentence_on_the_command_line_or_on_standard_input(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "the bird sat on the mat ."
    explain(run.path, "--sentence", sentence)
    shown = capsys.readouterr().out
    assert wordlab("explain", run.path, stdin=sentence.encode()).stdout == shown
    assert "the unknown word is put in its place" in shown
    explain(run.path, "--sentence", sentence, "--sentence", sentence, "--by", "omit")
    shown = capsys.readouterr().out
    assert shown.count("it is left out") == 1
    assert "Line 2" in shown


def test_labels(tagger: TaggerRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (tagger.path, "--sentence", SENTENCE, "--sentence", "<b> nothing")
    explain(*arguments, "--out", tmp_path / "page.html")
    shown = capsys.readouterr().out
    for part in ("Features of the word itself", "Over all labels", "prefix-3", "the word at -1"):
        assert part in shown
    assert "&lt; b &gt; nothing" in (tmp_path / "page.html").read_text()
    explain(*arguments, "--json")
    found = json.loads(capsys.readouterr().out)
    entities = tagger.tag([SENTENCE])[0].entities
    labelled = {at + 1 for e in entities for at in range(e.first_word, e.last_word + 1)}
    assert {label["position"] for label in found[0]["labels"]} == labelled
    assert entities
    explain(*arguments, "--json", "--all", "--by", "mean")
    every = json.loads(capsys.readouterr().out)
    assert len(every[0]["labels"]) == len(SENTENCE.split())
    assert len(every[0]["labels"][0]["neighbours"]) == len(SENTENCE.split()) - 1


def explain(*arguments: object) -> None:
    """The command in this process."""
    app(["explain", *map(str, arguments)], standalone_mode=False)


def test_refusals(
    run: Run, tagger: TaggerRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat\n")
    folders = {"RUN": run.path, "TAGGER": tagger.path}
    for given, message in (
        ("RUN TEXT --by mean", "'mean' is no way to ablate a word; allowed: unknown, omit"),
        ("TAGGER TEXT --by omit", "allowed: unknown, mean"),
        ("RUN TEXT --all", "--all: is of taggers"),
        ("TAGGER TEXT --end", "--end: is of language models"),
        ("RUN TEXT --sentence cat", "--sentence: goes without a text"),
        ("RUN TEXT --out page.svg", "page.svg: is no name of an HTML file"),
        ("none TEXT", "none: there is no such folder"),
        ("TAGGER none.txt", "none.txt: there is no such file"),
        ("RUN none.txt", "none.txt: there is no such file"),
    ):
        named = {**folders, "TEXT": text}
        with pytest.raises(WordlabError) as raised:
            explain(*(named.get(part, part) for part in given.split()))
        assert message in str(raised.value)
    monkeypatch.setattr("wordlab.runs.tagger_run.CORPUS", "elsewhere")
    with pytest.raises(WordlabError, match=r"train\.jsonl: "):
        explain(tagger.path, text, "--by", "mean")
    assert "there is no word in it" in refusal("explain", run.path, "--sentence", " ")
