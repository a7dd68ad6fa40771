"""A sweep: trainings of a grid of settings in processes of their own, on POSIX systems.

What is done is told by the folder alone: a training that has left its figures is finished, one
with a run folder is resumed, any other is begun. So a sweep may be stopped or killed at any
moment, and the same command, or one with more values, goes on.
"""

import ctypes
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wordlab.config import apply_overrides, read_json, split_values
from wordlab.errors import WordlabError
from wordlab.runs.environment import read_environment
from wordlab.runs.files import write_json
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.opening import settings_of
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_settings import TaggerRunSettings

CELLS, LOCK = "cells", "sweep.lock"

POLL_SECONDS = 0.05
LOCK_SECONDS = 10.0
"""How long to wait for the trainings of a killed sweep to save themselves and end."""
STOP_SECONDS = 60.0
"""How long a training may take to save itself when it is stopped; then it is killed."""

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Cell:
    """One training of a sweep.

    Attributes:
        values: the settings that the sweep varies, as they were written, in order.
        changes: all settings given, each as SECTION.FIELD=VALUE, without the seed.
        settings: of the run, of either kind; they decide the cell's name, so the same settings
            are trained once.
    """

    values: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]
    seed: int
    settings: RunSettings | TaggerRunSettings

    @property
    def label(self) -> str:
        """What tells the cell apart, for a reader: the values and the seed."""
        return " ".join([*(f"{name}={value}" for name, value in self.values), f"seed {self.seed}"])

    @cached_property
    def name(self) -> str:
        """Of its folder: readable first, then a fingerprint of all settings."""
        parts = [f"{name.split('.')[-1]}={value}" for name, value in self.values]
        readable = ",".join([*parts, f"seed={self.seed}"])
        kept = "".join(
            c if c.isascii() and (c.isalnum() or c in ".,=+-") else "_" for c in readable
        )
        plain = json.dumps(self.settings.model_dump(mode="json"), sort_keys=True)
        return f"{kept[:100]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: the figures that its training printed, or why there are none."""

    cell: Cell
    figures: dict[str, Any] | None
    error: str = ""


def cells_of(
    settings_with: Callable[[Sequence[str]], dict[str, Any]],
    changes: Sequence[str],
    seeds: int,
    *,
    source: str,
) -> list[Cell]:
    """Lay out the grid: each combination of values, the last setting varying fastest, each seed.

    Args:
        settings_with: plain settings with changes of the form SECTION.FIELD=VALUE made.
        changes: each SECTION.FIELD=VALUE,VALUE ..; see `split_values`. One value holds for all.
        seeds: training.seed runs from 1 to so many.
        source: where the settings come from, for messages.

    Raises:
        WordlabError: where a cell's settings are wrong, two cells have the same, or the cells
            are not of one task.
    """
    axes = [_axis(change) for change in changes]
    names = [name for name, _ in axes]
    for name in names:
        if names.count(name) > 1:
            raise WordlabError("is given twice", where=f"--set {name}")
    varied = {name for name, values in axes if len(values) > 1}
    if "task" in varied:
        raise WordlabError("no figure compares language models with taggers", where="--set task")
    cells = []
    for combination in itertools.product(*(values for _, values in axes)):
        pairs = tuple(zip(names, combination, strict=True))
        given = tuple(f"{name}={value}" for name, value in pairs)
        values = tuple((name, value) for name, value in pairs if name in varied)
        for seed in range(1, seeds + 1):
            data = apply_overrides(settings_with(given), [f"training.seed={seed}"])
            cells.append(Cell(values, given, seed, settings_of(data, source)))
    seen: dict[str, Cell] = {}
    for cell in cells:
        before = seen.setdefault(cell.name.rsplit("-", 1)[1], cell)
        if before is not cell:
            raise WordlabError(
                f"{before.label} and {cell.label} are the same training",
                where="--set",
                mend="write a value once, and the type of a part before the part's settings",
            )
    return cells


