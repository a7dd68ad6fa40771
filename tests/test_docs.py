"""The documents are true: every command and setting is in them, and their code runs."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wordlab.cli.app import COMMANDS
from wordlab.config import validate
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.inspection.settings import settings_tables
from wordlab.recipes import RECIPES, read_recipe
from wordlab.runs.export.onnx_file import export_onnx
from wordlab.runs.export.onnx_language_model import export_onnx_model
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train
from wordlab.samples import entities

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name in COMMANDS:
        assert f"`wordlab {name}" in page, name
        assert f"wordlab {name}" in readme, name


def test_every_setting_says_what_it_means() -> None:
    for table in settings_tables():
        for name, _, meaning in table.rows:
            assert len(str(meaning)) > 8, name


def test_the_settings_page_is_current() -> None:
    command = [sys.executable, "-m", "wordlab", "settings", "--markdown"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == printed, (
        "write it anew: wordlab settings --markdown > docs/settings.md"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_options_in_documents_exist() -> None:
    code = "from wordlab.cli.app import main; main()"
    known = ""
    for name in (*COMMANDS, "recipes run", "verify gradients"):
        command = [sys.executable, "-c", code, *name.split(), "--help"]
        known += subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for path in DOCUMENTS:
        for line in re.findall(r"wordlab [a-z][^\n`]*", path.read_text()):
            for option in re.findall(r" (--[a-z-]+)", line):
                assert option in known, (path.name, line, option)


def test_the_python_of_the_readme_runs(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text((texts / "train.txt").read_text())
    (tmp_path / "validation.txt").write_text((texts / "validation.txt").read_text())
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, "README.md", "exec"), {})
        assert printed.getvalue()


def test_the_example_of_a_part_of_ones_own_runs() -> None:
    from wordlab.training.schedules import SCHEDULES

    page = (ROOT / "docs" / "add-your-own.md").read_text()
    block = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    try:
        exec(compile(block, "add-your-own.md", "exec"), {"__name__": "example"})
        assert SCHEDULES["linear"]().factor(0.25, []) == 0.75
    finally:
        SCHEDULES._parts.pop("linear", None)


@pytest.mark.parametrize(
    ("words", "letters", "model", "output"),
    [("plain", 0, "window", "crf"), ("hashed", 4, "bilstm", "softmax")],
)
def test_the_example_of_tagging_without_wordlab_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    letters: int,
    model: str,
    output: str,
) -> None:
    (tmp_path / "entities.iob2").write_text(entities())
    settings = {
        "data": {"train": [str(tmp_path / "entities.iob2")]},
        "features": {"words": 8, "affix": 4, "letters": letters, "filters": 6},
        "model": {"type": model, "hidden": [12]},
        "output": {"type": output},
        "training": {"epochs": 2, "batch": 128},
    }
    run = train_tagger(run=tmp_path / "run", settings=settings)
    export_onnx(run, tmp_path / "tagger.onnx", words=words)
    *blocks, _ = export_blocks()
    monkeypatch.chdir(tmp_path)
    example: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile("\n".join(blocks), "export.md", "exec"), example)
    sentences = [list(sentence.words) for sentence in run.sentences("validation")]
    sentences += [["Turin"], ["B-52", "12/10/99", "McCoy", "t" * 40, "ÜBER", "A."]]
    tagged = run.read_sentences([LabelledSentence(tuple(row), ()) for row in sentences])
    own = iter([run.tag_set.tags[tag] for tag in tagged.tags])
    for row in sentences:
        assert example["tags"](row) == [next(own) for _ in row]


def test_the_examples_of_scaling_can_be_read() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text()
    (formula,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(formula, "scaling.md", "exec"), {})
    of_two = re.search(r"10 Gbit/s +(\d+)", page)
    assert of_two is not None
    assert round(100 * float(printed.getvalue())) == int(of_two[1])
    for script in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    yaml = pytest.importorskip("yaml")
    for example in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL):
        kinds = [part["kind"] for part in yaml.safe_load_all(example)]
        assert kinds == ["Service", "Job"]


def export_blocks() -> list[str]:
    """The Python of the page on exports: of taggers, and last of language models."""
    page = (ROOT / "docs" / "export.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert not any("wordlab" in block for block in blocks)
    return [str(block) for block in blocks]


@pytest.mark.parametrize("kind", ["feedforward", "gru"])
def test_a_language_model_scores_without_wordlab_as_the_page_says(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    model = {"type": kind, "embedding": 6, "hidden": [8]}
    settings = {"model": model, "training": {"epochs": 1, "batch": 16}}
    run = train(
        texts / "train.txt", texts / "validation.txt", run=tmp_path / "r", settings=settings
    )
    export_onnx_model(run, tmp_path / "net.onnx")
    monkeypatch.chdir(tmp_path)
    example: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(export_blocks()[-1], "export.md", "exec"), example)
    for line in ("the cat sat on the rug .", "unheard"):
        own = [row.nats for row in run.score([line], end=True)]
        assert example["nats"](line.split()) == pytest.approx(own, abs=1e-5)


def test_recipes_are_valid_and_say_what_they_reached() -> None:
    for name in RECIPES:
        recipe = read_recipe(name)
        settings = recipe.settings_on(Path("data"))
        kind = TaggerRunSettings if settings.get("task") == "tagger" else RunSettings
        validate(kind, settings, source=name)
        assert recipe.summary.endswith(".")
        assert recipe.reached is not None, name


def test_the_project_speaks_of_itself_only() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".md", ".py", ".toml", ".txt"} and path != Path(__file__):
            text = path.read_text()
            assert not re.search(r"(?<![\w.])/(root|home|work)/", text), name
