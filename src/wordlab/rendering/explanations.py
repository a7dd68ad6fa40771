"""Explained sentences as HTML: each word coloured, its figures shown on hover and focus.

Nothing needs a script. Colours go with the page: dark ones where its `color-scheme` is dark.
"""

import html
import itertools
from collections.abc import Iterable, Sequence

from wordlab.inspection.attribution.label_tables import label_tables
from wordlab.inspection.attribution.labels import LabelExplanation, SentenceLabels
from wordlab.inspection.attribution.predictions import (
    SentenceExplanation,
    WordExplanation,
    explanation_table,
    strongest,
)
from wordlab.rendering.tables import as_html

EDGES = (1, 3, 6, 9, 12)
"""Bits at which the next colour begins."""

LIGHT = ("#ffffff", "#ffedd5", "#fed7aa", "#fdba74", "#fb9a4b", "#f07f1e")
DARK = ("#16181c", "#2e241a", "#47331c", "#61411a", "#7c4e14", "#985a0b")
"""Behind the words, from the least to the most surprising; one hue that grows in weight."""

INKS = "#1a1a1a", "#f2f2f2"
"""Of the letters, on light and on dark colours."""


def as_surprisal(sentences: Sequence[SentenceExplanation], protocol: str = "") -> str:
    """A fragment: sentences whose words are coloured by surprisal, a legend, and their tables.

    A page that embeds it needs `EXPLANATION_STYLE`.

    Args:
        protocol: how the figures were found, printed beneath.
    """
    names = [f"below {EDGES[0]}"]
    names += [f"{low} to {high}" for low, high in itertools.pairwise(EDGES)]
    names += [f"{EDGES[-1]} or more"]
    legend = " ".join(
        f'<span class="word s{level}">{name}</span>' for level, name in enumerate(names)
    )
    body = "".join(
        _sentence(
            sentence.line,
            [_surprising(word) for word in sentence.words],
            [as_html(explanation_table(sentence))],
        )
        for sentence in sentences
    )
    legend += ' <span class="word none">not predicted</span>'
    return _fragment(f"Surprisal in bits: {legend}", body, protocol)


def as_labels(sentences: Sequence[SentenceLabels], radius: int, protocol: str = "") -> str:
    """A fragment: sentences whose labelled words show what the labels came from.

    A page that embeds it needs `EXPLANATION_STYLE`.

    Args:
        radius: so many words on each side have a column in the tables.
        protocol: how the figures were found, printed beneath.
    """
    body = ""
    for sentence in sentences:
        labels = {label.position: label for label in sentence.labels}
        words = [
            _labelled(label) if (label := labels.get(at)) else html.escape(word)
            for at, word in enumerate(sentence.words, start=1)
        ]
        body += _sentence(sentence.line, words, map(as_html, label_tables(sentence, radius)))
    legend = "Words with a label; the figures of each come on hover or focus."
    return _fragment(legend, body, protocol)


def explanation_page(title: str, fragment: str) -> str:
    """A page of its own that holds a fragment; it asks for nothing from outside."""
    name = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_PAGE_STYLE}{EXPLANATION_STYLE}</style></head>\n"
        f"<body><h1>{name}</h1>\n{fragment}</body></html>\n"
    )


def level_of(bits: float) -> int:
    """The number of a surprisal's colour.

    >>> [level_of(bits) for bits in (0.2, 1.0, 8.9, 40.0)]
    [0, 1, 3, 5]
    """
    return sum(bits >= edge for edge in EDGES)


def _fragment(legend: str, body: str, protocol: str) -> str:
    note = f"<p>{html.escape(protocol)}</p>\n" if protocol else ""
    return f'<div class="explained"><p class="legend">{legend}</p>\n{body}{note}</div>\n'


def _sentence(line: int, words: Iterable[str], tables: Iterable[str]) -> str:
    figures = "".join(tables)
    return (
        f'<p class="text">{" ".join(words)}</p>\n'
        f"<details><summary>Line {line} as a table</summary>{figures}</details>\n"
    )


