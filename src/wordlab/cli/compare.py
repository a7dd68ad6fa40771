"""`wordlab compare`: which of two runs predicts a text better, and how sure that is."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, LayoutOption, TokensOption, show, show_json
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    run_a: Annotated[Path, typer.Argument(help="Run A, a folder made by wordlab train.")],
    run_b: Annotated[Path, typer.Argument(help="Run B, to be held against it.")],
    texts: Annotated[list[str], typer.Argument(help="Text: files, .gz too, or -.")],
    vocabulary: Annotated[
        str,
        typer.Option(
            help="same: refuse different words; shared: renormalise over the words that both "
            "know; union: share the unknown word's probability among the words it stands for."
        ),
    ] = "same",
    sentences: Annotated[
        int, typer.Option(min=0, help="List so many sentences that differ most.")
    ] = 10,
    layout: LayoutOption = "",
    tokens: TokensOption = "",
    as_json: Json = False,
) -> None:
    """Difference, A - B, in nats a token or in F1, with an interval and a p-value."""
    from wordlab.cli.progress import scoring_shown
    from wordlab.runs.comparison import RULES, compare_runs
    from wordlab.runs.opening import is_tagger
    from wordlab.runs.run import Run

    if vocabulary not in RULES:
        raise WordlabError(
            f"{vocabulary!r} is no rule; allowed: {', '.join(RULES)}", where="--vocabulary"
        )
    if is_tagger(run_a) or is_tagger(run_b):
        _taggers(run_a, run_b, texts, as_json=as_json)
        return
    a, b = Run.load(run_a), Run.load(run_b)
    own_a, own_b = a.settings.text, b.settings.text
    _require_one_reading("--layout", layout, own_a.layout, own_b.layout)
    _require_one_reading("--tokens", tokens, own_a.tokens, own_b.tokens)
    with scoring_shown():
        found = compare_runs(a, b, a.read(texts, layout=layout, tokens=tokens), rule=vocabulary)
    if as_json:
        show_json(found.as_json(sentences))
        return
    tables = [found.runs_table(), found.difference_table(), found.bands_table()]
    show([*tables, *([found.sentences_table(sentences)] if sentences else [])])


def _taggers(run_a: Path, run_b: Path, texts: list[str], *, as_json: bool) -> None:
    """Compare two taggers."""
    from wordlab.runs.opening import open_tagger
    from wordlab.runs.tagger_comparison import compare_taggers

    a, b = open_tagger(run_a), open_tagger(run_b)
    found = compare_taggers(a, b, a.read(texts))
    if as_json:
        show_json(found.as_json())
    else:
        show(found.tables())


def _require_one_reading(option: str, given: str, of_a: str, of_b: str) -> None:
    """Refuse to guess which run's way of reading a text is meant."""
    if not given and of_a != of_b:
        raise WordlabError(
            f"A was trained with {of_a!r} and B with {of_b!r}",
            where=option,
            mend=f"say how this text is to be read: {option} {of_a} or {option} {of_b}",
        )
