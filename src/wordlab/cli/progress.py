"""Progress of long work: a bar with the time left on a terminal; of training, lines elsewhere."""

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from wordlab.cli.terminal import note
from wordlab.corpus.readers import observed
from wordlab.evaluation.cross_entropy import scoring_observed
from wordlab.training.progress import Epoch, Step

if TYPE_CHECKING:
    from wordlab.runs.kept_training import KeptTraining

R = TypeVar("R")

_HEAD = f"{'epoch':>5} {'left out':>8} {'train nats':>10} {'val nats':>9} {'val ppl':>9}"
_HEAD += f" {'val top-1':>9} {'tokens/s':>9} {'seconds':>8}"
_TAGGER_HEAD = f"{'epoch':>5} {'train nats':>10} {'val nats':>9} {'val right':>9} {'val F1':>9}"
_TAGGER_HEAD += f" {'words/s':>9} {'seconds':>8}"


_SMALL_BYTES = 20_000_000
"""Texts that are read in a moment need no bar."""

_SHORT_SECONDS = 1.0
"""Nor does scoring that is done in one."""


def train_and_show(training: "KeptTraining[R]") -> R:
    """Train to the end, with a row for each epoch; Ctrl-C saves, keeps the best and stops.

    Raises:
        KeyboardInterrupt: after the checkpoint is written, if the user pressed Ctrl-C.
    """
    from wordlab.runs.tagger_training import TaggerTraining

    note(_TAGGER_HEAD if isinstance(training, TaggerTraining) else _HEAD)
    with _stop_on_interrupt(training) as interrupted, _bar() as bar:
        for epoch in training.epochs(bar.step):
            bar.row(epoch)
    if interrupted:
        best = training.trainer.progress.best
        kept = f"the best model so far, of epoch {best.epoch}," if best else "a checkpoint"
        note(f"stopped; {kept} is in {training.path}; go on: wordlab resume {training.path}")
        raise KeyboardInterrupt
    return training.finish()


def train_along(training: "KeptTraining[Any]") -> None:
    """Train to the end beside the first rank, which shows how it goes."""
    with _stop_on_interrupt(training):
        for _ in training.epochs():
            pass


@contextmanager
def _stop_on_interrupt(training: "KeptTraining[R]") -> Iterator[list[int]]:
    """Let the batch under way finish at the first Ctrl-C; a second one interrupts at once."""
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        training.trainer.stop()

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not in the main thread: there is no Ctrl-C to catch
        yield caught
        return
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)


class _Bar:
    """Rows on standard error, over a progress bar if that is a terminal."""

    def __init__(self, live: Any = None) -> None:
        self._live = live
        self._task = None if live is None else live.add_task("training", total=1.0, nats="")

    def step(self, step: Step) -> None:
        """Move the bar."""
        if self._live is not None:
            self._live.update(
                self._task,
                completed=step.share,
                nats=f"epoch {step.epoch}/{step.epochs} "
                f"{step.seen_targets:,}/{step.targets:,} targets "
                f"{step.seen_nats:.3f} nats {step.tokens_per_second:,.0f} tokens/s",
            )

    def row(self, epoch: Epoch) -> None:
        """Print an epoch's row; a star marks the best so far."""
        line = _tagger_row(epoch) if epoch.validation_f1 is not None else _row(epoch)
        line += " *" if epoch.best else ""
        if epoch.event:
            line += f"\n      {epoch.event}"
        if self._live is None:
            note(line)
        else:
            self._live.console.print(line, highlight=False, markup=False)


def _row(epoch: Epoch) -> str:
    perplexity = math.exp(min(epoch.validation_nats, 700))
    return (
        f"{epoch.epoch:>5} {epoch.left_out:>8} {epoch.train_nats:>10.4f} "
        f"{epoch.validation_nats:>9.4f} {perplexity:>9.2f} "
        f"{100 * epoch.validation_accuracy:>7.2f} % {epoch.tokens_per_second:>9,.0f} "
        f"{epoch.seconds:>8.1f}"
    )


def _tagger_row(epoch: Epoch) -> str:
    return (
        f"{epoch.epoch:>5} {epoch.train_nats:>10.4f} {epoch.validation_nats:>9.4f} "
        f"{100 * epoch.validation_accuracy:>7.2f} % {100 * (epoch.validation_f1 or 0):>7.2f} % "
        f"{epoch.tokens_per_second:>9,.0f} {epoch.seconds:>8.1f}"
    )


@contextmanager
def reading_shown(paths: Sequence[str]) -> Iterator[None]:
    """On a terminal, show how much of the texts is read, and the time left."""
    sizes = [Path(path).stat().st_size for path in paths if Path(path).is_file()]
    if not sys.stderr.isatty() or sum(sizes) < _SMALL_BYTES:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("reading"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as live:
        task = live.add_task("reading", total=sum(sizes))
        waiting = 0

        def read(count: int) -> None:
            nonlocal waiting
            waiting += count
            if waiting > 1 << 20:
                live.advance(task, waiting)
                waiting = 0

        with observed(read):
            yield


@contextmanager
def scoring_shown() -> Iterator[None]:
    """On a terminal, show how much of the text under way is scored, and the time left."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    live = Progress(
        TextColumn("scoring"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = live.add_task("scoring", total=None)
    began = time.monotonic()
    with ExitStack() as shown:

        def scored(targets: int, tokens: int) -> None:
            if not live.live.is_started:
                if time.monotonic() - began < _SHORT_SECONDS:
                    return
                shown.enter_context(live)
            if targets < live.tasks[0].completed:  # another model, or another file
                live.reset(task, total=tokens)
            live.update(task, completed=targets, total=tokens)

        shown.enter_context(scoring_observed(scored))
        yield


@contextmanager
def rounds_shown(total: int) -> Iterator[Callable[[], None]]:
    """On a terminal, show how many rounds of a measurement are done; yield what to call of each."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as live:
        task = live.add_task("rounds", total=total)
        yield lambda: live.advance(task)


@contextmanager
def _bar() -> Iterator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[nats]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as live:
        yield _Bar(live)
