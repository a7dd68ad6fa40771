"""The training step of an LSTM beside plain PyTorch, alternated in one run: stream and sentences.

    python benchmarks/recurrent_step.py [--rounds 7] [--steps 3] [--threads 2]

Plain is nn.Embedding, nn.LSTM, F.cross_entropy over tied vectors and torch.optim.Adam, as tutorials
write it: a stream in lanes of 35 tokens; sentences padded to the longest of the batch, their
padding masked; in float32, and in bfloat16 by autocast. Ours has the same sizes and no padding.
One layer of 300 units, tied vectors of 300, 10,000 words, batches of about 1,120 tokens; the
lengths of sentences are drawn about 21 with deviation 10, as in newspapers.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch, Order
from wordlab.batching.sequences import Sentences, Stream
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.models.language_model import build_model
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.rendering.tables import as_text
from wordlab.table import Column, Table
from wordlab.training.optimizers import AdamSettings, OptimizerSet

WORDS, UNITS, LENGTH, BATCH, RATE = 10_000, 300, 35, 1120, 1e-3
START, END = 1, 2
FLOPS = 3 * 2 * (8 * UNITS * UNITS + UNITS * WORDS)
"""Of a token: forward, and twice that backward."""

Step = Callable[[Batch], None]


def text() -> TokenStore:
    """Sentences of Zipf-distributed words."""
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3)))
    vocabulary = Vocabulary(words, np.ones(WORDS, dtype=np.int64), 0, START, END)
    draw = np.random.default_rng(1)
    share = 1 / np.arange(1, WORDS - 2)
    lengths = np.maximum(draw.normal(21, 10, 2000).astype(int), 2)
    rows = [draw.choice(WORDS - 3, n, p=share / share.sum()) + 3 for n in lengths]
    return TokenStore.in_memory((row.tolist() for row in rows), vocabulary)


class Plain(nn.Module):
    """The network as PyTorch's tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS)
        self.bias = nn.Parameter(torch.zeros(WORDS))

    def forward(self, x: Tensor) -> Tensor:
        """Ids [T, B] -> logits [T B, V]."""
        units, _ = self.lstm(self.embedding(x))
        return functional.linear(units.flatten(0, 1), self.embedding.weight, self.bias)


def padded(batch: Batch) -> tuple[Tensor, Tensor]:
    """Inputs [T, B] and targets [T B], -100 on the padding, as a tutorial would have them."""
    shape = len(batch.steps), batch.steps[0]
    x, y = torch.zeros(shape, dtype=torch.int64), torch.full(shape, -100)
    first = 0
    for time_, count in enumerate(batch.steps):
        x[time_, :count] = batch.inputs[first : first + count]
        y[time_, :count] = batch.targets[first : first + count]
        first += count
    return x, y.flatten()


def plain_step(autocast: bool) -> Step:
    model = Plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(batch: Batch) -> None:
        x, y = padded(batch)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def our_step(precision: str) -> Step:
    settings = LstmSettings(
        embedding=UNITS, hidden=(UNITS,), precision=precision, dropout=0, embedding_dropout=0
    )  # type: ignore[call-arg]
    output = SoftmaxSettings(tied=True, precision=precision)  # type: ignore[arg-type]
    model = build_model(settings, output, WORDS, seed=1).train()
    optimizer = OptimizerSet(AdamSettings(rate=RATE), model)

    def step(batch: Batch) -> None:
        loss = model(batch)
        optimizer.zero()
        (loss.nats / loss.targets).backward()
        optimizer.step(1.0)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    store, order = text(), Order(1, 1)
    feeds = {
        "stream": Stream(LENGTH).in_training(BATCH).batches(store, BATCH, order=order),
        "sentences": Sentences().batches(store, BATCH, order=order),
    }
    rows = []
    for reading, feed in feeds.items():
        batches = [batch for batch, _ in zip(feed, range(20), strict=False)]
        steps = {
            "plain PyTorch float32": plain_step(False),
            "plain PyTorch autocast": plain_step(True),
            "wordlab float32": our_step("float32"),
            "wordlab bfloat16": our_step("bfloat16"),
        }
        for step in steps.values():
            step(batches[0])
        rates: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(options.rounds):
            here = [batches[(number * options.steps + i) % 20] for i in range(options.steps)]
            for name, step in steps.items():
                began = time.perf_counter()
                for batch in here:
                    step(batch)
                seconds = time.perf_counter() - began
                rates[name].append(sum(len(batch.targets) for batch in here) / seconds)
        plain = rates["plain PyTorch float32"]
        for name, found in rates.items():
            ratios = [a / b for a, b in zip(found, plain, strict=True)]
            rows.append(
                (
                    reading,
                    name,
                    statistics.median(found),
                    f"{min(found):,.0f} to {max(found):,.0f}",
                    statistics.median(ratios),
                    f"{min(ratios):.2f} to {max(ratios):.2f}",
                    statistics.median(found) * FLOPS / 1e9,
                )
            )
    heads = (
        "reading",
        "",
        Column("tokens a second", 0),
        "range",
        Column("ratio", 2),
        "ratio range",
        Column("GFLOP/s", 0),
    )
    note = (
        f"{options.rounds} rounds of {options.steps} steps in turn, medians; "
        f"{torch.get_num_threads()} threads."
    )
    print(as_text(Table.of("Training step of an LSTM of 300 units", heads, rows, note=note)))


if __name__ == "__main__":
    main()
