"""Explained sentences as HTML: safe, legible, and readable without a script."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from wordlab.inspection.attribution.labels import LabelExplanation, Neighbour, SentenceLabels
from wordlab.inspection.attribution.predictions import (
    Candidate,
    Influence,
    SentenceExplanation,
    WordExplanation,
)
from wordlab.rendering.explanations import (
    DARK,
    EDGES,
    EXPLANATION_STYLE,
    INKS,
    LIGHT,
    as_labels,
    as_surprisal,
    explanation_page,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def word(position: int, text: str, bits: float | None) -> WordExplanation:
    if bits is None:
        return WordExplanation(position, text, text, False, None, None, None, (), ())
    best = (Candidate("likely", 0.5), Candidate(HOSTILE, 0.25))
    context = (Influence(1, HOSTILE, 1.5), Influence(2, "not", -0.75))
    return WordExplanation(position, text, "<unk>", True, bits / 2, bits, 4321, best, context)


SURPRISAL = [
    SentenceExplanation(3, (word(1, "first", None), word(2, HOSTILE, 0.5), word(3, "x", 99.0)))
]
LABELS = [
    SentenceLabels(
        3,
        (HOSTILE, "b"),
        (
            LabelExplanation(
                *(1, HOSTILE, "B-<i>", "<i>", 0.75, 2.5),
                {"word": 0.25},
                {"word": 1.25},
                (Neighbour(1, "b", -0.5),),
            ),
        ),
    ),
    SentenceLabels(4, ("<b>", "none"), ()),
]


class Reader(HTMLParser):
    """Gathers the tags, and the text of words and of their figures."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def read(fragment: str) -> Reader:
    reader = Reader()
    reader.feed(explanation_page(HOSTILE, fragment))
    return reader


@pytest.mark.parametrize("fragment", [as_surprisal(SURPRISAL, HOSTILE), as_labels(LABELS, 1)])
def test_no_word_is_markup(fragment: str) -> None:
    reader = read(fragment)
    assert not {"script", "img", "b", "i"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert HOSTILE in reader.shown
    assert not [name for name, _ in reader.attributes if name in {"src", "href"}]


def test_each_word_has_its_colour_and_figures() -> None:
    fragment = as_surprisal(SURPRISAL)
    found = re.findall(r'<span class="word (\w+)" tabindex="0">', fragment)
    assert found == ["none", "s0", f"s{len(EDGES)}"]
    shown = " ".join(read(fragment).shown)
    for part in ("0.50 bits", "rank 4,321", "0.500 likely", f"raised by {HOSTILE} +1.50"):
        assert part in shown
    assert "lowered by not -0.75" in shown
    assert "read as <unk>" in shown
    assert fragment.count("<table>") == 1


def test_labels_show_what_they_came_from() -> None:
    fragment = as_labels(LABELS, 1)
    assert len(re.findall(r'tabindex="0"', fragment)) == 1
    shown = " ".join(read(fragment).shown)
    for part in ("probability 0.750", "the word itself +2.50", "+1 b -0.50", "word alone +1.25"):
        assert part in shown
    assert "No word has a label." in shown


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("ink", "colours"), [(INKS[0], LIGHT), (INKS[1], DARK)])
def test_letters_can_be_read_on_every_colour(ink: str, colours: tuple[str, ...]) -> None:
    """WCAG 2 asks for 4.5; and each colour is told from the next without its hue."""
    assert len(colours) == len(EDGES) + 1
    for colour in colours:
        assert contrast(ink, colour) >= 4.5
        assert colour in EXPLANATION_STYLE
    steps = [luminance(colour) for colour in colours]
    ordered = sorted(steps, reverse=colours == LIGHT)
    assert steps == ordered
    assert all(contrast(a, b) > 1.1 for a, b in pairwise(colours))
