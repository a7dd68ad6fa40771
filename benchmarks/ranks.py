"""Two processes of one thread against one of two threads; and what a killed process costs.

    python benchmarks/ranks.py [--rounds 7] [--steps 20] [--alone 0.1] [--json]
    python benchmarks/ranks.py --restart
    python benchmarks/ranks.py --expected

Both train the same network on the same joint batches through the package's own loop, by turns; the
one whose turn it is not waits for its standard input. `--alone` waits for rounds in which other
programs have no more than this share of the processors. `--restart` starts two ranks by torchrun,
kills one, and compares the losses from there on with those of two that nothing disturbed.
`--expected` works out what the sums of gradients cost on slower networks.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wordlab.batching.batch import Order
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import LanguageModel, NetworkSettings, build_model
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.rendering.tables import as_text
from wordlab.runs.files import read_tensors
from wordlab.runs.history import read_history
from wordlab.runs.run import CHECKPOINT
from wordlab.table import Column, Table
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.progress import Step
from wordlab.training.settings import TrainingSettings
from wordlab.training.together.ranks import joined
from wordlab.training.trainer import Trainer

WORDS, START, END = 10_000, 1, 2
TOKENS = 400_000
WARMING_STEPS = 5
MOST_TRIES = 100
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Trained:
    """A network and the targets of its joint batch; dropout is off.

    Attributes:
        milliseconds: that a batch takes on two idle cores, about.
    """

    model: NetworkSettings
    batch: int
    milliseconds: int

    def build(self) -> LanguageModel:
        """With fresh weights."""
        return build_model(self.model, SoftmaxSettings(), WORDS, seed=1)


TRAINED = {
    "feed-forward": Trained(
        FeedforwardSettings(embedding=64, hidden=(128,), dropout=0.0, embedding_dropout=0.0),
        512,
        20,
    ),
    "LSTM 2 x 200": Trained(
        LstmSettings(
            reads="stream",
            embedding=200,
            hidden=(200, 200),
            dropout=0.0,
            embedding_dropout=0.0,
            hidden_dropout=0.0,
        ),
        20 * 35,
        60,
    ),
}


def text() -> TokenStore:
    """Sentences of Zipf-distributed words."""
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3)))
    vocabulary = Vocabulary(words, np.ones(WORDS, dtype=np.int64), 0, START, END)
    draw = np.random.default_rng(1)
    share = 1 / np.arange(1, WORDS - 2)
    ids = draw.choice(WORDS - 3, TOKENS, p=share / share.sum()) + 3
    return TokenStore.in_memory((row.tolist() for row in np.split(ids, TOKENS // 20)), vocabulary)


# -- speed ------------------------------------------------------------------------------------


def work(name: str, steps: int) -> None:
    """Train so many steps for each line of standard input; the first rank prints the seconds."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    trained, store = TRAINED[name], text()
    settings = TrainingSettings(batch=trained.batch, epochs=10**6)
    done, began = 0, 0.0

    def step(report: Step) -> None:
        nonlocal done, began
        done += 1
        if done < WARMING_STEPS or (done - WARMING_STEPS) % steps:
            return
        if ranks.rank == 0:
            print(time.perf_counter() - began, flush=True)
        if not sys.stdin.readline():
            os._exit(0)  # the text is not at its end, but the rounds are
        began = time.perf_counter()

    with joined() as ranks:
        task = LanguageModelling(trained.build(), store, store.head(1000), settings, WORDS)
        for _ in Trainer(task, settings, ranks).epochs(step):
            pass


