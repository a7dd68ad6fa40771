"""Processes that number pieces of a text, one after the other.

Each is a fresh Python that is told what to do on its standard input: nothing of the program that
asks is run again in it or shared with it, whatever threads that has.
"""

import json
import os
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

from wordlab.corpus.pieces import Piece, write_piece
from wordlab.corpus.readers import Stretch
from wordlab.corpus.text import TextSettings
from wordlab.errors import WordlabError

_PROGRAM = "from wordlab.corpus.workers import serve; serve()"


class Worker:
    """A process that numbers pieces for this one."""

    def __init__(self, settings: TextSettings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, settings.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,  # Ctrl-C reaches the program that asks, which stops this one
        )

    def write_piece(self, stretch: Stretch, piece: Piece) -> None:
        """Number a stretch, and wait until it is done.

        Raises:
            WordlabError: where it cannot be read or written, or the process was ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps([*astuple(stretch), str(piece.path)]) + "\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise WordlabError(
                f"the process that read it was ended (status {self._process.wait()})",
                where=stretch.path,
                mend="use less memory with fewer --jobs",
            )
        if fault := json.loads(answer):
            raise WordlabError(fault[0], where=fault[1], mend=fault[2])

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close what led to the process, when nobody waits for its answer any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def serve() -> None:
    """Number the pieces that standard input names, and answer each with its fault or null."""
    settings = TextSettings.model_validate_json(sys.argv[1])
    for line in sys.stdin:
        path, begin, end, place = json.loads(line)
        fault = None
        try:
            write_piece(Stretch(path, begin, end), settings, Piece(Path(place)))
        except WordlabError as error:
            fault = [error.what, error.where, error.mend]
        sys.stdout.write(json.dumps(fault) + "\n")
        sys.stdout.flush()
