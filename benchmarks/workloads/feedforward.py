"""The training step of the feed-forward 4-gram: plain PyTorch, JAX if it is installed, and ours.

Plain is nn.Embedding, nn.Linear, tanh, nn.Linear, F.cross_entropy and PyTorch's optimiser with its
defaults; JAX is the same network and the same updates under jit. All begin with the same weights
and read the same batches: embedding 64, vocabulary 10,000, exact softmax.
"""

import importlib.util
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import LanguageModel, build_model
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.optimizers import AdamSettings, OptimizerSet, SgdSettings
from workloads.stepping import take_step
from workloads.workload import Call, Workload

WORDS, EMBEDDING, CONTEXT = 10_000, 64, 3
RATES = {"sgd": 0.1, "adam": 1e-3}
BATCHES = 20


class Plain(nn.Module):
    """The network as PyTorch's tutorials write it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, EMBEDDING)
        self.hidden = nn.Linear(CONTEXT * EMBEDDING, hidden)
        self.output = nn.Linear(hidden, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, 3] -> logits [B, V]."""
        return self.output(torch.tanh(self.hidden(self.embedding(x).flatten(1))))


def drawn(batch: int) -> list[tuple[Tensor, Tensor]]:
    """Contexts and targets with the frequencies of a text: p(rank) ~ 1 / rank."""
    draw = torch.Generator().manual_seed(1)
    zipf = 1 / torch.arange(1, WORDS + 1)
    ids = torch.multinomial(zipf, BATCHES * batch * 4, replacement=True, generator=draw)
    windows = ids.view(BATCHES, batch, 4)
    return [(w[:, :3].contiguous(), w[:, 3].contiguous()) for w in windows]


def network(hidden: int, precision: str) -> LanguageModel:
    """Ours, with weights of its own each time, always the same."""
    return build_model(
        FeedforwardSettings(
            embedding=EMBEDDING, hidden=(hidden,), dropout=0.0, embedding_dropout=0.0
        ),
        SoftmaxSettings(precision=precision),  # type: ignore[arg-type]
        WORDS,
        seed=1,
    ).train()


def begin(hidden: int) -> list[Tensor]:
    """The weights: embedding, hidden and its bias, output and its bias."""
    weights = network(hidden, "float32").state_dict()
    names = ("encoder.embedding.weight", "encoder.hidden.0.weight", "encoder.hidden.0.bias")
    return [weights[name].clone() for name in (*names, "output.weight", "output.bias")]


def plain(batches: list[tuple[Tensor, Tensor]], hidden: int, optimizer: str) -> Call:
    """PyTorch."""
    model = Plain(hidden)
    for parameter, weight in zip(model.parameters(), begin(hidden), strict=True):
        parameter.data.copy_(weight)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    update = kind(model.parameters(), lr=RATES[optimizer])

    def call(number: int) -> float:
        x, y = batches[number % BATCHES]
        update.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        update.step()
        return loss.item()

    return call


def ours(batches: list[tuple[Tensor, Tensor]], hidden: int, optimizer: str, precision: str) -> Call:
    """Ours, as the trainer takes a step."""
    model = network(hidden, precision)
    kind = {"sgd": SgdSettings, "adam": AdamSettings}[optimizer]
    update = OptimizerSet(kind(rate=RATES[optimizer]), model)
    positions = torch.arange(len(batches[0][1])).numpy()

    def call(number: int) -> float:
        x, y = batches[number % BATCHES]
        return take_step(model, update, Batch(x, y, positions, y.numpy()))[0]

    return call


def jax_jit(batches: list[tuple[Tensor, Tensor]], hidden: int, optimizer: str) -> Call:
    """JAX."""
    import jax
    import jax.numpy as jnp

    rate = RATES[optimizer]

    def nats(weights: Any, x: Any, y: Any) -> Any:
        table, w, b, u, c = weights
        units = jnp.tanh(table[x].reshape(len(x), -1) @ w.T + b)
        logs = jax.nn.log_softmax(units @ u.T + c)
        return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()

    def sgd(weights: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(nats)(weights, x, y)
        return value, [w - rate * g for w, g in zip(weights, gradients, strict=True)], state

    def adam(weights: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(nats)(weights, x, y)
        step, first, second = state
        step = step + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        by = rate / (1 - 0.9**step)
        root = jnp.sqrt(1 - 0.999**step)
        weights = [
            w - by * m / (jnp.sqrt(v) / root + 1e-8)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
        return value, weights, (step, first, second)

    update = jax.jit({"sgd": sgd, "adam": adam}[optimizer], donate_argnums=(0, 1))
    weights = [jnp.asarray(weight.numpy()) for weight in begin(hidden)]
    zeros = [[jnp.zeros_like(weight) for weight in weights] for _ in range(2)]
    held = {"weights": weights, "state": (0.0, *zeros)}
    data = [(jnp.asarray(x.numpy()), jnp.asarray(y.numpy())) for x, y in batches]

    def call(number: int) -> float:
        value, held["weights"], held["state"] = update(
            held["weights"], held["state"], *data[number % BATCHES]
        )
        return float(value)

    return call


def workloads(full: bool) -> Iterator[Workload]:
    """The main sizes, or all."""
    sizes = [(512, 128), (128, 128), (2048, 128), (512, 256), (512, 512)]
    for batch, hidden in sizes if full else sizes[:2]:
        for optimizer in RATES:
            batches = drawn(batch)
            contenders = {"plain PyTorch": plain(batches, hidden, optimizer)}
            if importlib.util.find_spec("jax"):
                contenders["JAX jit"] = jax_jit(batches, hidden, optimizer)
            for precision in ("float32", "bfloat16"):
                contenders[f"wordlab {precision}"] = ours(batches, hidden, optimizer, precision)
            yield Workload(
                f"feedforward_{optimizer}_{batch}_{hidden}",
                f"feed-forward step, {optimizer}, batch {batch}, hidden {hidden}",
                "tokens",
                batch,
                6 * (CONTEXT * EMBEDDING * hidden + hidden * WORDS),
                contenders,
                calls=max(2, 4096 // batch),
            )
