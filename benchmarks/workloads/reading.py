"""From a text file to numbers on disk: Python's own words and dictionaries, and ours.

Plain splits each line, looks each word up in a dictionary and writes the numbers as they come; ours
also reads the text whole, sorts the vocabulary by count, and can be killed at any moment. The text
is drawn: 38 MB of words of one to eight letters, p(rank) ~ 1 / rank.
"""

import atexit
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wordlab.corpus.preparation import prepare
from wordlab.corpus.text import read_text
from wordlab.corpus.vocabulary import VocabularySettings
from workloads.workload import Call, Workload

TYPES, SENTENCES, LENGTH = 50_000, 320_000, 21


def drawn(path: Path) -> int:
    """Write the text; return its bytes."""
    draw = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfw"))
    words = ["".join(letters[draw.integers(0, 16, size)]) for size in draw.integers(1, 9, TYPES)]
    share = 1 / np.arange(1, TYPES + 1)
    rows = draw.choice(TYPES, (SENTENCES, LENGTH), p=share / share.sum())
    path.write_text("".join(" ".join(words[i] for i in row) + "\n" for row in rows.tolist()))
    return path.stat().st_size


def plain(path: Path, folder: Path) -> Call:
    """Python."""

    def call(number: int) -> float:
        index: dict[str, int] = {}
        numbers = array("i")
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                numbers.extend([index.setdefault(word, len(index)) for word in line.split()])
                numbers.append(-1)
        (folder / "plain.ids").write_bytes(numbers.tobytes())
        return 0.0

    return call


def ours(path: Path, folder: Path) -> Call:
    """Ours, as `wordlab train --jobs 1` reads."""

    def call(number: int) -> float:
        prepare(read_text(path), {}, VocabularySettings(), folder / "corpus")
        return 0.0

    return call


def workloads(full: bool) -> Iterator[Workload]:
    """One text."""
    folder = Path(tempfile.mkdtemp(prefix="reading-"))
    atexit.register(shutil.rmtree, folder)
    path = folder / "text.txt"
    size = drawn(path)
    contenders = {"plain Python": plain(path, folder), "wordlab": ours(path, folder)}
    title = f"read a text of {size / 1e6:.0f} MB"
    yield Workload("reading", title, "bytes", size, 0, contenders, calls=1, losses=1)
