"""Reports: every format has every figure; in a browser they open from disk and ask for nothing."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.errors import WordlabError
from wordlab.reports.formats import REPORT_FORMATS
from wordlab.reports.gathering import report_of
from wordlab.reports.section import Beside, Report, plain
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> TaggerRun:
    """Trained on names that would be markup if they were not escaped."""
    words = [("Mara", "left", HOSTILE, "."), ("Bo", "saw", HOSTILE, "&amp;"), ("it", "rained", ".")]
    spans = [(Span(0, 1, "PER"), Span(2, 3, "LOC"))] * 2 + [()]
    sentences = [LabelledSentence(w, s) for w, s in zip(words, spans, strict=True)] * 5
    folder = tmp_path_factory.mktemp("tagger") / "tagger"
    settings = {"training": {"epochs": 2, "batch": 8}, "model": {"hidden": [8]}}
    return train_tagger(sentences, sentences[:5], run=folder, settings=settings)


@pytest.fixture(scope="module", params=["language-model", "tagger", "beside"])
def report(request: pytest.FixtureRequest, run: Run, tagger: TaggerRun) -> Report:
    if request.param == "beside":
        return report_of(run, run)
    return report_of(run if request.param == "language-model" else tagger)


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(REPORT_FORMATS["html"](report))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def cells(report: Report) -> list[str]:
    """Everything that a reader is to see."""
    found = []
    for section in report.sections:
        for part in section.parts:
            own = [p for side in part.parts for p in side] if isinstance(part, Beside) else [part]
            found += [cell for p in own for t in plain(p) for row in t.shown() for cell in row]
    return found


def test_it_asks_for_nothing_from_outside(page: Path) -> None:
    text = re.sub(r"<script.*?</script>", "<script>", page.read_text(), flags=re.DOTALL)
    assert not re.findall(r"<(?:link|img|iframe|object|embed)\b", text)
    assert not re.findall(r"<script[^>]*\bsrc=", page.read_text())
    assert page.stat().st_size < 4_000_000


def test_every_picture_has_words_and_a_table(page: Path) -> None:
    figures = re.findall(r"<figure>.*?</figure>", page.read_text(), flags=re.DOTALL)
    assert len(figures) >= 3
    for figure in figures:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', figure)
        assert "<svg" in figure
        assert "<table>" in figure


@pytest.mark.parametrize("scripted", [True, False])
def test_every_cell_is_in_the_page_as_text(
    report: Report, page: Path, browser: Browser, scripted: bool
) -> None:
    with browser.new_context(java_script_enabled=scripted) as context:
        opened = context.new_page()
        faults: list[str] = []
        asked: list[str] = []
        opened.on("console", lambda said: faults.append(said.text))
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(page.as_uri())
        if scripted:
            opened.wait_for_selector(".vega-embed svg")
        shown = set(opened.locator("td").all_text_contents())
        assert set(cells(report)) <= shown
        assert asked == [page.as_uri()]
        assert not faults


def test_a_browser_makes_every_picture_interactive(page: Path, browser: Browser) -> None:
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(page.as_uri())
        figures = opened.locator("figure").count()
        opened.wait_for_function(
            "n => document.querySelectorAll('figure .vega-embed svg.marks').length == n",
            arg=figures,
        )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_and_its_text_stands_out(
    page: Path, browser: Browser, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 800}
    with browser.new_context(color_scheme=scheme, viewport=size) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(page.as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        for of in ("body", "td", "th", "a", "summary", ".chart svg text", ".explained .word"):
            ratio = opened.evaluate(CONTRAST, of)
            assert ratio >= 4.5, (of, ratio)


CONTRAST = """of => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const element = document.querySelector(of);
  const style = getComputedStyle(element);
  let behind = element;
  while (behind && [undefined, 0].includes(numbers(getComputedStyle(behind).backgroundColor)[3])
         && getComputedStyle(behind).backgroundColor.startsWith("rgba")) {
    behind = behind.parentElement;
  }
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const pair = [light(numbers(ink)),
                light(numbers(getComputedStyle(behind || document.body).backgroundColor))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


def test_keys_reach_the_parts(page: Path, browser: Browser) -> None:
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(page.as_uri())
        opened.keyboard.press("Tab")
        assert opened.evaluate("document.activeElement.className") == "skip"
        opened.keyboard.press("Tab")
        opened.keyboard.press("Enter")
        assert opened.url.endswith("#part-0")


def test_markdown_and_json_hold_the_same_figures(report: Report) -> None:
    markdown, data = REPORT_FORMATS["md"](report), json.loads(REPORT_FORMATS["json"](report))
    for cell in cells(report):
        assert cell.replace("|", "\\|") in markdown
    assert [s["title"] for s in data["sections"]] == [s.title for s in report.sections]
    assert data["sections"][0]["parts"][0]["tables"][0]["rows"]


def test_it_says_what_differs_beside_another_run(run: Run, tagger: TaggerRun) -> None:
    for found in (report_of(run, run), report_of(tagger, tagger)):
        first = found.sections[0]
        assert first.title == "Difference"
        assert len(first.parts) >= 2
    with pytest.raises(WordlabError, match="another task"):
        report_of(run, tagger)


def test_a_language_models_report_has_its_vocabulary_and_settings(run: Run) -> None:
    text = REPORT_FORMATS["html"](report_of(run))
    assert run.vocabulary.hash in text
    assert "training.optimizer.rate" in text
