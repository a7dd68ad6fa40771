"""How fast everything is, beside plain PyTorch, JAX and other peers that are installed.

    python benchmarks/speed.py [--only WORD] [--rounds 5] [--full] [--threads 2] [--json]

Measures the machine first; then every program does the same work in turn, in this one process, in
each round. Rates are medians over the rounds, with their range; ratios are medians of the ratios to
plain PyTorch of the same round; `of the limit` is the rate times the operations that the work needs
by hand, over the fastest product of that type that this machine was seen to do here. A lone time
says nothing on a machine that does other work: look at the ranges.

Scoring, generating, tagging, counting, two ranks and the start of commands are timed in processes
of their own, by `inference.py`, `kneser_ney.py` and `ranks.py`; `--only` leaves them out. What
`time_to_perplexity.py`, `scale.py` and `serving.py` measure takes them minutes each.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from wordlab.native.library import kernels
from wordlab.rendering.tables import as_text
from wordlab.runs.environment import describe_environment
from wordlab.table import Column, Table
from workloads import feedforward, machine, processes, reading, recurrent, tagging
from workloads.workload import Timed, Workload, timed

PARTS = (feedforward, recurrent, tagging, reading)
TARGETS = {
    "feedforward_float32_ratio": ("feedforward_sgd_512_128", "wordlab float32", "plain PyTorch"),
    "feedforward_bf16_ratio": ("feedforward_sgd_512_128", "wordlab bfloat16", "plain PyTorch"),
    "feedforward_adam_float32_ratio": (
        "feedforward_adam_512_128",
        "wordlab float32",
        "plain PyTorch",
    ),
    "feedforward_adam_bf16_ratio": (
        "feedforward_adam_512_128",
        "wordlab bfloat16",
        "plain PyTorch",
    ),
    "feedforward_over_jax_ratio": ("feedforward_sgd_128_128", "wordlab float32", "JAX jit"),
    "lstm_ratio": ("lstm_20_200_2", "wordlab bfloat16", "plain PyTorch"),
    "lstm_float32_ratio": ("lstm_20_200_2", "wordlab float32", "plain PyTorch"),
    "window_tagger_ratio": ("window_10", "wordlab", "plain PyTorch"),
    "window_tagger_128_ratio": ("window_128", "wordlab", "plain PyTorch"),
}
"""The named ratios of `--json`: of which work, whose rate, over whose."""


def work(only: str, full: bool) -> Iterator[Workload]:
    """What is to be timed."""
    for part in PARTS:
        for workload in part.workloads(full):
            if only in workload.name:
                yield workload


def ratios(found: list[Timed]) -> dict[str, float]:
    """The named ratios, as far as their work was timed."""
    by_name = {(x.workload.name, x.program): x for x in found}
    named = {}
    for name, (workload, ours, peer) in TARGETS.items():
        one, other = by_name.get((workload, ours)), by_name.get((workload, peer))
        if one and other:
            rounds = sorted(a / b for a, b in zip(one.rates, other.rates, strict=True))
            named[name] = rounds[len(rounds) // 2]
    return named


def _range(found: list[float], form: str) -> str:
    """From least to most; empty for a lone figure, which is a median already."""
    return f"{min(found):{form}} to {max(found):{form}}" if found[1:] else ""


def of_limit(x: Timed, limits: machine.Machine) -> float:
    """Operations a second over the machine's."""
    kind = "bfloat16" if "bfloat16" in x.program else "float32"
    return x.rate * x.workload.flops / 1e9 / limits.gflops[kind]


def table(found: list[Timed], limits: machine.Machine, rounds: int) -> Table:
    """A row for each program."""
    rows = [
        (
            x.workload.title,
            x.program,
            x.rate,
            _range(x.rates, ",.0f"),
            x.ratio,
            _range(x.ratios, ".2f"),
            of_limit(x, limits) if x.workload.flops else None,
            f"{x.difference:.0e}",
        )
        for x in found
    ]
    heads = (
        "work",
        "program",
        Column("a second", 0),
        "range",
        Column("ratio", 2),
        "ratio range",
        Column("of the limit", 2),
        "nats differ",
    )
    note = (
        f"A second: tokens; windows of the window tagger; bytes that are read. {rounds} rounds in "
        f"turn, medians; {limits.threads} threads. Where it scores, generates and tags: one "
        "thread, seconds of the processor; where it counts: one thread, KenLM what it takes. "
        f"Limit: {limits.gflops['float32']:.0f} GFLOP/s in float32, "
        f"{limits.gflops['bfloat16']:.0f} in bfloat16; copies {limits.copied:.0f} GB/s, "
        f"{limits.exponentials:.1f} x 10^9 exponentials a second. Kernels: {kernels()}."
    )
    return Table.of("Speed", heads, rows, note=note)


def in_processes(found: list[Timed], rounds: int) -> dict[str, float]:
    """Add the rows of other programs, and return figures by name."""
    named = {}
    if processes.has_treebank():
        counted = list(processes.counting(rounds))
        found += counted
        if counted[0].program == "KenLM":
            named["kneser_ney_ratio"] = counted[1].ratio
        named["kneser_ney_scored_a_second"] = counted[-1].rate
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        processes.make_runs(folder)
        found += processes.inference(folder, rounds)
        named["help_seconds"] = processes.seconds_of(["--help"], rounds)
        evaluate = ["evaluate", str(folder / "LSTM 2 x 200"), str(folder / "ten.txt")]
        named["evaluate_seconds"] = processes.seconds_of(evaluate, rounds)
    ranks = processes.two_ranks(rounds)
    named["two_ranks_others_share"] = max(figures["others_share"] for figures in ranks.values())
    named["two_ranks_ratio"] = ranks["feed-forward"]["two_ranks_ratio"]
    named["two_ranks_lstm_ratio"] = ranks["LSTM 2 x 200"]["two_ranks_ratio"]
    return named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="work whose name has this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="all sizes")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    limits = machine.measure()
    found = [
        x for workload in work(options.only, options.full) for x in timed(workload, options.rounds)
    ]
    others = {} if options.only else in_processes(found, options.rounds)
    named = {**ratios(found), **others}
    if options.json:
        figures = {
            **named,
            "machine": {**describe_environment(), "limits": vars(limits), "load": os.getloadavg()},
            "rows": [
                {
                    "work": x.workload.name,
                    "program": x.program,
                    "unit": x.workload.unit,
                    "a_second": x.rate,
                    "range": [min(x.rates), max(x.rates)],
                    "ratio": x.ratio,
                    "ratio_range": [min(x.ratios), max(x.ratios)],
                    "of_limit": of_limit(x, limits),
                    "largest_difference_in_nats": x.difference,
                }
                for x in found
            ],
        }
        print(json.dumps(figures, indent=2))
        return
    print(as_text(table(found, limits, options.rounds)), end="")
    for name, figure in named.items():
        print(f"{name} {figure:.2f}")


if __name__ == "__main__":
    main()
