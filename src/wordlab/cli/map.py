"""`wordlab map`: the words' vectors in the plane."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, note, show_json, write_chart


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="map")(draw_map)


def draw_map(
    run: RunFolder,
    words: Annotated[int, typer.Option(min=3, help="So many frequent words.")] = 500,
    method: Annotated[str, typer.Option(help="pca, tsne or as-is.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of t-SNE.")] = 1,
    out: Annotated[
        list[Path],
        typer.Option("--out", help="File to write (.html, .svg, .png); may be given again."),
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Draw a map of the most frequent words."""
    from wordlab.inspection.maps import word_map
    from wordlab.runs.run import Run

    opened = Run.load(run)
    chart = word_map(
        opened.word_vectors(), opened.vocabulary, words=words, method=method, seed=seed
    )
    for path in out or [run / "map.html", run / "map.svg", run / "map.png"]:
        write_chart(chart, path)
        note(f"map: {path}")
    if as_json:
        show_json(chart.table.records())