class Team:
    """Processes that train together, so many steps at a time."""

    def __init__(self, name: str, ranks: int, threads: int, steps: int) -> None:
        command = [sys.executable, __file__, "--work", name, "--steps", str(steps)]
        shared = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        if ranks > 1:
            shared |= {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
            shared |= {"MASTER_PORT": str(_free_port()), "TORCHELASTIC_RUN_ID": "benchmark"}
        self.processes = [
            subprocess.Popen(
                command,
                env={**shared, "RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(ranks)
        ]
        self._answer()  # of the steps that warm up

    def round(self) -> tuple[float, float]:
        """Seconds of a round, and the share of the processors that other programs had in it."""
        began, busy, own = time.perf_counter(), _machine_seconds(), self._own_seconds()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        seconds = self._answer()
        elapsed = time.perf_counter() - began
        others = _machine_seconds() - busy - (self._own_seconds() - own)
        return seconds, max(others, 0.0) / (elapsed * (os.cpu_count() or 1))

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.communicate()

    def _answer(self) -> float:
        assert self.processes[0].stdout is not None
        return float(self.processes[0].stdout.readline())

    def _own_seconds(self) -> float:
        rows = [Path(f"/proc/{p.pid}/stat").read_text().rsplit(")", 1)[1] for p in self.processes]
        return sum(int(x) for row in rows for x in row.split()[11:13]) / os.sysconf("SC_CLK_TCK")


def _machine_seconds() -> float:
    """Seconds that the processors have worked."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _wait_until(alone: float) -> None:
    """Wait until the processors rest but for this share of them; ours do by then."""
    while True:
        busy = _machine_seconds()
        time.sleep(LOOK_SECONDS)
        share = (_machine_seconds() - busy) / LOOK_SECONDS / (os.cpu_count() or 1)
        if share <= alone:
            return


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def speed(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second of both, round by round."""
    teams = {
        "one process, 2 threads": Team(name, 1, 2, options.steps),
        "two ranks, 1 thread each": Team(name, 2, 1, options.steps),
    }
    rates: dict[str, list[float]] = {team: [] for team in teams}
    shares = []
    for number in range(options.rounds):
        turns = list(teams)[:: 1 if number % 2 else -1]
        for _ in range(MOST_TRIES):
            found = {}
            for turn in turns:
                _wait_until(options.alone)
                found[turn] = teams[turn].round()
            others = max(share for _, share in found.values())
            if others <= options.alone:
                break
        shares.append(others)
        print(f"{name}: round {number + 1}, others had {100 * others:.0f} %", file=sys.stderr)
        for turn, (seconds, _) in found.items():
            rates[turn].append(TRAINED[name].batch * options.steps / seconds)
    for team in teams.values():
        team.close()
    one, two = rates.values()
    ratios = [b / a for a, b in zip(one, two, strict=True)]
    return {
        "tokens_per_second": {team: statistics.median(found) for team, found in rates.items()},
        "ranges": {team: [min(found), max(found)] for team, found in rates.items()},
        "two_ranks_ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "others_share": max(shares),
    }


def speed_table(found: dict[str, dict[str, Any]], options: argparse.Namespace) -> Table:
    rows = []
    for name, figures in found.items():
        for team, rate in figures["tokens_per_second"].items():
            low, high = figures["ranges"][team]
            two = team.startswith("two")
            few, many = figures["ratio_range"]
            ratio = figures["two_ranks_ratio"] if two else None
            span = f"{few:.2f} to {many:.2f}" if two else ""
            rows.append((name, team, rate, f"{low:,.0f} to {high:,.0f}", ratio, span))
    others = max(figures["others_share"] for figures in found.values())
    return Table.of(
        f"Two ranks, vocabulary {WORDS:,}",
        ("network", "", Column("tokens a second", 0), "range", Column("ratio", 2), "ratio range"),
        rows,
        note=f"{options.rounds} rounds of {options.steps} steps in turn, medians; other programs "
        f"had at most {100 * others:.0f} % of the processors.",
    )


# -- what is to be expected -------------------------------------------------------------------


def sent_bytes(name: str) -> tuple[int, int, int]:
    """Bytes of all gradients; of those that are summed whole; and of a rank's rows, by two ranks.

    The rows are those that the shares of the first batch read.
    """
    trained = TRAINED[name]
    model, store = trained.build(), text()
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    every = sum(p.numel() for p in model.parameters())
    whole = every - sum(table.weight.numel() for table in tables)
    reading = trained.model.reading.in_training(trained.batch)
    batch = next(iter(reading.batches(store, trained.batch, order=Order(1, 0))))
    shares = [share for rank in range(2) if (share := batch.share(rank, 2)) is not None]
    rows = max(len(share.inputs.unique()) for share in shares)
    return 4 * every, 4 * whole, sum(rows * (4 * t.embedding_dim + 8) for t in tables)


NETWORKS = {"1 Gbit/s": (1e9, 100e-6), "10 Gbit/s": (1e10, 50e-6), "100 Gbit/s": (1e11, 20e-6)}
"""Bits a second and seconds until the first one arrives."""


def expected_table(name: str) -> Table:
    """Efficiency of 2 to 8 machines by formula.

    A ring sends each rank 2 (R - 1) / R of what is summed whole and (R - 1) times the rows, in
    2 (R - 1) turns; each of the five exchanges of a step waits for the network besides.
    """
    every, whole, rows = sent_bytes(name)
    step, rows_of = TRAINED[name].milliseconds / 1000, []
    for network, (bits, latency) in NETWORKS.items():
        efficiencies = []
        for ranks in (2, 4, 8):
            sent = 2 * (ranks - 1) / ranks * whole + (ranks - 1) * rows
            seconds = 8 * sent / bits + (2 * (ranks - 1) + 5) * latency
            efficiencies.append(100 * step / (step + seconds))
        rows_of.append((network, *efficiencies))
    return Table.of(
        f"{name}: share of the speed of as many machines, in %",
        ("network", *(Column(f"{ranks} machines", 0) for ranks in (2, 4, 8))),
        rows_of,
        note=f"Each machine takes {1000 * step:.0f} ms for a share of "
        f"{TRAINED[name].batch} targets. Gradients {every / 1e6:.1f} MB, summed whole "
        f"{whole / 1e6:.1f} MB, rows {rows / 1e6:.2f} MB a rank.",
    )


# -- a rank is killed -------------------------------------------------------------------------

SETTINGS = """
[model]
type = "lstm"
reads = "stream"
length = 10
embedding = 32
hidden = [32, 32]
[training]
batch = 200
epochs = 4
patience = 0
checkpoint_seconds = 0.5
"""


def restart() -> dict[str, Any]:
    """Train twice by torchrun, once with a kill; the losses of both by epoch."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        draw = random.Random(1)
        for name, lines in (("train", 4000), ("validation", 400)):
            rows = ([f"w{int(500 * draw.random() ** 3)}" for _ in range(10)] for _ in range(lines))
            (folder / f"{name}.txt").write_text("".join(" ".join(row) + "\n" for row in rows))
        (folder / "settings.toml").write_text(SETTINGS)
        with _torchrun(folder, "undisturbed") as process:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
        with _torchrun(folder, "killed") as process:
            at = kill_rank(process.pid, 1, folder / "killed" / CHECKPOINT)
            _, errors = process.communicate()
            assert process.returncode == 0, errors
        rows = [read_history(folder / name) for name in ("undisturbed", "killed")]
    nats = [[epoch.validation_nats for epoch in history] for history in rows]
    seen = [[epoch.seen_nats for epoch in history] for history in rows]
    return {
        "killed_at": {"epoch": at["epoch"] + 1, "batch": at["batch"]},
        "validation_nats": dict(zip(("undisturbed", "killed"), nats, strict=True)),
        "training_nats": dict(zip(("undisturbed", "killed"), seen, strict=True)),
        "same_to_the_bit": nats[0] == nats[1] and seen[0] == seen[1],
    }


def _torchrun(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", "1", "-m", "wordlab", "train"]
    command += [str(folder / "train.txt"), "--validation", str(folder / "validation.txt")]
    command += ["--config", str(folder / "settings.toml"), "--run-folder", str(folder / name)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]


def kill_rank(parent: int, rank: int, checkpoint: Path) -> dict[str, Any]:
    """Kill a rank that torchrun started, in mid-epoch; return where the checkpoint stands."""
    while True:
        time.sleep(0.05)
        if checkpoint.exists():
            progress: dict[str, Any] = json.loads(read_tensors(checkpoint)[1]["progress"])
            if progress["epoch"] >= 1 and progress["batch"] >= 2:
                break
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            os.kill(int(child), signal.SIGKILL)
    return progress


def restart_table(found: dict[str, Any]) -> Table:
    names = ("training_nats", "validation_nats")
    columns = [found[name][run] for name in names for run in ("undisturbed", "killed")]
    at = found["killed_at"]
    heads = [f"{name.split('_')[0]}, {run}" for name in names for run in ("undisturbed", "killed")]
    same = "the same to the bit" if found["same_to_the_bit"] else "not the same"
    return Table.of(
        "Two ranks, one of them killed and both started again by torchrun",
        ("epoch", *(Column(head, 6) for head in heads)),
        [(number + 1, *values) for number, values in enumerate(zip(*columns, strict=True))],
        note=f"Killed after batch {at['batch']} of epoch {at['epoch']} or soon after; {same}.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--alone", type=float, default=1.0)
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--expected", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", choices=TRAINED, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.steps)
        return
    if options.restart:
        found = restart()
        tables = [restart_table(found)]
    elif options.expected:
        tables = [expected_table(name) for name in TRAINED]
        found = {table.title: table.records() for table in tables}
    else:
        found = {name: speed(name, options) for name in TRAINED}
        tables = [speed_table(found, options)]
    print(
        json.dumps(found, indent=2) if options.json else "\n".join(map(as_text, tables)), end="\n"
    )


if __name__ == "__main__":
    main()
