"""The structure as it was meant: imports go one way, names say what things are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "wordlab"

# Each stage may import itself and what stands before it.
STAGES = (
    "errors",
    "registry",
    "table",
    "chart",
    "config",
    "samples",
    "corpus",
    "batching",
    "native",
    "models",
    "evaluation",
    "training",
    "generation",
    "runs",
    "inspection",
    "rendering",
    "reports",
    "recipes",
    "sklearn",
    "spacy",
    "server",
    "cli",
)
BESIDE = {("training", "generation"), ("generation", "training")}
"""Stages side by side: neither imports the other."""


def modules() -> list[Path]:
    found = SOURCE.rglob("*.py")
    return sorted(path for path in found if path.parent != SOURCE or path.stem[0] != "_")


def stage_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    own = stage_of(path)
    assert own in STAGES, f"{own} is no stage"
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] != "wordlab" or len(parts) < 2:
            continue
        other = parts[1]
        assert STAGES.index(other) <= STAGES.index(own), f"{own} imports {other}"
        assert (own, other) not in BESIDE, f"{own} imports {other}"


def test_no_drawers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert not [path for path in SOURCE.rglob("*") if path.stem in drawers]


def test_the_corpus_knows_no_torch() -> None:
    for path in (SOURCE / "corpus").glob("*.py"):
        assert not any(name.split(".")[0] == "torch" for name in imported_modules(path)), path


def test_nothing_below_the_command_line_prints() -> None:
    for path in modules():
        if stage_of(path) == "cli":
            continue
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ]
        assert not calls, path


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['wordlab', '--help']\n"
        "from wordlab.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit: pass\n"
        "libraries = {'torch', 'numpy', 'sklearn', 'vl_convert', 'pydantic', 'scipy'}\n"
        "heavy = libraries & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout


def test_evaluating_loads_nothing_of_other_work(tmp_path: Path) -> None:
    """Each library that a command loads is waited for at every call."""
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat .\n" * 40)
    program = (
        "import sys\n"
        "from wordlab.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    model = ("model.type=kneser-ney", "model.n=2")
    training = ["train", str(text), "--run", str(tmp_path / "run"), "--set", model[0]]
    commands = ([*training, "--set", model[1]], ["evaluate", str(tmp_path / "run"), str(text)])
    for arguments in commands:
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert {"torch", "wordlab.runs.run"} <= loaded
    parents = {name.split(".")[0] for name in loaded}
    assert not parents & {"scipy", "sklearn", "vl_convert", "spacy", "fastapi", "pyarrow"}
    others = ("wordlab.corpus.labelled", "wordlab.models.taggers", "wordlab.training.trainer",
              "wordlab.training.language_modelling", "wordlab.runs.tagger_run",
              "wordlab.runs.training_run", "wordlab.inspection", "wordlab.server")  # fmt: skip
    assert not [name for name in loaded if name.startswith(others)]


def test_the_face_of_the_library() -> None:
    import wordlab

    assert sorted(wordlab.__all__) == [
        "Run",
        "TaggerRun",
        "Text",
        "WordlabError",
        "__version__",
        "load",
        "read_text",
        "text_of",
        "train",
        "train_tagger",
    ]
    for name in wordlab.__all__:
        assert getattr(wordlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wordlab.nothing


def test_importing_the_library_loads_no_torch() -> None:
    code = "import sys, wordlab; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
