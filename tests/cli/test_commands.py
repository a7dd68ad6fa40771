"""Every command through a real process, as a user calls it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.cli.app import COMMANDS
from wordlab.recipes import RECIPES
from wordlab.runs.run import Run


def output(*arguments: str | Path, **options: object) -> str:
    done = wordlab(*arguments, **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(*arguments: str | Path, **options: object) -> object:
    return json.loads(output(*arguments, **options))


def test_help_names_every_command() -> None:
    shown = output("--help")
    assert all(name in shown for name in COMMANDS)
    for name in COMMANDS:
        assert "Usage: wordlab" in output(name, "--help")
    assert output("--version") == "wordlab 0.1.0\n"


def test_prepare(texts: Path, tmp_path: Path) -> None:
    arguments = ["prepare", texts / "train.txt", "--second", texts / "validation.txt", "-n", "3"]
    shown = output(*arguments, "--out", "out", cwd=tmp_path)
    assert "The training text has 16 types" in shown
    assert "that occur once" in shown
    assert "the cat" in shown
    names = {path.name for path in (tmp_path / "out").iterdir()}
    for kind in ("rank-frequency", "count-of-counts"):
        assert {f"{kind}.{e}" for e in ("html", "svg", "png")} <= names
    found = figures(*arguments, "--json", cwd=tmp_path)
    assert found["ngrams"] == 4 * sum(len(line.split()) for line in _lines(texts))  # type: ignore[index]
    assert 0 < found["coverage"] < 1  # type: ignore[index]
    assert found["texts"][1]["unknown words"] == 1  # type: ignore[index]


def _lines(texts: Path) -> list[str]:
    return (texts / "train.txt").read_text().splitlines()[:8]


def test_prepare_reads_standard_input_and_gzip(tmp_path: Path) -> None:
    import gzip

    shown = figures("prepare", "-", "--json", stdin=b"a b\nb a\n", cwd=tmp_path)
    assert shown["types"] == 2  # type: ignore[index]
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a b\nb a\n"))
    assert figures("prepare", "a.gz", "--json", cwd=tmp_path) == shown


def test_train_prints_data_layers_and_validation(texts: Path, tmp_path: Path) -> None:
    arguments = ["train", texts / "train.txt", "--validation", texts / "validation.txt"]
    arguments += ["--set", "training.epochs=2", "--set", "model.hidden=8"]
    done = wordlab(*arguments, "--run", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert "training targets" in done.stdout
    assert "one class of the softmax implied" in done.stdout
    rows = [line for line in done.stderr.splitlines() if line.strip()[:1].isdigit()]
    assert len(rows) == 2
    found = figures(*arguments, "--run", tmp_path / "b", "--json")
    wanted = {"perplexity", "nats_per_token", "accuracy", "seconds", "epochs"}
    assert wanted <= found.keys()  # type: ignore[attr-defined]
    assert f"{found['perplexity']:.2f}" in done.stdout  # type: ignore[index]


def test_evaluate(run: Run, texts: Path) -> None:
    shown = output("evaluate", run.path, texts / "validation.txt")
    for part in ("perplexity", "95 % interval", "unigram (add-one)", "interpolated Witten-Bell"):
        assert part in shown
    assert "Figures with different vocabularies are not comparable." in shown
    found = figures("evaluate", run.path, texts / "validation.txt", "--json")
    assert found["interval_95"][0] <= found["perplexity"] <= found["interval_95"][1]  # type: ignore[index]
    assert found["vocabulary"]["hash"] == run.vocabulary.hash  # type: ignore[index]
    assert sum(band["targets"] for band in found["bands"].values()) == 15  # type: ignore[index]


def test_score_in_every_format(run: Run, texts: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    text = texts / "validation.txt"
    tsv = [line.split("\t") for line in output("score", run.path, text).splitlines()]
    assert [row[3] for row in tsv[1:]] == text.read_text().split()
    lines = output("score", run.path, text, "--format", "jsonl").splitlines()
    rows = [json.loads(line) for line in lines]
    output("score", run.path, text, "--out", tmp_path / "s.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "s.parquet").to_pylist()
    assert table == rows
    for row, cells in zip(rows, tsv[1:], strict=True):
        assert float(cells[6]) == pytest.approx(row["nats"], abs=1e-6)
    output("score", run.path, text, "--out", tmp_path / "s.tsv")
    assert (tmp_path / "s.tsv").read_text().splitlines()[0].split("\t") == list(rows[0])
    assert len(output("score", run.path, text, "--end").splitlines()) == len(tsv) + 2


def test_score_may_write_over_what_it_reads(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("the cat\n")
    output("score", run.path, tmp_path / "t.tsv", "--out", tmp_path / "t.tsv")
    assert len((tmp_path / "t.tsv").read_text().splitlines()) == 3


def test_score_can_read_another_layout(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("The cat sat. A dog,\nsaw it.\n")
    plain = output("score", run.path, tmp_path / "t.txt").splitlines()[1:]
    assert len(plain) == 7
    shown = output(
        "score", run.path, tmp_path / "t.txt", "--layout", "running", "--tokens", "words"
    )
    rows = [line.split("\t") for line in shown.splitlines()[1:]]
    assert [row[3] for row in rows] == ["The", "cat", "sat", ".", "A", "dog", ",", "saw", "it", "."]
    assert [row[1] for row in rows] == ["1"] * 4 + ["2"] * 6


def test_score_reads_standard_input(run: Run) -> None:
    shown = output("score", run.path, "-", stdin=b"the cat\n")
    assert [line.split("\t")[3] for line in shown.splitlines()[1:]] == ["the", "cat"]


def test_a_reader_that_goes_away_is_no_fault(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text("the cat sat on the mat .\n" * 3000)
    command = f"{sys.executable} -m wordlab score {run.path} {text} | head -n 2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


@pytest.mark.parametrize("method", ["sample", "greedy", "beam"])
def test_generate(run: Run, method: str) -> None:
    arguments = ["generate", run.path, "--prompt", "the cat", "--method", method, "--words", "6"]
    first = output(*arguments)
    assert first == output(*arguments)
    sentences = figures(*arguments, "--json")
    assert sentences
    for item in sentences:  # type: ignore[attr-defined]
        assert item["text"].startswith("the cat")
        assert len(item["words"]) <= 6
        assert "<unk>" not in item["words"]
        assert "<s>" not in item["words"]
        assert item["total_nats"] == pytest.approx(sum(item["nats"]))
        assert len(item["nats"]) == len(item["words"]) + item["ended"]


def test_neighbours_map_and_report(run: Run, tmp_path: Path) -> None:
    shown = output("neighbours", run.path, "cat", "dog", "--among", "9", "--count", "3")
    assert shown.count("cosine") == shown.count("euclidean") == 2
    found = figures("neighbours", run.path, "cat", "--json", "--metric", "cosine")
    assert [item["rank"] for item in found] == [1, 2, 3, 4]  # type: ignore[attr-defined]
    for kind in ("html", "svg", "png"):
        output(
            "map", run.path, "--words", "10", "--method", "tsne", "--out", tmp_path / f"m.{kind}"
        )
        assert (tmp_path / f"m.{kind}").stat().st_size > 1000
    path = output("report", run.path, "--out", tmp_path / "r.html").strip()
    assert Path(path).read_text().startswith("<!DOCTYPE html>")


def test_a_map_of_two_dimensions_is_drawn_as_it_is(texts: Path, tmp_path: Path) -> None:
    output(
        *("train", texts / "train.txt", "--run", "two", "--set", "model.embedding=2"),
        *("--set", "training.epochs=1"),
        cwd=tmp_path,
    )
    places = figures("map", "two", "--json", "--words", "5", cwd=tmp_path)
    two = Run.load(tmp_path / "two")
    vector = two.word_vectors()[two.vocabulary.id_of(places[0]["word"])]  # type: ignore[index]
    assert [places[0]["x"], places[0]["y"]] == pytest.approx(vector.tolist())  # type: ignore[index]


def test_describe_verify_and_recipes() -> None:
    shown = output("describe", "--set", "model.embedding=16", "--set", "model.hidden=16")
    assert "264,767" in shown
    found = figures("describe", "cmu10707-tanh-128", "--json")
    assert found["parameters"] == 8000 * 16 + 48 * 128 + 128 + 8000 * 128 + 8000  # type: ignore[index]
    assert "they agree" in output("verify", "gradients")
    assert figures("verify", "gradients", "--json")["worst"] < 1e-10  # type: ignore[index]
    listed = output("recipes")
    assert all(name in listed for name in RECIPES)
    assert len(figures("recipes", "--json")) == len(RECIPES)  # type: ignore[arg-type]


def test_recipes_are_described_before_they_are_run() -> None:
    """That all have valid settings is tested with the documents."""
    for name in ("cmu10707-lstm", "cs224d-rnn", "ptb-lstm-10min"):
        assert figures("describe", name, "--json")["parameters"] > 0  # type: ignore[index]
    assert "its n-grams are then listed" in refusal("describe", "ptb-kneser-ney-5")


def test_ctrl_c_keeps_the_best_model_and_a_checkpoint(texts: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "wordlab", "train", str(texts / "train.txt")),
            *("--run", str(tmp_path / "run"), "--set", "training.epochs=100000"),
            *("--set", "training.patience=0"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().strip().startswith("3 "):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "stopped; the best model so far, of epoch" in rest
    assert "go on: wordlab resume" in rest
    assert "Traceback" not in rest
    output("generate", tmp_path / "run", "--count", "1")


def on_a_terminal(*arguments: str | Path, python: Sequence[str] = ("-m", "wordlab")) -> str:
    """Run a command whose standard error is a terminal, and return what it shows there."""
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *python, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "OMP_NUM_THREADS": "1"},
    )
    os.close(terminal)
    shown = b""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        ready, _, _ = select.select([control], [], [], 1)
        if ready:
            try:
                piece = os.read(control, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    assert process.wait() == 0
    return shown.decode(errors="replace")


def test_a_terminal_shows_a_bar_with_the_time_left(texts: Path, tmp_path: Path) -> None:
    changes = ("--set", "training.epochs=100000", "--set", "training.patience=0")
    run = ("--run", tmp_path / "run", "--minutes", "0.05")
    text = on_a_terminal("train", texts / "train.txt", *run, *changes)
    assert "left" in text
    assert "tokens/s" in text
    assert "100 %" in text


def test_a_terminal_shows_how_much_of_a_text_is_scored(run: Run, texts: Path) -> None:
    evaluate = ("evaluate", run.path, texts / "train.txt", "--no-yardsticks")
    at_once = "import wordlab.cli.progress as p; p._SHORT_SECONDS = 0; import wordlab.__main__ as m"
    text = on_a_terminal(*evaluate, python=("-c", f"{at_once}; m.main()"))
    assert "scoring" in text
    assert "left" in text
    assert "scoring" not in on_a_terminal(*evaluate)


def test_a_second_run_does_not_overwrite_the_first(run: Run, texts: Path) -> None:
    line = refusal("train", texts / "train.txt", "--run", run.path)
    assert "is there already and is not empty; choose another folder" in line
