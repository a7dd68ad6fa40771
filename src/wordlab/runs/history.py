"""The history of a training in its run folder: a line of JSON for each finished epoch."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from wordlab.errors import WordlabError
from wordlab.runs.files import write_whole
from wordlab.training.progress import Epoch

HISTORY = "history.jsonl"


def write_history(folder: Path, epochs: Iterable[Epoch]) -> None:
    """Write what each epoch did."""
    rows = (json.dumps(asdict(epoch)) + "\n" for epoch in epochs)
    write_whole(folder / HISTORY, "".join(rows).encode())


def read_history(folder: Path) -> list[Epoch]:
    """Read what each epoch did; empty where none is finished.

    Raises:
        WordlabError: where the file is damaged.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Epoch(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise WordlabError(f"is no training history: {error}", where=str(path)) from None
