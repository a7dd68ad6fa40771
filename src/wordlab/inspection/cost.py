"""What a model costs: parameters, operations, memory; by formula, layer by layer."""

from dataclasses import dataclass

from wordlab.models.language_model import CountModel, LanguageModel, LayerCost, Predictor
from wordlab.models.mixture import Mixture
from wordlab.models.softmax_output import CHUNK_LOGITS
from wordlab.table import Table
from wordlab.training.settings import TrainingSettings

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """The cost of a model in training.

    Attributes:
        layers: the layers, in the order in which data pass them.
        counted: parameters counted on the built model; equal to the sum over the layers.
        one_class_implied: parameters when the softmax has V - 1 rows, as CMU 10-707 counts.
        optimizer_numbers: numbers that the optimiser keeps for each parameter.
        batch_bytes: of logits, probabilities and window features of one batch.
    """

    layers: tuple[LayerCost, ...]
    counted: int
    one_class_implied: int
    optimizer_numbers: int
    batch_bytes: int

    @property
    def parameters(self) -> int:
        """Sum over the layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def training_bytes(self) -> int:
        """Weights, gradients, the optimiser's state and one batch."""
        return self.counted * FLOAT_BYTES * (2 + self.optimizer_numbers) + self.batch_bytes

    def table(self) -> Table:
        """Layers and their sum."""
        rows = [
            (x.name, x.shape, x.parameters, x.forward_flops, x.backward_flops) for x in self.layers
        ]
        total = (
            "total",
            "",
            self.parameters,
            sum(x.forward_flops for x in self.layers),
            sum(x.backward_flops for x in self.layers),
        )
        return Table.of(
            "Layers",
            ("layer", "shape", "parameters", "forward flops a token", "backward flops a token"),
            [*rows, total],
            note="Matrix products, a multiply-add counted as two operations.",
        )

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
            ],
        )


def cost_of(model: LanguageModel, training: TrainingSettings) -> Cost:
    """Work out the cost of a built model under the settings of its training."""
    vocabulary = len(model.encoder.word_vectors())
    counted = sum(p.numel() for p in model.parameters())
    logits = min(training.batch * vocabulary, CHUNK_LOGITS)
    return Cost(
        layers=tuple(model.costs()),
        counted=counted,
        one_class_implied=counted - model.output.parameters_of_a_class,
        optimizer_numbers=training.optimizer.numbers + (training.averaging > 0),
        batch_bytes=(2 * logits + 4 * training.batch * model.encoder.features) * FLOAT_BYTES,
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
