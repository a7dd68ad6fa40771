"""Each fault of input is one clear line and status 2, through the real command."""

import shutil
from pathlib import Path

import pytest

from commands import refusal, wordlab
from wordlab.runs.model_files import MODEL
from wordlab.runs.run import CHECKPOINT, Run


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.txt: there is no word in it"),
        (b"\n  \n\t\n", "bad.txt: there is no word in it"),
        (b"word " * 2_200_000, "bad.txt:1:1: the line is longer than 1 MiB"),
        (b"fine\nna\xefve\n", "bad.txt:2:3: byte 0xef is not UTF-8; save the text as UTF-8"),
        (b"\xff\xfeh\x00i\x00", "bad.txt:1:1: is UTF-16 text, not UTF-8"),
        (b"\x1f\x8b\x08\x00broken", "bad.txt:1: the gzip data are broken"),
    ],
    ids=["empty", "blank", "10 MB line", "not UTF-8", "UTF-16", "gzip"],
)
@pytest.mark.parametrize("command", ["prepare", "evaluate"])
def test_bad_texts(run: Run, tmp_path: Path, command: str, content: bytes, message: str) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    first = [str(run.path)] if command == "evaluate" else []
    assert message in refusal(command, *first, "bad.txt", cwd=tmp_path)


def test_bad_texts_stop_training_and_scoring(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"fine\nna\xefve\n")
    for arguments in (["train", "bad.txt", "--run", "new"], ["score", str(run.path), "bad.txt"]):
        assert "bad.txt:2:3: byte 0xef is not UTF-8" in refusal(*arguments, cwd=tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate"])
def test_missing_files_and_folders(run: Run, tmp_path: Path, command: str) -> None:
    first = [str(run.path)] if command == "evaluate" else []
    assert "none.txt: there is no such file" in refusal(command, *first, "none.txt", cwd=tmp_path)
    assert "is a folder, not a text" in refusal(command, *first, str(tmp_path), cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "RUN", "t.txt"],
        ["score", "RUN", "t.txt"],
        ["generate", "RUN"],
        ["neighbours", "RUN", "cat"],
        ["map", "RUN"],
        ["report", "RUN"],
        ["resume", "RUN"],
    ],
)
def test_run_folders_that_are_none(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "t.txt").write_text("the cat\n")

    def of(folder: Path) -> str:
        return refusal(*[str(folder) if a == "RUN" else a for a in arguments], cwd=tmp_path)

    if arguments[0] == "evaluate":
        assert "there is no such folder" in of(tmp_path / "none")
        assert "is no run folder" in of(tmp_path)
        assert "is a file, not a run folder" in of(tmp_path / "t.txt")
    broken = tmp_path / "broken"
    shutil.copytree(run.path, broken)
    damaged = broken / (CHECKPOINT if arguments[0] == "resume" else MODEL)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert "is cut short or no safetensors file" in of(broken)


def test_a_full_disk_while_saving_keeps_the_checkpoint(texts: Path, tmp_path: Path) -> None:
    big = ["--set", "model.embedding=200", "--set", "model.hidden=300"]
    train = ["train", str(texts / "train.txt"), "--run", "run", "--set", "training.epochs=1"]
    done = wordlab(*train, *big, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run"
    before = {name: (folder / name).read_bytes() for name in (MODEL, CHECKPOINT)}
    settings = (folder / "settings.json").read_text().replace('"epochs": 1', '"epochs": 2')
    (folder / "settings.json").write_text(settings)
    line = refusal("resume", "run", cwd=tmp_path, limit_bytes=100 * 1024)
    assert "cannot be saved: File too large; what was saved before is whole" in line
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not list(folder.rglob("*.part"))
    assert wordlab("resume", "run", cwd=tmp_path).returncode == 0


def test_a_full_disk_while_preparing(texts: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("many words stand here\n" * 20_000)
    line = refusal("prepare", text, "--out", "out", cwd=tmp_path, limit_bytes=64 * 1024)
    assert "File too large" in line
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "TEXT", "--set", "model.hiden=3"], "model.hiden: unknown setting"),
        (["train", "TEXT", "--config", "none.toml"], "none.toml: No such file"),
        (["train", "TEXT", "--config", "bad.toml"], "bad.toml: is not TOML"),
        (["train", "TEXT", "--minutes", "-1"], "training.minutes: input should be greater"),
        (["train", "TEXT", "--minutes", "soon"], "--minutes"),
        (["train"], "data.train: no training text was named"),
        (["trian"], "No such command 'trian'"),
        (["evaluate", "RUN"], "Missing argument 'texts'"),
        (["generate", "RUN", "--temperature", "0"], "temperature: input should be greater"),
        (["generate", "RUN", "--method", "best"], "'sample', 'greedy' or 'beam'"),
        (["neighbours", "RUN", "xyzzy"], "'xyzzy' is not in the vocabulary"),
        (["neighbours", "RUN", "cat", "--metric", "x"], "'x' is no metric"),
        (["map", "RUN", "--method", "x"], "'x' is no map method"),
        (["map", "RUN", "--method", "as-is"], "the vectors have 6 dimensions, not 2"),
        (["map", "RUN", "--out", "map.gif"], "'gif' is no picture format"),
        (["score", "RUN", "TEXT", "--format", "csv"], "'csv' is no format"),
        (["score", "RUN", "TEXT", "--format", "parquet"], "Parquet needs a file"),
        (["score", "RUN", "TEXT", "--out", "none/x.tsv"], "none/x.tsv: No such file"),
        (["recipes", "run", "nothing"], "'nothing' is no recipe"),
        (["recipes", "run", "cmu10707-tanh-128", "--data", "."], "there is no such file"),
        (["describe", "none.toml"], "none.toml: No such file"),
    ],
)
def test_bad_options(
    run: Run, texts: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "bad.toml").write_text("[model\n")
    places = {"RUN": str(run.path), "TEXT": str(texts / "train.txt")}
    assert message in refusal(*[places.get(a, a) for a in arguments], cwd=tmp_path)


def test_one_word_sentences_and_large_vocabularies_are_fine(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("yes\nno\nthe cat sat\n" * 30)
    for padding in ("full", "single"):
        done = wordlab(
            *("train", text, "--validation", text, "--run", tmp_path / padding),
            *("--set", "vocabulary.size=5000", "--set", f"model.padding={padding}"),
            *("--set", "training.epochs=1"),
        )
        assert done.returncode == 0, done.stderr
        assert "note: a vocabulary of 5,000 was asked for, but there are only 8" in done.stderr
        scored = wordlab("score", tmp_path / padding, text)
        assert scored.returncode == 0
        assert len(scored.stdout.splitlines()) == 1 + 30 * 5
