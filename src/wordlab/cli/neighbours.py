"""`wordlab neighbours`: the words nearest to a word."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.inspection.words.neighbours import Metric


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(neighbours)


def neighbours(
    run: RunFolder,
    words: Annotated[list[str] | None, typer.Argument(help="Words of the vocabulary.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many neighbours.")] = 4,
    among: Annotated[int, typer.Option(min=1, help="Look among so many frequent words.")] = 1000,
    metric: Annotated[str, typer.Option(help="cosine, euclidean or both.")] = "both",
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--beside", help="Another run: how far both agree on neighbours; may be given again."
        ),
    ] = None,
    analogy: Annotated[
        tuple[str, str, str] | None,
        typer.Option("--analogy", metavar="A B C", help="A is to B as C is to which word?"),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the nearest words by the word vectors; how stable they are over runs; analogies."""
    from wordlab.inspection.words.neighbours import METRICS

    if metric not in (*METRICS, "both"):
        allowed = ", ".join((*METRICS, "both"))
        raise WordlabError(f"{metric!r} is no metric; allowed: {allowed}", where="--metric")
    if analogy and (words or beside):
        raise WordlabError("goes without further words and --beside", where="--analogy")
    chosen: list[Metric] = [kind for kind in METRICS if metric in (kind, "both")]
    if analogy:
        _solve(run, analogy, count, among, as_json)
    elif beside:
        _compare([run, *beside], words or [], count, among, chosen, as_json)
    elif words:
        _list(run, words, count, among, chosen, as_json)
    else:
        raise WordlabError("names no word", mend="name some, or --beside RUN, or --analogy A B C")


def _list(
    run: Path, words: list[str], count: int, among: int, metrics: "list[Metric]", as_json: bool
) -> None:
    from dataclasses import asdict

    from wordlab.inspection.words.neighbours import nearest, neighbours_table
    from wordlab.inspection.words.space import RunWords

    space = RunWords.load(run).best
    found = [
        item
        for kind in metrics
        for item in nearest(
            space.vectors, space.vocabulary, words, count=count, among=among, metric=kind
        )
    ]
    if as_json:
        show_json([asdict(item) for item in found])
    else:
        show([neighbours_table(found, among)])


def _compare(
    runs: list[Path],
    words: list[str],
    count: int,
    among: int,
    metrics: "list[Metric]",
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from wordlab.inspection.words.space import RunWords
    from wordlab.inspection.words.stability import neighbour_stability, stability_table

    spaces = [RunWords.load(path).best for path in runs]
    found = [
        neighbour_stability(spaces, words, count=count, among=among, metric=kind)
        for kind in metrics
    ]
    if as_json:
        show_json([asdict(each) for each in found])
    else:
        show(stability_table(each) for each in found)


def _solve(
    run: Path, question: tuple[str, str, str], count: int, among: int, as_json: bool
) -> None:
    from dataclasses import asdict

    from wordlab.inspection.words.analogies import analogy_table, solve_analogy
    from wordlab.inspection.words.space import RunWords

    found = solve_analogy(RunWords.load(run).best, question, count=count, among=among)
    if as_json:
        show_json(asdict(found))
    else:
        show([analogy_table(found)])
