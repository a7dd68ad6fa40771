"""A map in a real browser: words are found in it, whatever they are, without a network."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.words.alignment import align
from wordlab.inspection.words.maps import aligned_map
from wordlab.inspection.words.space import WordSpace
from wordlab.rendering.charts import as_page

HOSTILE = "</script><img/src=x/onerror=alert(1)>"
WORDS = ("Turin", "turn", "port", HOSTILE, "']+alert(2)+['")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vocabulary = Vocabulary(
        ("<unk>", "<s>", "</s>", *WORDS), np.array([1, 1, 1, 9, 8, 7, 6, 5]), 0, 1, 2
    )
    draw = np.random.default_rng(1)
    spaces = [
        WordSpace(name, draw.normal(size=(8, 3)).astype(np.float32), vocabulary)
        for name in ("one", "<b>other</b>")
    ]
    groups = {"Turin": "place", HOSTILE: HOSTILE}
    chart = aligned_map(align(*spaces), groups=groups)
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_bytes(as_page(chart))
    return path


def test_no_word_is_markup(page: Path) -> None:
    text = page.read_text()
    assert text.count("<script") == text.count("</script>") == 2
    figure = text.split("</figure>")[0]
    assert "<img" not in figure
    assert "<b>" not in figure


def test_a_word_is_found(page: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = started.new_page()
        faults: list[str] = []
        tab.on("pageerror", lambda fault: faults.append(str(fault)))
        tab.on("dialog", lambda dialog: faults.append(dialog.message))
        tab.on("request", lambda request: faults.append(request.url))
        tab.goto(page.as_uri())
        box = tab.get_by_label("Find a word")
        box.wait_for(timeout=60_000)
        words = tab.locator(".vega-embed .mark-text.role-mark text")
        drawn = [(word, word.text_content()) for word in words.all()]
        drawn = [(word, text) for word, text in drawn if text in WORDS]
        assert sorted({text for _, text in drawn if text}) == sorted(WORDS)
        assert len(drawn) == 2 * len(WORDS)  # in both panels
        for wanted, found in (("tur", {"Turin", "turn"}), ("<IMG", {HOSTILE}), ("", set())):
            box.fill(wanted)
            tab.wait_for_timeout(300)
            large = {text for word, text in drawn if word.get_attribute("font-size") == "18px"}
            assert large == found, wanted
        assert faults == [page.as_uri()]
        started.close()
