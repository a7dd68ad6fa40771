"""The report in a real browser: it opens from disk, draws every picture, asks for nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from wordlab.rendering.report import write_report
from wordlab.runs.run import Run


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(run, path)
    return path


def test_it_asks_for_nothing_from_outside(page: Path) -> None:
    text = re.sub(r"<script.*?</script>", "<script>", page.read_text(), flags=re.DOTALL)
    assert not re.findall(r"<(?:link|img|iframe|object|embed)\b", text)
    assert not re.findall(r"<script[^>]*\bsrc=", page.read_text())
    assert page.stat().st_size < 4_000_000


def test_every_picture_has_words_and_a_table(page: Path) -> None:
    text = page.read_text()
    figures = re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', figure)
        assert "<svg" in figure
        assert "<table>" in figure


def test_it_holds_every_section(page: Path, run: Run) -> None:
    text = page.read_text()
    for title in (
        *("Evaluation", "By frequency", "Learning curves", "Texts", "Sentences"),
        *("Nearest words", "Word map", "Model", "Settings"),
    ):
        assert f"<h2>{title}</h2>" in text
    assert run.vocabulary.hash in text
    assert "training.optimizer.rate" in text


def test_a_browser_makes_every_picture_interactive(page: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
            *("--no-first-run", "--disable-background-networking", "--disable-sync"),
            *("--disable-component-update", f"--user-data-dir={tmp_path}"),
            *("--virtual-time-budget=30000", "--enable-logging=stderr", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Uncaught" not in done.stderr, done.stderr
    pictures = page.read_text().count("<figure>")
    # Vega's own drawings have taken the place of the static ones.
    assert done.stdout.count('class="marks"') >= pictures
    assert len(re.findall(r'<div class="vega-embed', done.stdout)) == pictures
