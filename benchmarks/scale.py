"""A large text from raw file to training: seconds, MB/s and memory of each stage.

    WORDLAB_DATA=FOLDER python benchmarks/scale.py [--megabytes 1000] [--jobs N] [--steps 50]
                                                   [--set SECTION.FIELD=VALUE] [--json]

The text is made of the sentences of the Penn Treebank and of WikiText-2, shuffled anew in each
repetition, in a temporary folder that is removed. Each stage is a process of its own: `start`
prepares the text into a run folder (read, vocabulary, ids on disk), `epoch` opens that, begins an
epoch of a small network and ends after some steps. Memory is the most that the process and its own
had together in physical memory at a time, looked at ten times a second; pages of the ids, which are
mapped and can be dropped, are in it.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from wordlab.config import apply_overrides, validate
from wordlab.corpus.numbering import cores
from wordlab.rendering.tables import as_text
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.table import Column, Table
from wordlab.training.progress import Step

TEXTS = ("ptb/ptb.train.txt", "wikitext2/wiki.train.tokens")
VALIDATION = "ptb/ptb.valid.txt"
LIMIT_MIB = 2048


@dataclass(frozen=True)
class Stage:
    """What one stage took."""

    name: str
    seconds: float
    processor: float
    """Seconds of all cores together."""
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stage", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        {"start": start, "epoch": epoch}[options.stage](options)
        return
    with tempfile.TemporaryDirectory(prefix="scale-") as scratch:
        folder = Path(scratch)
        size = make_text(folder / "text.txt", options.megabytes * 10**6, options.seed)
        stages = [run_stage(name, folder) for name in ("start", "epoch")]
        tokens = json.loads((folder / "run" / "corpus" / "train.json").read_text())["tokens"]
    show(stages, size, tokens, options)


def make_text(path: Path, size: int, seed: int) -> int:
    """Write real sentences, shuffled, until there are so many bytes; return how many there are."""
    data = Path(os.environ["WORDLAB_DATA"])
    lines = [line for name in TEXTS for line in (data / name).read_text("utf-8").split("\n")]
    lines = [line.strip() for line in lines if line.strip()]
    draw = random.Random(seed)
    with path.open("wb") as stream:
        while (left := size - stream.tell()) > 0:
            draw.shuffle(lines)
            text = ("\n".join(lines) + "\n").encode()
            stream.write(text if len(text) <= left else text[: text.index(b"\n", left - 1) + 1])
        return stream.tell()


def run_stage(name: str, folder: Path) -> Stage:
    """Run a stage in a process of its own and watch it."""
    before = os.times()
    began = time.perf_counter()
    command = [sys.executable, __file__, *sys.argv[1:], "--stage", name, "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            peak[0] = max(peak[0], resident_kib(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        raise SystemExit(f"the stage {name} ended with status {status}")
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Stage(name, time.perf_counter() - began, used, peak[0] / 1024)


def resident_kib(process: int) -> int:
    """Physical memory of a process and of those that it started, KiB."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has just ended
        return 0
    own = int(status.split("VmRSS:")[1].split()[0]) if "VmRSS:" in status else 0
    return own + sum(resident_kib(int(child)) for child in children)


def settings_of(options: argparse.Namespace) -> RunSettings:
    """A small network, with what the command line changes."""
    given = ["vocabulary.size=10000", "model.embedding=32", "model.hidden=64", *options.overrides]
    data = apply_overrides({}, given)
    validation = str(Path(os.environ["WORDLAB_DATA"]) / VALIDATION)
    data["data"] = {"train": [str(options.folder / "text.txt")], "validation": [validation]}
    return validate(RunSettings, data, source="--set")


def start(options: argparse.Namespace) -> None:
    """Prepare the text into a run folder."""
    TrainingRun.start(settings_of(options), options.folder / "run", jobs=options.jobs)


def epoch(options: argparse.Namespace) -> None:
    """Open the run, train for some steps, and end."""
    training = TrainingRun.resume(options.folder / "run")
    done = 0

    def count(step: Step) -> None:
        nonlocal done
        done += 1
        if done >= options.steps:
            training.trainer.stop()

    for _ in training.epochs(count):
        pass


def show(stages: list[Stage], size: int, tokens: int, options: argparse.Namespace) -> None:
    """Print the figures."""
    if options.json:
        found = [{**vars(stage), "megabytes_a_second": size / 1e6 / stage.seconds}
                 for stage in stages]  # fmt: skip
        print(json.dumps({"bytes": size, "tokens": tokens, "jobs": options.jobs,
                          "limit_mib": LIMIT_MIB, "stages": found}, indent=2))  # fmt: skip
        return
    rows = [
        (stage.name, stage.seconds, stage.processor, size / 1e6 / stage.seconds,
         stage.peak_mib, "yes" if stage.peak_mib < LIMIT_MIB else "NO")
        for stage in stages
    ]  # fmt: skip
    heads = ("stage", Column("seconds", 1), Column("processor seconds", 1), Column("MB/s", 1),
             Column("peak MiB", 0), f"below {LIMIT_MIB:,}")  # fmt: skip
    note = f"{size:,} bytes, {tokens:,} tokens; {options.jobs} processes, {options.steps} steps."
    print(as_text(Table.of("From raw text to training", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
