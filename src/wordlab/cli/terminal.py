"""What commands share: printing tables, JSON and notes, and common options."""

import gc
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wordlab.table import Table, finite

Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder, made by wordlab train.")]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="SECTION.FIELD=VALUE", help="Change a setting; may be given again."
    ),
]

LayoutOption = Annotated[
    str, typer.Option("--layout", help="lines or running; else as the training text was read.")
]
TokensOption = Annotated[
    str, typer.Option("--tokens", help="spaces or words; else as the training text was read.")
]

JobsOption = Annotated[
    int,
    typer.Option("--jobs", min=0, help="Read large texts in so many processes; 0: all cores."),
]


@contextmanager
def loading() -> Iterator[None]:
    """Import large libraries in a sixth less time: none of what they make is garbage yet."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def show(tables: Iterable[Table]) -> None:
    """Print tables, a blank line between."""
    from wordlab.rendering.tables import as_text

    print("\n".join(as_text(table) for table in tables), end="", flush=True)


def show_json(value: Any) -> None:
    """Print one JSON value; numbers that JSON cannot hold are null."""
    print(json.dumps(finite(value), ensure_ascii=False, indent=2, allow_nan=False), flush=True)


def note(text: str) -> None:
    """Tell the user something that is not a result, on standard error."""
    print(text, file=sys.stderr, flush=True)


def picture_format(path: Path) -> str:
    """The picture format that a file's ending names.

    Raises:
        WordlabError: where it names none.
    """
    from wordlab.errors import WordlabError
    from wordlab.rendering.charts import CHART_RENDERERS

    kind = path.suffix.removeprefix(".").lower()
    if kind not in CHART_RENDERERS:
        raise WordlabError(
            CHART_RENDERERS.refusal(kind), where=str(path), mend="end the name in one of these"
        )
    return kind


def write_chart(chart: Any, path: Path) -> None:
    """Write a chart in the format that the file's ending names.

    Raises:
        WordlabError: where the ending names no picture format.
    """
    from wordlab.rendering.charts import CHART_RENDERERS
    from wordlab.runs.files import write_whole

    write_whole(path, CHART_RENDERERS[picture_format(path)](chart))