def _surprising(word: WordExplanation) -> str:
    if word.bits is None or word.nats is None:
        return _word("none", word.word, ["not predicted by the model's reading"])
    lines = [f"{word.bits:.2f} bits, {word.nats:.2f} nats, rank {word.rank:,}"]
    if word.scored != word.word:
        lines.append(f"read as {word.scored}")
    lines += [f"{each.probability:.3f} {each.word}" for each in word.best]
    for sign, name in ((1, "raised"), (-1, "lowered")):
        if found := strongest(word.context, sign):
            lines.append(f"{name} by {found}")
    return _word(f"s{level_of(word.bits)}", word.word, lines)


def _labelled(label: LabelExplanation) -> str:
    lines = [f"{label.label}, probability {label.probability:.3f}"]
    lines.append(f"the word itself {label.itself:+.2f}")
    around = sorted(label.neighbours, key=lambda each: -abs(each.nats))[:3]
    lines += [f"{each.offset:+d} {each.word} {each.nats:+.2f}" for each in around]
    features = sorted(label.alone.items(), key=lambda item: -abs(item[1]))[:3]
    lines += [f"{name} alone {nats:+.2f}" for name, nats in features]
    name = f" <small>{html.escape(label.label)}</small>"
    return _word("s2", label.word, lines, name)


def _word(kind: str, text: str, lines: Iterable[str], mark: str = "") -> str:
    """A word that can be focused, and its figures."""
    shown = "".join(f"<span>{html.escape(line)}</span>" for line in lines)
    return (
        f'<span class="word {kind}" tabindex="0">{html.escape(text)}{mark}'
        f'<span class="figures" role="tooltip">{shown}</span></span>'
    )


def _both(name: str, light: str, dark: str) -> str:
    """A colour on light and on dark pages; browsers that know no `light-dark` have the light."""
    return f"{name}:{light};{name}:light-dark({light},{dark})"


_INK = _both("color", *INKS)

EXPLANATION_STYLE = f"""
.explained .text,.explained .legend{{line-height:2.2}}
.explained .word{{position:relative;padding:.15em .25em;border-radius:.2em;{_INK}}}
.explained .word.none{{border-bottom:1px dashed;color:inherit}}
.explained .word:focus{{outline:2px solid #1d6fd1;outline-offset:1px}}
.explained .figures{{display:none;position:absolute;left:0;top:100%;z-index:1;padding:.4em .6em;
width:max-content;max-width:22em;border:1px solid #777;border-radius:.3em;font-size:.85rem;
line-height:1.4;{_INK};{_both("background", "#ffffff", "#24272d")};user-select:none}}
.explained .figures span{{display:block}}
.explained .word:hover .figures,.explained .word:focus .figures{{display:block}}
.explained small{{font-weight:600}}
""" + "".join(
    f".explained .s{level}{{{_both('background', light, dark)};"
    f"border-bottom:{level}px solid #b45309}}\n"
    for level, (light, dark) in enumerate(zip(LIGHT, DARK, strict=True))
)
"""What pages that embed the fragments need."""

_PAGE_STYLE = f"""
:root{{color-scheme:light dark}}
body{{font:17px/1.6 system-ui,'DejaVu Sans',sans-serif;max-width:62rem;margin:2rem auto;
padding:0 1rem;{_INK};{_both("background", "#ffffff", "#16181c")}}}
table{{border-collapse:collapse;margin:1rem 0;font-size:.85rem;display:block;overflow-x:auto}}
caption{{text-align:left;font-weight:600;padding:.3rem 0}}
th,td{{padding:.15rem .7rem;border-bottom:1px solid #888;text-align:left;vertical-align:top}}
.n{{text-align:right;font-variant-numeric:tabular-nums}}
summary{{cursor:pointer}}
"""
