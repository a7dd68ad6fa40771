"""How quickly `wordlab serve` answers: several clients at once beside one that asks alone.

python benchmarks/serving.py RUN [--seconds 30] [--clients 8] [--rounds 3] [--threads 1]

A server in a process of its own; the clients, in this one, keep their connections and ask for the
next sentence when they have the last. They are bare sockets in one thread, and the requests are
made before: what clients take of the processor, the server has not. Both loads take turns, so that
what else the machine does meets both. The last columns, the processor's time a request of either
process, hardly depend on it; the server's is known on Linux only.
"""

import argparse
import json
import math
import os
import random
import selectors
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

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
    own_seconds: float = 0.0
    server_seconds: float = 0.0


class Client:
    """A connection, and what has come of the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.began, self.come = time.perf_counter(), b""
        self.length: int | None = None
        self.socket.sendall(request)

    def has_answer(self) -> bool:
        """Read what is there; whether the answer is whole."""
        self.come += self.socket.recv(1 << 17)
        if self.length is None and b"\r\n\r\n" in self.come:
            head = self.come[: self.come.index(b"\r\n\r\n") + 4].lower()
            announced = head.split(b"content-length:")[1].split(b"\r\n")[0]
            self.length = len(head) + int(announced)
        return self.length is not None and len(self.come) >= self.length


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


def processor_seconds(process: int) -> float:
    """What a process has had of the processor, all its threads together."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def press(server: int, port: int, asked: list[bytes], load: Load, seconds: float) -> None:
    """Have all clients ask for some seconds."""
    count, own, others = len(load.took), time.process_time(), processor_seconds(server)
    began = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        clients = [Client(port) for _ in range(load.clients)]
        for client in clients:
            waiting.register(client.socket, selectors.EVENT_READ, client)
            client.ask(random.choice(asked))
        while time.perf_counter() < began + seconds:
            for key, _ in waiting.select():
                if key.data.has_answer():
                    load.took.append(time.perf_counter() - key.data.began)
                    load.errors += not key.data.come.startswith(b"HTTP/1.1 200 ")
                    key.data.ask(random.choice(asked))
        for client in clients:
            client.socket.close()
    spent = time.perf_counter() - began
    load.seconds += spent
    load.own_seconds += time.process_time() - own
    load.server_seconds += processor_seconds(server) - others
    load.rates.append((len(load.took) - count) / spent)


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
            press(process.pid, port, asked, Load(load.clients), 1.0)  # warm
        for _ in range(options.rounds):
            for load in loads:
                press(process.pid, port, asked, load, options.seconds / options.rounds)
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
                1000 * load.server_seconds / len(ordered),
                1000 * load.own_seconds / len(ordered),
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
        Column("server, ms", 2),
        Column("client, ms", 2),
    )
    note = (
        f"{options.run}: sentences of {WORDS} words; {options.rounds} rounds in turn, "
        f"{options.seconds:g} seconds each in all; {options.threads} threads for the model."
    )
    print(as_text(Table.of("Serving", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