def _axis(change: str) -> tuple[str, list[str]]:
    name, equals, text = change.partition("=")
    name = name.strip()
    if not equals or not name:
        raise WordlabError(
            f"{change!r} is not of the form section.field=value,value", where="--set"
        )
    if name == "training.seed":
        raise WordlabError("the seeds run from 1 to --seeds", where=f"--set {name}")
    try:
        return name, split_values(text)
    except WordlabError as error:
        raise WordlabError(
            error.what, where=f"--set {name}", mend="set lists in brackets: [128],[256,64]"
        ) from None


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep keeps its cells: for each a run folder, its figures and what it said."""

    path: Path

    def run_folder(self, cell: Cell) -> Path:
        """The cell's run folder."""
        return self.path / CELLS / cell.name

    def log(self, cell: Cell) -> Path:
        """The file with what the cell's training said on standard error."""
        return self.path / CELLS / f"{cell.name}.log"

    def _figures_file(self, cell: Cell) -> Path:
        return self.path / CELLS / f"{cell.name}.json"

    def figures(self, cell: Cell) -> dict[str, Any] | None:
        """The figures of a finished cell; None of any other."""
        path = self._figures_file(cell)
        if not path.exists():
            return None
        found = read_json(path)
        if not isinstance(found, dict):
            raise WordlabError("holds no figures", where=str(path), mend="delete it")
        return found

    def keep(self, cell: Cell, figures: dict[str, Any]) -> dict[str, Any]:
        """Write a finished cell's figures, with what its validation text was, and return them."""
        data = read_environment(self.run_folder(cell)).get("data", {})
        text = data.get("validation", {})
        prints = {key: text.get(key) for key in ("vocabulary", "sha256")}
        whole = {**figures, "validation_text": prints}
        write_json(self._figures_file(cell), whole)
        return whole

    @contextmanager
    def held(self) -> Iterator[int]:
        """Keep other sweeps out while the context lasts; yield the lock's file descriptor.

        The trainings inherit it, so it holds until the last of them has ended.

        Raises:
            WordlabError: where the folder is something else's, or a sweep is at work in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise WordlabError("is a file, not a folder", where=str(self.path))
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / CELLS).is_dir():
            raise WordlabError(
                "is there already and is no sweep's folder",
                where=str(self.path),
                mend="choose another folder with --run",
            )
        try:
            (self.path / CELLS).mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise WordlabError(error.strerror or str(error), where=str(self.path)) from None
        try:
            _lock(descriptor, self.path)
            yield descriptor
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > give_up:
                raise WordlabError(
                    "another sweep is at work in it",
                    where=str(path),
                    mend="let it end, or choose another folder with --run",
                ) from None
            time.sleep(POLL_SECONDS)


def run_cells(
    folder: SweepFolder,
    cells: Sequence[Cell],
    command: Callable[[Cell], Sequence[str]],
    *,
    jobs: int,
    threads: int,
    lock: int,
) -> Generator[Outcome, None, None]:
    """Train the cells, `jobs` at a time, and yield each as it ends; a failure stops no other.

    When the generator is closed, or Ctrl-C comes, the trainings under way save a checkpoint and
    stop. Where the sweep itself is killed, they do so too, on Linux; elsewhere they train on to
    their own ends.

    Args:
        command: the arguments of `wordlab` that begin a cell's training.
        threads: of each training (OMP_NUM_THREADS).
        lock: a file descriptor that the trainings inherit.
    """
    waiting, at_work = deque(cells), list[tuple[Cell, subprocess.Popen[bytes]]]()
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                cell = waiting.popleft()
                at_work.append((cell, _start(folder, cell, command, threads, lock)))
            ended = [pair for pair in at_work if pair[1].poll() is not None]
            for pair in ended:
                at_work.remove(pair)
                yield _outcome(folder, pair[0], pair[1].returncode)
            if not ended:
                time.sleep(POLL_SECONDS)
    finally:
        _stop([process for _, process in at_work])


def _start(
    folder: SweepFolder,
    cell: Cell,
    command: Callable[[Cell], Sequence[str]],
    threads: int,
    lock: int,
) -> subprocess.Popen[bytes]:
    run = folder.run_folder(cell)
    if (run / SETTINGS).exists():
        arguments: Sequence[str] = ["resume", str(run), "--json"]
    else:
        shutil.rmtree(run, ignore_errors=True)  # killed before its texts were prepared
        arguments = command(cell)
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def before_start() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    with _printed(folder, cell).open("wb") as out, folder.log(cell).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wordlab", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            process_group=0,  # Ctrl-C reaches the sweep alone, which passes it on once
            pass_fds=(lock,),
            preexec_fn=before_start,
        )


def _printed(folder: SweepFolder, cell: Cell) -> Path:
    return folder.path / CELLS / f"{cell.name}.out"


def _outcome(folder: SweepFolder, cell: Cell, status: int) -> Outcome:
    """Keep the figures of a training that has ended well, or say how it ended."""
    printed = _printed(folder, cell)
    try:
        if status:
            return Outcome(cell, None, _last_words(folder.log(cell), status))
        figures = printed.read_text(encoding="utf-8")
        if not figures.strip():
            return Outcome(cell, None, "ended without a finished epoch")
        return Outcome(cell, folder.keep(cell, json.loads(figures)))
    except WordlabError as error:
        return Outcome(cell, None, str(error))
    finally:
        printed.unlink(missing_ok=True)


def _last_words(log: Path, status: int) -> str:
    """The fault that a training ended with, or the signal that ended it."""
    if status < 0:
        return f"killed by signal {-status} ({signal.Signals(-status).name})"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").split("\n")]
    faults = [line.removeprefix("wordlab: ") for line in lines if line.startswith("wordlab: ")]
    return (faults or [line for line in lines if line] or [f"exit status {status}"])[-1]


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Have trainings save and stop; kill those that do not, or all at a second Ctrl-C."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    give_up = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            process.wait(max(0.0, give_up - time.monotonic()))
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
