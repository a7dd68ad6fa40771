"""`wordlab export`: a run for others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, note, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.runs.run import Run
    from wordlab.runs.tagger_run import TaggerRun

ONNX = ".onnx"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run: RunFolder,
    out: Annotated[
        Path,
        typer.Argument(help="The folder to make; or a file that ends in .onnx, a .json beside it."),
    ],
    words: Annotated[
        str,
        typer.Option(
            "--words",
            help="Of a tagger: plain, or hashed: the list of words is not to be read.",
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            help="Of a language model's folder: float32, bfloat16 or int8, which is a quarter.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Pass a run on: a folder without its training text, or a network for other programs."""
    from wordlab.runs.opening import open_run
    from wordlab.runs.run import Run

    opened = open_run(run)
    if isinstance(opened, Run):
        if words:
            raise WordlabError("is of taggers, and this is a language model", where="--words")
        _language_model(opened, out, weights, as_json=as_json)
        return
    if weights:
        raise WordlabError("is of language models, and this is a tagger", where="--weights")
    _tagger(opened, out, words or "plain", as_json=as_json)


def _language_model(run: "Run", out: Path, weights: str, *, as_json: bool) -> None:
    from wordlab.runs.export.language_model import export_model
    from wordlab.runs.export.onnx_language_model import export_onnx_model

    if out.suffix != ONNX:
        made = export_model(run, out, weights=weights or "float32")
        note(f"wrote {out}")
        if as_json:
            show_json(made.as_json())
        else:
            show([made.table()])
        return
    if weights:
        raise WordlabError(
            "is of folders: a network in ONNX has float32",
            where="--weights",
            mend="leave it out, or name a folder",
        )
    _tell_network(out, export_onnx_model(run, out), as_json=as_json)


def _tagger(run: "TaggerRun", out: Path, words: str, *, as_json: bool) -> None:
    from wordlab.runs.export.folder import export_folder
    from wordlab.runs.export.onnx_file import export_onnx

    if out.suffix == ONNX:
        _tell_network(out, export_onnx(run, out, words=words), as_json=as_json)
        return
    export_folder(run, out, words=words)
    note(f"wrote {out}")
    if as_json:
        show_json({"run": str(out)})


def _tell_network(out: Path, about: Path, *, as_json: bool) -> None:
    note(f"wrote {out} and {about}")
    if as_json:
        show_json({"network": str(out), "about": str(about)})
