"""`wordlab explain`: what predictions and labels came from, word by word."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, LayoutOption, RunFolder, TokensOption, note, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.runs.run import Run
    from wordlab.runs.tagger_run import TaggerRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    run: RunFolder,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Text: files, .gz too, or - (as without any).")
    ] = None,
    sentences: Annotated[
        list[str] | None,
        typer.Option("--sentence", help="A sentence in place of a text; may be given again."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="What takes a word's place: unknown; or omit (language models), mean (taggers).",
        ),
    ] = "unknown",
    end: Annotated[
        bool, typer.Option("--end", help="Explain each sentence's end marker too.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Of a tagger: words without a label too.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write: the text in colours.")
    ] = None,
    layout: LayoutOption = "",
    tokens: TokensOption = "",
    as_json: Json = False,
) -> None:
    """Say for each word how it was predicted or labelled, and which words made it so."""
    from wordlab.runs.opening import open_run
    from wordlab.runs.run import Run

    if texts and sentences:
        raise WordlabError("goes without a text", where="--sentence")
    if out is not None and out.suffix.lower() not in {".html", ".htm"}:
        raise WordlabError("is no name of an HTML file", where=str(out), mend="end it in .html")
    opened = open_run(run)
    read = _Reading(texts or ["-"], sentences or [], layout, tokens)
    if isinstance(opened, Run):
        if every:
            raise WordlabError("is of taggers", where="--all")
        _explain_words(opened, read, by, end, out, as_json)
    else:
        if end:
            raise WordlabError("is of language models", where="--end")
        _explain_labels(opened, read, by, every, out, as_json)


@dataclass(frozen=True)
class _Reading:
    """What is read, and how."""

    texts: list[str]
    sentences: list[str]
    layout: str
    tokens: str


def _explain_words(
    run: "Run", read: _Reading, by: str, end: bool, out: Path | None, as_json: bool
) -> None:
    from wordlab.corpus.text import text_of
    from wordlab.inspection.attribution.ablation import WAYS
    from wordlab.inspection.attribution.predictions import (
        explain_words,
        explanation_table,
        protocol,
    )
    from wordlab.rendering.explanations import as_surprisal

    way = next((way for way in WAYS if way == by), None)
    if way is None:
        raise _refusal(by, WAYS)
    text = run.read(read.texts, layout=read.layout, tokens=read.tokens)
    if read.sentences:
        text = text_of(read.sentences, text.settings)
    found = list(explain_words(run.model, text, run.vocabulary, by=way, end=end))
    if out is not None:
        _write(out, f"Surprisal under {run.name}", as_surprisal(found, protocol(way)))
    if as_json:
        show_json([asdict(sentence) for sentence in found])
    else:
        notes = ["" for _ in found[1:]] + [protocol(way)]
        show(explanation_table(*pair) for pair in zip(found, notes, strict=True))


def _explain_labels(
    run: "TaggerRun", read: _Reading, by: str, every: bool, out: Path | None, as_json: bool
) -> None:
    from wordlab.corpus.text import read_text, text_of
    from wordlab.inspection.attribution.label_tables import (
        label_summary,
        label_tables,
        protocol,
        shown_radius,
    )
    from wordlab.inspection.attribution.labels import WAYS, LabelExplainer
    from wordlab.rendering.explanations import as_labels

    way = next((way for way in WAYS if way == by), None)
    if way is None:
        raise _refusal(by, WAYS)
    text = read_text(read.texts, layout=read.layout or "lines", tokens=read.tokens or "words")
    if read.sentences:
        text = text_of(read.sentences, text.settings)
    training = (s.words for s in run.sentences("train")) if way == "mean" else ()
    explainer = LabelExplainer(run.model, run.lexicon, run.tag_set, by=way, training=training)
    found = [explainer.explain(sentence, every=every) for sentence in text.sentences()]
    radius = shown_radius(run.model)
    if out is not None:
        _write(out, f"Labels by {run.name}", as_labels(found, radius, protocol(way)))
    if as_json:
        show_json([asdict(sentence) for sentence in found])
        return
    tables = [table for sentence in found for table in label_tables(sentence, radius)]
    show([*tables, label_summary(found, radius, protocol(way))])


def _write(path: Path, title: str, fragment: str) -> None:
    from wordlab.rendering.explanations import explanation_page
    from wordlab.runs.files import write_whole

    write_whole(path, explanation_page(title, fragment).encode())
    note(f"page: {path}")


def _refusal(by: str, ways: Iterable[str]) -> WordlabError:
    allowed = ", ".join(ways)
    return WordlabError(f"{by!r} is no way to ablate a word; allowed: {allowed}", where="--by")
