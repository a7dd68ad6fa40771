"""The training step of the feed-forward model beside plain PyTorch, alternated in one run.

    python benchmarks/training_step.py [--rounds 7] [--steps 10] [--threads 2] [--json]

Plain is nn.Embedding, nn.Linear, tanh, nn.Linear, F.cross_entropy and torch.optim.Adam with its
defaults. Ours begins with the same weights and reads the same batches. Batch 512, 4-grams,
embedding 64, hidden 128, vocabulary 10,000, exact softmax.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import LanguageModel, build_model
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.rendering.tables import as_text
from wordlab.table import Column, Table
from wordlab.training.optimizers import AdamSettings, OptimizerSet

BATCH, WORDS, EMBEDDING, HIDDEN, RATE = 512, 10_000, 64, 128, 1e-3
LOSSES = 20
FLOPS = 3 * 2 * BATCH * (3 * EMBEDDING * HIDDEN + HIDDEN * WORDS)


class Plain(nn.Module):
    """The same network as PyTorch's tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, EMBEDDING)
        self.hidden = nn.Linear(3 * EMBEDDING, HIDDEN)
        self.output = nn.Linear(HIDDEN, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, 3] -> logits [B, V]."""
        return self.output(torch.tanh(self.hidden(self.embedding(x).flatten(1))))


def ours(precision: str) -> LanguageModel:
    return build_model(
        FeedforwardSettings(
            embedding=EMBEDDING, hidden=(HIDDEN,), dropout=0.0, embedding_dropout=0.0
        ),
        SoftmaxSettings(precision=precision),  # type: ignore[arg-type]
        WORDS,
        seed=1,
    ).train()


def plain_step(weights: dict[str, Tensor]) -> Callable[[Tensor, Tensor], float]:
    model = Plain()
    names = ("encoder.embedding.weight", "encoder.hidden.0.weight", "encoder.hidden.0.bias")
    wanted = (*names, "output.weight", "output.bias")
    for parameter, name in zip(model.parameters(), wanted, strict=True):
        parameter.data.copy_(weights[name])
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> float:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_step(precision: str) -> Callable[[Tensor, Tensor], float]:
    model = ours(precision)
    optimizer = OptimizerSet(AdamSettings(rate=RATE), model)
    positions = torch.arange(BATCH).numpy()

    def step(x: Tensor, y: Tensor) -> float:
        loss = model(Batch(x, y, positions, y.numpy()))
        nats, targets = loss.nats, loss.targets
        value = float(nats.detach()) / targets
        optimizer.zero()
        (nats / targets).backward()
        optimizer.step(1.0)
        return value

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    draw = torch.Generator().manual_seed(1)
    # Targets and contexts with the frequencies of a text: p(rank) ~ 1 / rank.
    zipf = 1 / torch.arange(1, WORDS + 1)
    ids = torch.multinomial(zipf, LOSSES * BATCH * 4, replacement=True, generator=draw)
    windows = ids.view(LOSSES, BATCH, 4)
    batches = [(w[:, :3].contiguous(), w[:, 3].contiguous()) for w in windows]

    weights = ours("float32").state_dict()
    steps = {
        "plain PyTorch": plain_step(weights),
        "wordlab float32": our_step("float32"),
        "wordlab bfloat16": our_step("bfloat16"),
    }
    losses = {name: [step(*batch) for batch in batches] for name, step in steps.items()}
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for index in range(options.steps):
                step(*batches[(number * options.steps + index) % LOSSES])
            rates[name].append(BATCH * options.steps / (time.perf_counter() - began))
    plain = rates["plain PyTorch"]
    rows, figures = [], {}
    for name, found in rates.items():
        ratios = [a / b for a, b in zip(found, plain, strict=True)]
        difference = max(
            abs(a - b) for a, b in zip(losses[name], losses["plain PyTorch"], strict=True)
        )
        median = statistics.median(found)
        figures[name] = {
            "tokens_per_second": median,
            "ratio": statistics.median(ratios),
            "ratio_range": [min(ratios), max(ratios)],
            "gflops": median * FLOPS / BATCH / 1e9,
            "largest_loss_difference": difference,
        }
        rows.append(
            (
                name,
                median,
                f"{min(found):,.0f} to {max(found):,.0f}",
                statistics.median(ratios),
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                median * FLOPS / BATCH / 1e9,
                f"{difference:.1e}",
            )
        )
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    note = f"{options.rounds} rounds of {options.steps} steps in turn, medians; "
    note += f"{torch.get_num_threads()} threads. Nats: largest difference over {LOSSES} steps."
    heads = ("tokens a second", "range", "ratio", "ratio range", "GFLOP/s", "nats differ by")
    decimals = {"ratio": 2, "tokens a second": 0, "GFLOP/s": 0}
    columns = [Column(h, decimals.get(h, 2)) for h in heads]
    title = f"Training step: batch {BATCH}, hidden {HIDDEN}, vocabulary {WORDS:,}"
    print(as_text(Table.of(title, ("", *columns), rows, note=note)), end="")


if __name__ == "__main__":
    main()
