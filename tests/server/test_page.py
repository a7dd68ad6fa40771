"""The page in a real browser: its controls work, and what it shows is text."""

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = [
    "<script>document.title='taken'</script>",
    "<img src=x onerror=alert(1)>",
    "\u202ethe\u202c",
    "\u05e9\u05dc\u05d5\u05dd",
    "👩‍👩‍👧",
    "a\u0301\u0301\u0301",
    "&lt;b&gt;",
    "'\"><svg/onload=alert(1)>",
]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser: "Browser", port: int) -> Iterator["Page"]:
    """The page, opened; nothing goes elsewhere, and nothing goes wrong."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("#tab-score")
    yield page
    context.close()
    refused = "Failed to load resource: the server responded with a status of 4"
    assert not [fault for fault in faults if not fault.startswith(refused)]
    assert asked
    assert not [url for url in asked if not url.startswith(f"http://127.0.0.1:{port}/")]


def test_words_are_coloured_and_show_their_figures(page: "Page") -> None:
    page.fill("#score-text", "the cat sat on a zebra .")
    page.click("#score button[type=submit]")
    words = page.locator("#score-words .word")
    words.nth(6).wait_for()
    assert words.all_text_contents() == ["the", "cat", "sat", "on", "a", "zebra", "."]
    assert "unknown" in (words.nth(5).get_attribute("class") or "")
    assert all(re.search(r"\bs[0-6]\b", word.get_attribute("class") or "") for word in words.all())
    assert "perplexity" in page.inner_text("#score-totals")
    assert "vocabulary of" in page.inner_text("#score-protocol").lower()
    words.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#score-word h2") == "cat"
    words.nth(2).hover()
    page.locator("#score-word h2", has_text="sat").wait_for()
    page.locator("#score-word li").nth(4).wait_for()
    assert "rank" in page.inner_text("#score-word")
    page.check("#score-end")
    page.locator("#score-words .word", has_text="</s>").wait_for()
    page.uncheck("#score-split")
    page.fill("#score-text", "cat.")
    page.locator("#score-words .word", has_text="cat.").wait_for()


def test_sliders_and_seeds_change_what_is_generated(page: "Page") -> None:
    page.click("#tab-generate")
    page.fill("#generate-prompt", "the cat")

    def made() -> list[str]:
        with page.expect_response("**/v1/generate"):
            page.click("#generate button[type=submit]")
        page.locator("#generate-sentences li").first.wait_for()
        return page.locator("#generate-sentences li").all_text_contents()

    first = made()
    assert len(first) == 3
    assert made() == first
    page.fill("#generate-seed", "2")
    assert made() != first
    page.fill("#generate-count", "5")
    assert page.inner_text("output[for=generate-count]") == "5"
    page.fill("#generate-top-k", "1")
    page.fill("#generate-top-p", "0.5")
    page.fill("#generate-temperature", "0.5")
    page.fill("#generate-words", "4")
    page.check("#generate-unknown")
    page.wait_for_timeout(50)
    with page.expect_response("**/v1/generate") as waiting:
        page.click("#generate button[type=submit]")
    question = waiting.value.request.post_data_json
    assert question == {
        "run": "tiny",
        "prompt": "the cat",
        "tokens": "words",
        "words": 4,
        "count": 5,
        "seed": 2,
        "temperature": 0.5,
        "top_k": 1,
        "top_p": 0.5,
        "unknown": True,
    }
    page.locator("#generate-sentences li").nth(4).wait_for()
    assert len(set(page.locator("#generate-sentences li").all_text_contents())) == 1


def test_the_next_word_is_guessed_while_one_types(page: "Page") -> None:
    page.click("#tab-complete")
    page.locator("#complete-text").press_sequentially("the m")
    page.locator("#complete-note", has_text="begin so").wait_for()
    page.wait_for_timeout(400)
    words = page.locator("#complete-words button").all_text_contents()
    assert set(words) == {"mat", "mouse"}
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#complete-text") == f"the {words[0]} "
    page.locator("#complete-note", has_text="end of the sentence").wait_for()


def test_neighbours_and_the_map(page: "Page") -> None:
    page.click("#tab-neighbours")
    page.fill("#neighbours-words", "cat dog")
    page.fill("#neighbours-count", "3")
    page.select_option("#neighbours-metric", "euclidean")
    page.click("#neighbours button[type=submit]")
    page.locator("#neighbours-table td").first.wait_for()
    assert page.locator("#neighbours-table tbody tr").count() == 6
    page.fill("#neighbours-words", "cat <b>xyzzy</b>")
    page.click("#neighbours button[type=submit]")
    page.locator("#fault", has_text="words.1: this word is not in the vocabulary").wait_for()
    page.fill("#neighbours-words", "dog")
    page.click("#neighbours button[type=submit]")
    page.locator("#fault").wait_for(state="hidden")
    page.click("#tab-map")
    page.fill("#map-words", "10")
    page.click("#map button[type=submit]")
    page.locator("#map-picture svg text").nth(9).wait_for()
    page.fill("#map-search", "ca")
    assert page.inner_text("#map-found") == "1 found: cat"
    whole = page.get_attribute("#map-picture svg", "viewBox")
    page.click("#map-nearer")
    assert page.get_attribute("#map-picture svg", "viewBox") != whole
    page.click("#map-farther")
    assert page.get_attribute("#map-picture svg", "viewBox") == whole


def test_entities_are_marked_and_listed(page: "Page") -> None:
    page.select_option("#run", "tagger")
    assert page.get_attribute("#tab-score", "aria-disabled") == "true"
    page.fill("#tag-text", "😀 Mara Ellingsen left Turin .")
    page.click("#tag button[type=submit]")
    page.locator("mark").first.wait_for()
    assert "%" in page.locator("mark small").first.inner_text()
    assert page.locator("#tag-table tbody tr").count() == page.locator("mark").count()
    assert page.inner_text("#tag-sentences").startswith("😀 Mara")
    page.uncheck("#tag-split")
    page.select_option("#run", "counted")
    assert page.locator("mark").count() == 0
    assert page.get_attribute("#tab-map", "aria-disabled") == "true"


@pytest.mark.parametrize("name", ["tiny", "stream", "tagger"])
def test_neurons_are_shown_and_switched_off(page: "Page", name: str) -> None:
    page.select_option("#run", name)
    page.click("#tab-neurons")
    page.click("#neurons button[type=submit]")
    page.locator(".neuron").nth(4).wait_for()
    assert "highest" in page.locator(".neuron").first.inner_text()
    assert ("raised by" in page.locator(".neuron").first.inner_text()) == (name != "stream")
    page.fill("#neurons-units", "3, 1")
    page.fill("#neurons-contexts", "0")
    page.click("#neurons button[type=submit]")
    page.locator(".neuron").nth(2).wait_for(state="detached")
    assert page.locator(".neuron h3").all_text_contents() == ["Unit 3", "Unit 1"]
    page.locator(".neuron button").first.click()
    assert page.input_value("#ablate-units") == "3"
    page.fill("#ablate-text", "Mara Ellingsen saw the <b>cat</b>")
    page.select_option("#ablate-at", "mean")
    page.click("#ablate button[type=submit]")
    page.locator("#ablate-table tbody tr").first.wait_for()
    assert "Mara" in page.inner_text("#ablate-table")
    page.fill("#ablate-units", "4000")
    page.click("#ablate button[type=submit]")
    page.locator("#fault", has_text="4000 is no unit; the layer has units 0 to").wait_for()


@pytest.mark.parametrize(
    ("name", "heads"), [("tagger", ["F1 of words", "F1 of entities"]), ("tiny", ["nats a token"])]
)
def test_what_each_class_loses_without_units(page: "Page", name: str, heads: list[str]) -> None:
    page.select_option("#run", name)
    page.click("#tab-neurons")
    page.fill("#ablate-units", "1, 4")
    page.click("#effects")
    page.locator("#effects-tables table").nth(len(heads) - 1).wait_for()
    assert page.locator("#effects-tables caption").all_text_contents() == heads
    first = page.locator("#effects-tables table").first
    rows = first.locator("tbody tr td:first-child").all_text_contents()
    assert rows == ["all on", "unit 1", "unit 4"]
    kinds = first.locator("th").all_text_contents()[1:]
    assert kinds[-1].startswith("mean, weighted (" if name == "tagger" else "all (")
    if name == "tagger":
        assert kinds[0].startswith("LOC (")
        figures = first.locator("tbody tr").first.locator("td").all_text_contents()[1:]
        assert all(re.fullmatch(r"\d+\.\d\d %", figure) for figure in figures), figures
    assert "the run's validation text" in page.inner_text("#effects-note")
    page.fill("#ablate-units", "4000")
    page.click("#effects")
    page.locator("#fault", has_text="4000 is no unit").wait_for()
    page.select_option("#run", "stream")
    assert page.locator("#effects-tables table").count() == 0


def test_hostile_text_is_shown_as_text(page: "Page") -> None:
    text = " ".join(HOSTILE)
    page.uncheck("#score-split")
    page.fill("#score-text", text)
    page.locator("#score-words .word").nth(len(text.split()) - 1).wait_for()
    shown = page.locator("#score-words .word").all_text_contents()
    assert shown == text.split()
    page.locator("#score-words .word").first.focus()
    page.click("#tab-complete")
    page.fill("#complete-text", f"the {HOSTILE[1]}")
    page.wait_for_timeout(400)
    page.select_option("#run", "tagger")
    page.fill("#tag-text", f"Mara Ellingsen {text}")
    page.locator("#tag-sentences p").wait_for()
    assert page.locator("#tag-sentences script, #tag-sentences img, main svg").count() == 0
    assert HOSTILE[0] in page.inner_text("#tag-sentences")
    assert page.title() == "wordlab"


def test_ten_thousand_words(page: "Page") -> None:
    page.fill("#score-text", "\n".join(["the cat sat on the mat with a dog ."] * 1000))
    page.click("#score button[type=submit]")
    page.locator("#score-words .word").nth(9_999).wait_for()
    assert page.locator("#score-words .word").count() == 10_000
    assert "10000" in page.inner_text("#score-totals")


def test_keys_and_phones(browser: "Browser", page: "Page", port: int) -> None:
    page.locator("#tab-score").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-generate", "aria-selected") == "true"
    page.keyboard.press("End")
    assert page.is_visible("#view-neurons")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')]"
        ".filter((each) => !each.labels.length).length"
    )
    assert unnamed == 0
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 700})  # type: ignore[arg-type]
        phone = context.new_page()
        phone.goto(f"http://127.0.0.1:{port}/")
        phone.wait_for_selector("#tab-score")
        phone.fill("#score-text", "the cat sat")
        phone.locator("#score-words .word").nth(2).wait_for()
        wide = phone.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        assert phone.evaluate(CONTRAST) >= 4.5, scheme
        context.close()


CONTRAST = """() => {
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const back = (element) => {
    const own = getComputedStyle(element).backgroundColor;
    return own === "rgba(0, 0, 0, 0)" && element.parentElement ? back(element.parentElement) : own;
  };
  const shown = [...document.querySelectorAll("body *")].filter((element) => element.innerText);
  return Math.min(...shown.map((element) => {
    const text = light(getComputedStyle(element).color);
    const behind = light(back(element));
    return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
  }));
}"""
