"""`wordlab map`: the words' vectors in the plane."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, note, show, show_json, write_chart
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="map")(draw_map)


def draw_map(
    run: RunFolder,
    words: Annotated[int, typer.Option(min=3, help="So many frequent words.")] = 500,
    method: Annotated[str, typer.Option(help="pca, tsne or as-is.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of t-SNE.")] = 1,
    colour: Annotated[
        str,
        typer.Option(
            help="frequency; class (taggers: a word's most frequent label); or a file, a word and "
            "its group on each line, a tab between."
        ),
    ] = "",
    beside: Annotated[
        Path | None,
        typer.Option("--beside", help="Another run, turned onto this one and drawn beside it."),
    ] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="The best epoch beside the last checkpoint.")
    ] = False,
    moved: Annotated[
        int, typer.Option(min=1, help="So many words that moved most between the two.")
    ] = 20,
    out: Annotated[
        list[Path],
        typer.Option("--out", help="File to write (.html, .svg, .png); may be given again."),
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Draw a map of the most frequent words, of one run or of two beside each other."""
    from wordlab.inspection.words.alignment import align, alignment_table, moved_table
    from wordlab.inspection.words.groups import word_groups
    from wordlab.inspection.words.maps import aligned_map, word_map
    from wordlab.inspection.words.space import RunWords

    if beside is not None and checkpoints:
        raise WordlabError("goes without --beside", where="--checkpoints")
    own = RunWords.load(run)
    space = own.best
    groups = word_groups(own, colour) if colour else None
    if beside is None and not checkpoints:
        chart = word_map(
            space.vectors, space.vocabulary, words=words, method=method, seed=seed, groups=groups
        )
        tables = {}
    else:
        other = own.last if beside is None else RunWords.load(beside).best
        aligned = align(space, other)
        chart = aligned_map(aligned, words=words, method=method, seed=seed, groups=groups)
        tables = {
            "alignment": alignment_table(aligned),
            "moved": moved_table(aligned, words, moved),
        }
    for path in out or [run / "map.html", run / "map.svg", run / "map.png"]:
        write_chart(chart, path)
        note(f"map: {path}")
    if not as_json:
        show(tables.values())
    elif tables:
        figures = {name: table.records() for name, table in tables.items()}
        show_json({**figures, "map": chart.table.records()})
    else:
        show_json(chart.table.records())
