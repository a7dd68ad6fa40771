"""Texts as numbers of their words: pieces, put together in their order."""

import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from wordlab.corpus.pieces import (
    Piece,
    is_kept,
    new_piece,
    numbers_of,
    piece_of,
    stretches_of,
    write_piece,
)
from wordlab.corpus.readers import Stretch, report_read
from wordlab.corpus.spellings import Numbers, Spellings
from wordlab.corpus.text import OWN_LAYOUTS, OWN_TOKENIZERS, Text, TextSettings
from wordlab.corpus.workers import Worker
from wordlab.errors import WordlabError

BYTES_WORTH_A_PROCESS = 1 << 24
"""A process takes about as long to begin as it takes to read this."""


@dataclass(frozen=True)
class NumberedText:
    """A text as numbers of its words.

    Attributes:
        words: the different words as spelled, first seen first; number k is at place k - 1.
        pieces: its pieces in order, each with the number here of each of its own numbers.
    """

    words: list[str]
    pieces: list[tuple[Piece, Numbers]]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def number_text(text: Text, folder: Path, jobs: int) -> NumberedText:
    """Number a text, piece by piece, into files in a folder; what is there is not done again.

    Args:
        jobs: processes at most; there are no more than are worth beginning.

    Raises:
        WordlabError: where it cannot be read or has no word; of several faults, the first.
    """
    index: dict[str, int] = {}
    pieces = []
    with closing(_numbered(text, folder, jobs)) as numbered:
        for piece in numbered:
            own = [index.setdefault(word, len(index) + 1) for word in piece.words]
            pieces.append((piece, np.array([0, *own], dtype=np.uint32)))
    if not index:
        raise WordlabError("there is no word in it", where=text.name)
    return NumberedText(list(index), pieces)


def _numbered(text: Text, folder: Path, jobs: int) -> Generator[Piece]:
    """Yield the pieces of a text in order, each when it is done."""
    settings = text.settings
    if text.lines:
        piece, spellings = new_piece(folder), Spellings()
        sentences = Text((), settings, text.lines).sentences()
        piece.write(numbers_of(spellings, (sentence.words for sentence in sentences)), spellings)
        yield piece
    stretches = [stretch for path in text.paths for stretch in stretches_of(path, settings)]
    places = [(stretch, piece_of(stretch, settings, folder)) for stretch in stretches]
    sizes = [stretch.size for stretch, piece in places if not piece.is_there]
    jobs = min(jobs, len(sizes), sum(sizes) // BYTES_WORTH_A_PROCESS)
    if jobs < 2 or settings.layout not in OWN_LAYOUTS or settings.tokens not in OWN_TOKENIZERS:
        for stretch, piece in places:
            if piece.is_there:
                report_read(stretch.size)
            else:
                write_piece(stretch, settings, piece)
            yield piece
        return
    with _shared_out(places, settings, jobs) as done:
        for (stretch, piece), _ in zip(places, done, strict=True):
            report_read(stretch.size)
            yield piece


@contextmanager
def _shared_out(
    places: Sequence[tuple[Stretch, Piece]], settings: TextSettings, jobs: int
) -> Iterator[Iterator[None]]:
    """Write pieces in several processes; yield what goes through them in order as they are done."""
    workers = [Worker(settings) for _ in range(jobs)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def write(place: tuple[Stretch, Piece]) -> None:
        stretch, piece = place
        if piece.is_there:
            return
        if not is_kept(stretch.path):  # standard input is this process's own
            write_piece(stretch, settings, piece)
            return
        worker = idle.get()
        try:
            worker.write_piece(stretch, piece)
        finally:
            idle.put(worker)

    executor = ThreadPoolExecutor(jobs)
    try:
        yield executor.map(write, places)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.stop()
        executor.shutdown()
        for worker in workers:
            worker.close()
