"""`wordlab neighbours`: the words nearest to a word."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(neighbours)


def neighbours(
    run: RunFolder,
    words: Annotated[list[str], typer.Argument(help="Words of the vocabulary.")],
    count: Annotated[int, typer.Option(min=1, help="How many neighbours.")] = 4,
    among: Annotated[int, typer.Option(min=1, help="Look among so many frequent words.")] = 1000,
    metric: Annotated[str, typer.Option(help="cosine, euclidean or both.")] = "both",
    as_json: Json = False,
) -> None:
    """List the nearest words by the input embeddings."""
    from dataclasses import asdict

    from wordlab.inspection.neighbours import METRICS, nearest, neighbours_table
    from wordlab.runs.run import Run

    if metric not in (*METRICS, "both"):
        allowed = ", ".join((*METRICS, "both"))
        raise WordlabError(f"{metric!r} is no metric; allowed: {allowed}", where="--metric")
    opened = Run.load(run)
    vectors = opened.word_vectors()
    found = [
        item
        for kind in METRICS
        if metric in (kind, "both")
        for item in nearest(
            vectors, opened.vocabulary, words, count=count, among=among, metric=kind
        )
    ]
    if as_json:
        show_json([asdict(item) for item in found])
    else:
        show([neighbours_table(found, among)])
