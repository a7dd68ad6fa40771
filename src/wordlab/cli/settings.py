"""`wordlab settings`: every setting there is."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(settings)


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """List every setting with its default and meaning."""
    from wordlab.inspection.settings import settings_tables
    from wordlab.rendering.tables import as_markdown

    tables = settings_tables()
    if as_json:
        show_json([row for table in tables for row in table.records()])
    elif markdown:
        print("# Settings\n\nPrinted by `wordlab settings --markdown`.\n")
        print("\n".join(as_markdown(table) for table in tables), end="")
    else:
        show(tables)
