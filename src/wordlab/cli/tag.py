"""`wordlab tag`: the entities of a text."""

import html
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import RunFolder
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.runs.tagger_run import SentenceReadings, TaggedSentence

FORMATS = ("text", "columns", "jsonl", "html")
TWICE = ("text", "jsonl")
"""Those that show second readings."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tag)


def tag(
    run: RunFolder,
    texts: Annotated[
        list[str], typer.Argument(help="Text, a sentence a line: files, .gz too, or -.")
    ] = ["-"],  # noqa: B006
    kind: Annotated[str, typer.Option("--format", help="text, columns, jsonl or html.")] = "text",
    scheme: Annotated[str, typer.Option("--scheme", help="Tagging scheme of columns.")] = "IOB2",
    tokens: Annotated[
        str, typer.Option("--tokens", help="words: punctuation is split off; spaces: it is not.")
    ] = "words",
    second: Annotated[
        bool, typer.Option("--second", help="Show the next reading of doubtful lines, too.")
    ] = False,
    below: Annotated[
        float,
        typer.Option(min=0, max=1, help="Lines whose best reading is less probable are doubtful."),
    ] = 0.9,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Find entities: in brackets, a tag a word, or with their offsets and probabilities."""
    from wordlab.corpus.labelled.schemes import SCHEMES
    from wordlab.corpus.text import TOKENIZERS
    from wordlab.runs.opening import open_tagger

    kind = "jsonl" if as_json else kind
    if kind not in FORMATS:
        raise WordlabError(
            f"{kind!r} is no format; allowed: {', '.join(FORMATS)}", where="--format"
        )
    _ = SCHEMES[scheme], TOKENIZERS[tokens]
    if second and kind not in TWICE:
        raise WordlabError(f"goes with --format {' and '.join(TWICE)}", where="--second")
    opened = open_tagger(run)
    if second:
        twice = opened.readings(_lines(texts), tokens=tokens, below=below)
        for readings in twice:
            sys.stdout.write(_both_in_json(readings) if kind == "jsonl" else _both(readings))
        return
    tagged = opened.tag_lines(_lines(texts), tokens=tokens)
    for line in _written(tagged, kind, scheme):
        sys.stdout.write(line)


def _lines(paths: Iterable[str]) -> Iterator[str]:
    from wordlab.corpus.readers import STANDARD_INPUT, read_lines
    from wordlab.corpus.text import require_file

    for path in paths:
        if path != STANDARD_INPUT:
            require_file(path)
        for _, text in read_lines(path, "sentence", "put one sentence on each line"):
            yield text


def _written(sentences: Iterable["TaggedSentence"], kind: str, scheme: str) -> Iterator[str]:
    if kind == "html":
        yield _HEAD
    for sentence in sentences:
        if kind == "jsonl":
            yield json.dumps(asdict(sentence), ensure_ascii=False) + "\n"
        elif kind == "columns" and sentence.words:
            pairs = zip(sentence.words, sentence.tags(scheme), strict=True)
            yield "".join(f"{word}\t{tag}\n" for word, tag in pairs) + "\n"
        elif kind == "text":
            yield _bracketed(sentence) + "\n"
        elif kind == "html":
            yield _marked(sentence)
    if kind == "html":
        yield "</body>\n</html>\n"


def _bracketed(sentence: "TaggedSentence") -> str:
    pieces, at = [], 0
    for entity in sentence.entities:
        pieces += [sentence.text[at : entity.start], f"[{entity.type} {entity.text}]"]
        at = entity.end
    return "".join([*pieces, sentence.text[at:]])


def _both(readings: "SentenceReadings") -> str:
    best = _bracketed(readings.best) + "\n"
    if readings.second is None:
        return best
    odds = f"{readings.second_probability:.3f} against {readings.probability:.3f}"
    return f"{best}    or, {odds}: {_bracketed(readings.second)}\n"


def _both_in_json(readings: "SentenceReadings") -> str:
    second = None
    if readings.second is not None:
        entities = asdict(readings.second)["entities"]
        second = {"probability": readings.second_probability, "entities": entities}
    whole = {"probability": readings.probability, "second": second}
    return json.dumps({**asdict(readings.best), **whole}, ensure_ascii=False) + "\n"


_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Entities</title>
<style>
body { font: 16px/1.7 system-ui, sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff; }
mark { background: #dce9f7; color: inherit; padding: 0.1em 0.3em; border-radius: 0.2em; }
mark small { color: #44566c; font-weight: 600; }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #16181c; }
  mark { background: #2b3d52; } mark small { color: #b3c7de; } }
</style>
</head>
<body>
"""


def _marked(sentence: "TaggedSentence") -> str:
    pieces, at = [], 0
    for entity in sentence.entities:
        pieces.append(html.escape(sentence.text[at : entity.start]))
        title = f"probability {entity.probability:.3f}"
        pieces.append(
            f'<mark title="{title}">{html.escape(entity.text)} '
            f"<small>{html.escape(entity.type)}</small></mark>"
        )
        at = entity.end
    return "<p>" + "".join([*pieces, html.escape(sentence.text[at:])]) + "</p>\n"
