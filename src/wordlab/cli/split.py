"""`wordlab split`: labelled text into parts for training and validation, and what they share."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.check import SchemeOption, TagColumn, WordColumn, labelled_settings
from wordlab.cli.terminal import Json, note, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(split)


def split(
    files: Annotated[list[str], typer.Argument(help="Labelled files: columns or JSON lines.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where to put the parts.")] = Path("."),
    parts: Annotated[
        str, typer.Option("--parts", help="Names and shares.")
    ] = "train=0.8,validation=0.2",
    by: Annotated[str, typer.Option("--by", help="What stays together: document or sentence.")] = (
        "document"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the shuffling.")] = 1,
    to_scheme: Annotated[
        str, typer.Option("--to-scheme", help="Tagging scheme of the parts.")
    ] = "IOB2",
    scheme: SchemeOption = "",
    word_column: WordColumn = None,
    tag_column: TagColumn = None,
    as_json: Json = False,
) -> None:
    """Deal documents out into parts, each type in its share, and report what the parts share."""
    from wordlab.corpus.labelled import splitting
    from wordlab.corpus.labelled.doctor import read_labelled
    from wordlab.corpus.labelled.schemes import SCHEMES
    from wordlab.corpus.labelled.writing import WRITERS, WritingOptions
    from wordlab.errors import WordlabError
    from wordlab.runs.files import write_whole
    from wordlab.table import Table

    shares = _shares(parts)
    if by not in ("document", "sentence"):
        raise WordlabError(
            f"{by!r} is nothing to split by", where="--by", mend="allowed: document, sentence"
        )
    options = WritingOptions(SCHEMES[to_scheme].name, path=", ".join(files))
    sentences = read_labelled(files, labelled_settings(scheme, word_column, tag_column))
    if by == "document" and len({sentence.document for sentence in sentences}) == 1:
        note("note: the files mark no documents, so sentences are dealt out one by one")
        by = "sentence"
    dealt = splitting.split(sentences, list(shares.values()), by=by, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(shares, dealt, strict=True):
        write_whole(folder / f"{name}.iob2", "".join(WRITERS["columns"](part, options)).encode())
    types = sorted({span.type for sentence in sentences for span in sentence.spans})
    rows: list[tuple[str | int, ...]] = [
        (
            str(folder / f"{name}.iob2"),
            len({sentence.document for sentence in part}),
            len(part),
            sum(len(sentence.words) for sentence in part),
            *(sum(s.type == kind for x in part for s in x.spans) for kind in types),
        )
        for name, part in zip(shares, dealt, strict=True)
    ]
    table = Table.of("Parts", ("file", "documents", "sentences", "words", *types), rows)
    first, *others = shares
    shared = {
        name: splitting.leaks(dealt[0], part) for name, part in zip(others, dealt[1:], strict=True)
    }
    if as_json:
        show_json(
            {
                "parts": table.records(),
                "leaks": {
                    name: {
                        "sentences": len(found.known),
                        "of_sentences": found.sentences,
                        "names": found.known_names,
                        "of_names": found.names,
                    }
                    for name, found in shared.items()
                },
            }
        )
    else:
        show([table, *(found.table(f"{name} ({first})") for name, found in shared.items())])


def _shares(parts: str) -> dict[str, float]:
    """Read `train=0.8,validation=0.2`."""
    from wordlab.errors import WordlabError

    found: dict[str, float] = {}
    for item in parts.split(","):
        name, _, share = item.partition("=")
        name = name.strip()
        try:
            found[name] = float(share)
        except ValueError:
            name = ""
        if not name or "/" in name or not found[name] > 0:
            raise WordlabError(
                f"{item!r} is no name and share", where="--parts", mend="for example train=0.8"
            )
    if len(found) < 2 or abs(sum(found.values()) - 1) > 1e-6:
        raise WordlabError(
            f"{parts!r} is not two parts or more whose shares add up to 1", where="--parts"
        )
    return found
