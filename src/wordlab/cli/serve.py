"""`wordlab serve`: runs as a web service on this machine."""

import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import note
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, made by wordlab train.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own are open.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any.")] = 8765,
    allow_host: Annotated[
        list[str],
        typer.Option("--allow-host", help="A name to be asked for under; may be given again."),
    ] = [],  # noqa: B006
    at_once: Annotated[int, typer.Option(min=1, help="Requests answered at the same time.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.1, help="Longest time for an answer.")] = 30.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads for a model's arithmetic.")] = 1,
) -> None:
    """Answer over HTTP: a page for people at /, JSON for programs at /v1."""
    try:
        from wordlab.server.app import build_app
        from wordlab.server.guard import Guard
        from wordlab.server.listening import listen, open_port
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise WordlabError(
            f"serving needs the package {error.name}", mend="pip install 'wordlab[serve]'"
        ) from None
    from wordlab.server.limits import Limits
    from wordlab.server.served import Shelf

    limits = Limits(at_once=at_once, seconds=seconds)
    with open_port(host, port) as listener:
        shelf = Shelf(runs)
        place = listener.getsockname()
        shown = f"[{place[0]}]" if ":" in place[0] else place[0]
        if not ipaddress.ip_address(place[0]).is_loopback:
            note(f"warning: whoever reaches {host} may ask; there is no password")
        app = Guard(build_app(shelf, limits, threads), limits, [host, *allow_host])
        listen(
            app,
            listener,
            limits,
            lambda: note(f"{', '.join(shelf.runs)} at http://{shown}:{place[1]}/ (Ctrl-C to stop)"),
        )
