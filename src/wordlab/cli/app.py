"""The command `wordlab`: gathers the commands and turns faults into one line and a status."""

import os
import sys
from importlib import import_module

import typer

from wordlab.errors import WordlabError

_ABOUT = "Word-level language models and entity taggers: train, score and look inside your own."

app = typer.Typer(
    name="wordlab",
    help=_ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    "demo",
    "prepare",
    "check",
    "convert",
    "split",
    "train",
    "resume",
    "mix",
    "arpa",
    "evaluate",
    "compare",
    "score",
    "explain",
    "tag",
    "export",
    "generate",
    "neighbours",
    "map",
    "neurons",
    "prototypes",
    "probe",
    "report",
    "describe",
    "cost",
    "settings",
    "verify",
    "serve",
    "recipes",
    "sweep",
)
"""In the order of the help page. Each is a module of this folder that defines `register`."""

for _name in COMMANDS:
    import_module(f"wordlab.cli.{_name}").register(app)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    """Train, score and look inside word-level language models and entity taggers."""
    if version:
        from wordlab import __version__

        typer.echo(f"wordlab {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line: status 0 for success, 2 for a fault of input, 130 for Ctrl-C."""
    _open_streams()
    try:
        status = app(prog_name="wordlab", standalone_mode=False)
        sys.stdout.flush()
    except WordlabError as error:
        _fail(str(error), 2)
    except typer.TyperException as error:
        _fail(error.format_message(), 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}", 2)
    sys.exit(status if isinstance(status, int) else 0)


def _open_streams() -> None:
    """Make printing safe: closed streams swallow, and no letter is too strange for a terminal."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> None:
    line = " ".join(message.split("\n"))
    print(f"wordlab: {line}", file=sys.stderr)
    sys.exit(status)
