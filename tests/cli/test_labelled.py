"""`wordlab check`, `convert` and `split` through the real command."""

import json
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.samples import dirty_entities, entities


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text, _ = dirty_entities()
    (tmp_path / "dirty.iob2").write_text(text)
    (tmp_path / "clean.iob2").write_text(entities())
    return tmp_path


def test_check_lists_every_planted_fault_and_repairs_it(folder: Path) -> None:
    done = wordlab("check", "dirty.iob2", "--repair", "mended.iob2", cwd=folder)
    assert done.returncode == 1
    for fault in dirty_entities()[1]:
        row = next(r for r in done.stdout.splitlines() if r.startswith(f"dirty.iob2:{fault.line}:"))
        assert fault.kind in row
    assert "IOB2" in done.stdout
    assert "dirty.iob2:8: left out, to line 35" in done.stderr
    assert "mended.iob2: 19 changes" in done.stderr
    again = wordlab("check", "mended.iob2", "--json", cwd=folder)
    assert again.returncode == 0
    (found,) = json.loads(again.stdout)
    assert found["faults"] == []
    assert found["scheme"] == "IOB2"
    assert sum(found["entities"].values()) == 652


def test_convert_to_json_lines_and_back(folder: Path) -> None:
    done = wordlab(
        "convert", "clean.iob2", "a.jsonl", "--to", "prodigy", "--drop", "comments", cwd=folder
    )
    assert done.returncode == 0
    assert "526 sentences, 655 entities" in done.stderr
    wordlab("convert", "a.jsonl", "b.conll", "--to-scheme", "IOB1", cwd=folder)
    found = json.loads(wordlab("check", "b.conll", "--json", cwd=folder).stdout)
    assert found[0]["scheme"] == "IOB1"
    assert sum(found[0]["entities"].values()) == 655


def test_split_by_document(folder: Path) -> None:
    done = wordlab("split", "clean.iob2", "--folder", "parts", "--json", cwd=folder)
    printed = json.loads(done.stdout)
    assert [row["file"] for row in printed["parts"]] == [
        "parts/train.iob2",
        "parts/validation.iob2",
    ]
    assert sum(row["sentences"] for row in printed["parts"]) == 526
    assert printed["leaks"]["validation"]["sentences"] == 0
    found = json.loads(wordlab("check", "parts/validation.iob2", "--json", cwd=folder).stdout)
    assert found[0]["sentences"] == printed["parts"][1]["sentences"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "none"], "none: there is no such file"),
        (["check", "."], ".: is a folder, not a text file"),
        (["check", "-"], "-: labelled text is read from files"),
        (
            ["check", "clean.iob2", "--scheme", "IOB3"],
            "options: scheme: 'IOB3' is no tagging scheme",
        ),
        (["check", "clean.iob2", "--tag-column", "0"], "options: tag_column: input should be"),
        (["check", "clean.iob2", "dirty.iob2", "--repair", "x"], "--repair: mends one file"),
        (["convert", "dirty.iob2", "x"], "dirty.iob2:34:1: a row of 1 where most have 2 columns"),
        (["convert", "clean.iob2", "x", "--to", "xml"], "'xml' is no format of labelled text"),
        (["convert", "clean.iob2", "x", "--to-scheme", "IOB"], "'IOB' is no tagging scheme; did"),
        (["convert", "clean.iob2", "x", "--to", "doccano"], "cannot hold; to go without them"),
        (["convert", "clean.iob2", "x", "--drop", "words"], "--drop: 'words' is nothing to go"),
        (["split", "clean.iob2", "--parts", "a=0.5,b=0.4"], "shares add up to 1"),
        (["split", "clean.iob2", "--parts", "a=1,b=-0"], "'b=-0' is no name and share"),
        (["split", "clean.iob2", "--parts", "../a=0.5,b=0.5"], "'../a=0.5' is no name and share"),
        (["split", "clean.iob2", "--by", "word"], "--by: 'word' is nothing to split by"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], message: str) -> None:
    assert message in refusal(*arguments, cwd=folder)
    assert not (folder / "x").exists()
