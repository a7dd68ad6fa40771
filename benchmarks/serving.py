"""How quickly `wordlab serve` answers: several clients at once beside one that asks alone.

python benchmarks/serving.py RUN [--seconds 30] [--clients 8] [--rounds 3] [--threads 1]

A server in a process of its own; the clients, in this one, keep their connections and ask for the
next sentence when they have the last. Both loads take turns, so that what else the machine does
meets both.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

from wordlab.rendering.tables import as_text
from wordlab.runs.opening import open_run
from wordlab.runs.run import Run
from wordlab.table import Column, Table

WORDS = 20


@dataclass
class Load:
    """What some clients met with."""

    clients: int
    seconds: float = 0.0
    errors: int = 0
    took: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def requests(path: str, count: int = 500) -> list[bytes]:
    """Sentences of 20 frequent words each, as whole HTTP requests."""
    run = open_run(path)
    draw = random.Random(1)
    if isinstance(run, Run):
        address, words = (
            "score",
            [run.vocabulary.words[index] for index in run.vocabulary.frequent_words(2_000)],
        )
    else:
        address, words = (
            "tag",
            [word for sentence in run.sentences("train")[:500] for word in sentence.words],
        )
    made = []
    for _ in range(count):
        body = json.dumps({"text": " ".join(draw.choices(words, k=WORDS)), "tokens": "spaces"})
        head = (
            f"POST /v1/{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n"
        )
        made.append((head + body).encode())
    return made


async def client(port: int, asked: list[bytes], load: Load, until: float) -> None:
    """Ask until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        writer.write(random.choice(asked))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        load.took.append(time.perf_counter() - began)
        load.errors += not head.startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()


async def press(port: int, asked: list[bytes], load: Load, seconds: float) -> None:
    """Have all clients ask for some seconds."""
    began, before = time.perf_counter(), len(load.took)
    async with asyncio.TaskGroup() as clients:
        for _ in range(load.clients):
            clients.create_task(client(port, asked, load, began + seconds))
    spent = time.perf_counter() - began
    load.seconds += spent
    load.rates.append((len(load.took) - before) / spent)


def serve(path: str, threads: int) -> tuple[subprocess.Popen[str], int]:
    """Start a server; return its process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wordlab", "serve", path, "--port", "0", "--threads", str(threads)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    return process, int(line.split("127.0.0.1:")[1].split("/")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    asked = requests(options.run)
    process, port = serve(options.run, options.threads)
    loads = Load(1), Load(options.clients)
    try:
        for load in loads:
            asyncio.run(press(port, asked, Load(load.clients), 1.0))  # warm
        for _ in range(options.rounds):
            for load in loads:
                asyncio.run(press(port, asked, load, options.seconds / options.rounds))
    finally:
        process.terminate()
        process.wait()
    alone = loads[0]
    rows = []
    for load in loads:
        ratios = [rate / one for rate, one in zip(load.rates, alone.rates, strict=True)]
        ordered = sorted(load.took)
        rows.append(
            (
                load.clients,
                len(ordered),
                load.errors,
                len(ordered) / load.seconds,
                1000 * statistics.median(ordered),
                1000 * ordered[int(0.95 * len(ordered))],
                len(ordered) / load.seconds / (len(alone.took) / alone.seconds),
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            )
        )
    heads = (
        "clients",
        "requests",
        "errors",
        Column("a second", 1),
        Column("median, ms", 1),
        Column("95th percentile, ms", 1),
        Column("ratio", 2),
        "ratio range",
    )
    note = (
        f"{options.run}: sentences of {WORDS} words; {options.rounds} rounds in turn, "
        f"{options.seconds:g} seconds each in all; {options.threads} threads for the model."
    )
    print(as_text(Table.of("Serving", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
