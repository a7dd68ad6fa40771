"""What a model costs: parameters, operations, memory; by formula, layer by layer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wordlab.models.cost import FLOAT_BYTES, LayerCost
from wordlab.models.language_model import CountModel, LanguageModel, Predictor
from wordlab.models.mixture import Mixture
from wordlab.native.library import kernels
from wordlab.table import Table
from wordlab.training.memory import training_bytes
from wordlab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Block:
    """A layer, or one of the equal parts that it consists of; operations a token.

    Attributes:
        forward_flops, backward_flops: None where they depend on the batch.
    """

    name: str
    shape: str
    parameters: int
    forward_flops: int | None
    backward_flops: int | None


def blocks_of(layers: Iterable[LayerCost]) -> list[Block]:
    """The layers; those of several blocks block by block, with the layer's number if it has one."""
    found = []
    for layer in layers:
        names = layer.blocks or (layer.name,)
        count = len(names)
        which = layer.name.removeprefix("layer").strip() if layer.blocks else ""
        forward, backward = layer.forward_flops, layer.backward_flops
        found += [
            Block(
                f"{name} {which}".strip(),
                layer.shape,
                layer.parameters // count,
                None if forward is None else forward // count,
                None if backward is None else backward // count,
            )
            for name in names
        ]
    return found


def blocks_table(title: str, blocks: Sequence[Block], note: str = "") -> Table:
    """Blocks and their sum, which has no operations where those of a block depend on the batch."""
    rows = [(x.name, x.shape, x.parameters, x.forward_flops, x.backward_flops) for x in blocks]
    sums = (
        None if None in values else sum(value or 0 for value in values)
        for values in list(zip(*rows, strict=True))[2:]
    )
    return Table.of(
        title,
        ("layer", "shape", "parameters", "forward flops a token", "backward flops a token"),
        [*rows, ("total", "", *sums)],
        note=f"Matrix products, a multiply-add counted as two operations.{note}",
    )


@dataclass(frozen=True)
class Cost:
    """The cost of a model in training.

    Attributes:
        layers: the layers, in the order in which data pass them.
        counted: parameters counted on the built model; equal to the sum over the layers.
        one_class_implied: parameters when the softmax has V - 1 rows, as CMU 10-707 counts.
        training_bytes: memory that training adds to the program and the text, at most.
    """

    layers: tuple[LayerCost, ...]
    counted: int
    one_class_implied: int
    training_bytes: int

    @property
    def parameters(self) -> int:
        """Sum over the layers."""
        return sum(layer.parameters for layer in self.layers)

    def table(self) -> Table:
        """Layers and their sum."""
        return blocks_table("Layers", blocks_of(self.layers))

    def summary(self) -> Table:
        """Counts and memory."""
        mebi = 1 << 20
        return Table.of_pairs(
            "Model",
            [
                ("parameters, by formula", self.parameters),
                ("parameters, counted on the built model", self.counted),
                ("parameters, one class of the softmax implied", self.one_class_implied),
                ("memory of the weights", f"{self.counted * FLOAT_BYTES / mebi:.1f} MiB"),
                ("memory in training", f"{self.training_bytes / mebi:.1f} MiB"),
                ("kernels of the output layer here", str(kernels())),
            ],
        )


def cost_of(model: LanguageModel, training: TrainingSettings) -> Cost:
    """Work out the cost of a built model under the settings of its training."""
    counted = sum(p.numel() for p in model.parameters())
    layers, types = tuple(model.costs()), len(model.encoder.word_vectors())
    return Cost(
        layers=layers,
        counted=counted,
        one_class_implied=counted - model.output.parameters_of_a_class,
        training_bytes=training_bytes(model, layers, training, types),
    )


def model_tables(model: Predictor, training: TrainingSettings) -> list[Table]:
    """What a model is made of: a network's layers, a count model's n-grams, a mixture's weights."""
    if isinstance(model, LanguageModel):
        cost = cost_of(model, training)
        return [cost.table(), cost.summary()]
    if isinstance(model, CountModel):
        contents = [*model.contents.items(), ("in all", sum(model.contents.values()))]
        return [Table.of_pairs("Model", contents)]
    return [model.table()] if isinstance(model, Mixture) else []


def size_of(model: Predictor) -> int:
    """Trained or counted numbers: parameters, n-grams, or both of all members."""
    if isinstance(model, LanguageModel):
        return sum(p.numel() for p in model.parameters())
    if isinstance(model, CountModel):
        return sum(model.contents.values())
    return sum(map(size_of, model.members)) if isinstance(model, Mixture) else 0
