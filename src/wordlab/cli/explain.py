"""`wordlab explain`: what predictions and labels came from, word by word."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, LayoutOption, RunFolder, TokensOption, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.runs.run import Run


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
    if isinstance(opened, Run):
        if every:
            raise WordlabError("is of taggers", where="--all")
        _explain_words(opened, texts or ["-"], sentences, by, end, out, layout, tokens, as_json)
    else:
        raise WordlabError("later")


def _explain_words(
    run: "Run",
    texts: list[str],
    sentences: list[str] | None,
    by: str,
    end: bool,
    out: Path | None,
    layout: str,
    tokens: str,
    as_json: bool,
) -> None:
    from wordlab.inspection.ablation import WAYS
    from wordlab.inspection.attribution import explain_words, explanation_table, protocol

    way = next((way for way in WAYS if way == by), None)
    if way is None:
        raise WordlabError(
            f"{by!r} is no way to ablate a word; allowed: {', '.join(WAYS)}", where="--by"
        )
    text = run.text(sentences) if sentences else run.read(texts, layout=layout, tokens=tokens)
    found = list(explain_words(run.model, text, run.vocabulary, by=way, end=end))
    if as_json:
        show_json([asdict(sentence) for sentence in found])
    else:
        lasts = ["" for _ in found[1:]] + [protocol(way)]
        show(explanation_table(*pair) for pair in zip(found, lasts, strict=True))
