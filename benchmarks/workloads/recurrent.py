"""The training step of recurrent language models over a stream: plain PyTorch and ours.

Plain is nn.Embedding, nn.LSTM (GRU, RNN), nn.Linear, F.cross_entropy and torch.optim.SGD, in
float32 and, as `autocast`, in bfloat16. Both begin with the same weights and carry the state;
vocabulary 10,000, embeddings as wide as the layers, 35 steps.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.models.language_model import MODELS, LanguageModel, build_model
from wordlab.models.recurrent import elman, gru, lstm
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.optimizers import OptimizerSet, SgdSettings
from workloads.stepping import take_step
from workloads.workload import Call, Workload

WORDS, LENGTH, RATE, BATCHES = 10_000, 35, 0.1, 12
GATES = {"lstm": 4, "gru": 3, "elman": 1}
PLAIN: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}
assert elman, gru
assert lstm
BLOCKS = {
    "lstm": [(0, 1), (1, 1), (3, 1), (2, 1)],
    "gru": [(1, 1), (0, -1), (2, 1)],
    "elman": [(0, 1)],
}
"""Our blocks in PyTorch's order, and their signs: of a GRU its update gate is 1 less ours."""


class Plain(nn.Module):
    """The network as PyTorch's tutorials write it."""

    def __init__(self, kind: str, units: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, units)
        self.cells = PLAIN[kind](units, units, layers)
        self.output = nn.Linear(units, WORDS)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Ids [T, B] -> logits [T B, V], and the state."""
        units, state = self.cells(self.embedding(x), state)
        return self.output(units.flatten(0, 1)), state


def drawn(lanes: int) -> list[Tensor]:
    """Ids [T + 1, B] with the frequencies of a text: p(rank) ~ 1 / rank."""
    draw = torch.Generator().manual_seed(1)
    zipf = 1 / torch.arange(1, WORDS + 1)
    count = BATCHES * LENGTH * lanes + lanes
    ids = torch.multinomial(zipf, count, replacement=True, generator=draw).view(-1, lanes)
    places = range(0, BATCHES * LENGTH + 1, LENGTH)
    return [ids[first : last + 1] for first, last in pairwise(places)]


def network(kind: str, units: int, layers: int, precision: str) -> LanguageModel:
    """Ours, with weights that are always the same."""
    settings = {
        "embedding": units,
        "hidden": [units] * layers,
        "precision": precision,
        "dropout": 0,
        "embedding_dropout": 0,
        "hidden_dropout": 0,
        "reads": "stream",
        "length": LENGTH,
        "biases": 2,
        **({"reset": "after"} if kind == "gru" else {}),
    }
    output = SoftmaxSettings.model_validate({"precision": precision, "bias": "zero"})
    return build_model(MODELS[kind].model_validate(settings), output, WORDS, seed=1).train()


def plain(batches: list[Tensor], model: Plain, autocast: bool) -> Call:
    """PyTorch."""
    update = torch.optim.SGD(model.parameters(), lr=RATE)
    held: dict[str, Any] = {"state": None}

    def call(number: int) -> float:
        ids = batches[number % BATCHES]
        state = held["state"] if number % BATCHES else None
        update.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits, state = model(ids[:-1], state)
            loss = functional.cross_entropy(logits, ids[1:].flatten())
        loss.backward()
        update.step()
        held["state"] = (
            tuple(x.detach() for x in state) if isinstance(state, tuple) else state.detach()
        )
        return loss.item()

    return call


def ours(batches: list[Tensor], model: LanguageModel) -> Call:
    """Ours, as the trainer takes a step."""
    update = OptimizerSet(SgdSettings(rate=RATE), model)
    lanes = batches[0].shape[1]
    held: dict[str, tuple[Tensor, ...]] = {"state": ()}

    def call(number: int) -> float:
        ids = batches[number % BATCHES]
        x, y = ids[:-1].flatten(), ids[1:].flatten()
        batch = Batch(x, y, x.numpy(), y.numpy(), steps=(lanes,) * LENGTH)
        state = held["state"] if number % BATCHES else ()
        value, held["state"] = take_step(model, update, batch, state)
        return value

    return call


def alike(kind: str, model: LanguageModel, units: int, layers: int) -> Plain:
    """PyTorch's network with the weights of ours."""
    made = Plain(kind, units, layers)
    weights = model.state_dict()
    with torch.no_grad():
        made.embedding.weight.copy_(weights["encoder.embedding.weight"])
        made.output.weight.copy_(weights["output.weight"])
        made.output.bias.copy_(weights["output.bias"])
        for layer in range(layers):
            cell = f"encoder.cells.{layer}"
            for theirs, name in (
                ("weight_ih", "weight_inputs"),
                ("weight_hh", "weight_hidden"),
                ("bias_ih", "bias"),
                ("bias_hh", "bias_hidden"),
            ):
                rows = weights[f"{cell}.{name}"].chunk(len(BLOCKS[kind]))
                together = torch.cat([sign * rows[at] for at, sign in BLOCKS[kind]])
                made.cells.get_parameter(f"{theirs}_l{layer}").copy_(together)
    return made


def workloads(full: bool) -> Iterator[Workload]:
    """The main sizes, or all."""
    main = [("lstm", 20, 200, 2)]
    more = [(kind, lanes, units, 1) for kind in GATES for lanes in (20, 64) for units in (200, 650)]
    for kind, lanes, units, layers in main + more if full else main:
        batches = drawn(lanes)
        contenders: dict[str, Call] = {}
        for name, autocast in (("plain PyTorch", False), ("plain PyTorch autocast", True)):
            model = alike(kind, network(kind, units, layers, "float32"), units, layers)
            contenders[name] = plain(batches, model, autocast)
        for precision in ("float32", "bfloat16"):
            model_of_ours = network(kind, units, layers, precision)
            contenders[f"wordlab {precision}"] = ours(batches, model_of_ours)
        yield Workload(
            f"{kind}_{lanes}_{units}_{layers}",
            f"{kind} step, {layers} x {units}, {lanes} lanes",
            "tokens",
            lanes * LENGTH,
            6 * (layers * 2 * GATES[kind] * units * units + units * WORDS),
            contenders,
            calls=2,
        )
