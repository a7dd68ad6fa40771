"""The seam between encoders and output layers, and what scoring may ask of any model."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordlab.batching.batch import Batch, Questions, Reading
from wordlab.batching.windows import Windows
from wordlab.config import Settings
from wordlab.corpus.store import TokenStore
from wordlab.models.cost import LayerCost
from wordlab.models.judgement import Judgement, judgement
from wordlab.registry import Registry

MODELS: Registry[type["ModelSettings"]] = Registry("model")
OUTPUT_LAYERS: Registry[type["OutputSettings"]] = Registry("output layer")


State = Any
"""What a model carries from a batch to the one that continues it; None at the beginning.

Of one that takes nothing but the context of each word, tensors with a row for each sequence, nested
in tuples, or None.
"""


def state_rows(state: State, rows: NDArray[np.int64] | None) -> State:
    """Some rows of each tensor of a state; None: the state as it is."""
    if rows is None or state is None:
        return state
    if isinstance(state, Tensor):
        return state[torch.from_numpy(rows).to(state.device)]
    return tuple(state_rows(part, rows) for part in state)


def joined_states(states: Sequence[State]) -> State:
    """States of the same form as one, row after row."""
    first = states[0]
    if len(states) == 1 or first is None:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(states))
    return tuple(joined_states(parts) for parts in zip(*states, strict=True))


def _pairs(asked: Questions, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and targets that are asked for. [K], [K]"""
    return torch.from_numpy(asked.rows).to(device), torch.from_numpy(asked.targets).to(device)


class Predictor(ABC):
    """What evaluation, scoring and generation need: a reading and next-word distributions.

    Attributes:
        reading: how the model reads a text.
        adaptation: what it takes from the text that it scores, in words; empty if nothing but the
            context of each word.
        segment: the most targets that it may be given at a time; None: any number.
        weights_kept: how, of `wordlab.models.narrow_weights.WEIGHTS`; of several models, each.
    """

    reading: Reading
    adaptation: str = ""
    weights_kept: str = "float32"
    segment: int | None = None

    @abstractmethod
    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place, [N, V] float32, and the state after.

        Args:
            batch: of the model's reading.
            state: what the batch before in the text returned; None at the text's beginning.
        """

    def judge(
        self, asked: Questions, state: State = None, *, entropies: bool = False
    ) -> tuple[Judgement, State]:
        """What `predict` says of each pair of a context and a target, and the state after."""
        log_probs, after = self.predict(asked.batch, state)
        rows, targets = _pairs(asked, log_probs.device)
        return judgement(log_probs, rows, targets, entropies=entropies), after


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of a batch.

    Attributes:
        features: one vector for each target, [N, F].
        state: to be given with a batch that continues this one, without a gradient.
        penalty: nats a target that training adds to the loss, if any; a scalar.
    """

    features: Tensor
    state: tuple[Tensor, ...] = ()
    penalty: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """What the training step works out from a batch.

    Attributes:
        nats: summed over the targets, a scalar with a gradient.
        penalty: nats a target that are added to the mean, if any.
        state: to be given with a batch that continues this one.
    """

    nats: Tensor
    targets: int
    penalty: Tensor | None = None
    state: tuple[Tensor, ...] = ()


class Encoder(nn.Module, ABC):
    """Turns inputs into one feature vector a target; its settings say how it reads text."""

    reading: Reading
    features: int
    """Width of the feature vectors."""
    width: str = "D"
    """Its letter in the formulas of `costs`."""

    def forward(self, batch: Batch, state: tuple[Tensor, ...] = ()) -> Encoded:
        """A batch of the reading -> features [N, F] of its targets, and the state after it."""
        return self.encode(self.embed(batch), batch, state)

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """The vectors of the words that a batch reads."""

    @abstractmethod
    def encode(self, x: Tensor, batch: Batch, state: tuple[Tensor, ...] = ()) -> Encoded:
        """The rest of `forward`, from what `embed` made."""

    def activations(
        self, batch: Batch, state: tuple[Tensor, ...] = ()
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
        """What each layer makes of each target's last word, by its name, and the state after.

        As a rule, the features alone.
        """
        encoded: Encoded = self(batch, state)
        return {"features": encoded.features}, encoded.state

    @abstractmethod
    def costs(self) -> list[LayerCost]:
        """The layers, in the order in which data pass them."""

    @abstractmethod
    def word_vectors(self) -> Tensor:
        """The table of word embeddings. [V, E]"""

    def start_from_text(self, store: TokenStore, seed: int) -> None:
        """Take from the training text what the settings begin with; as a rule, nothing."""


class OutputLayer(nn.Module, ABC):
    """Turns features into probabilities, and owns the loss that trains them.

    Training goes through `loss`, generation through `log_probs`, scoring through `judge`, which
    asks `log_probs` unless there is a quicker way; contract tests hold them together.
    """

    @abstractmethod
    def log_probs(self, features: Tensor) -> Tensor:
        """Features [B, F] -> natural-log probabilities [B, V], float32 or wider."""

    def judge(
        self, features: Tensor, rows: Tensor, targets: Tensor, *, entropies: bool
    ) -> Judgement:
        """What `log_probs` says of targets, each of a row of features. [B, F], [K], [K]"""
        return judgement(self.log_probs(features), rows, targets, entropies=entropies)

    @abstractmethod
    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Sum over the batch of -ln p(target), in nats. [B, F], [B] -> scalar."""

    @abstractmethod
    def costs(self, width: str) -> list[LayerCost]:
        """The layers, in the order in which data pass them.

        Args:
            width: the letter of F.
        """

    @abstractmethod
    def weights_of_words(self) -> Tensor:
        """What each feature adds to each word's score. [V, F]"""

    def batch_sizes(self, targets: Tensor) -> dict[str, int]:
        """The letters of the formulas that a batch's targets decide; as a rule, none. [B]"""
        return {}

    @property
    @abstractmethod
    def parameters_of_a_class(self) -> int:
        """Numbers that belong to one word alone; CMU 10-707 leaves one word's out of its count."""

    def guess_nats(self, classes: int) -> float:
        """What training minimises, of a model that knows nothing, a target; as a rule, ln V."""
        return math.log(classes)

    def at(self, share: float) -> None:
        """Hear what share of the training is done; as a rule, nothing depends on it."""

    @abstractmethod
    def start_from_counts(self, target_counts: Tensor) -> None:
        """Begin at the unigram distribution of the training targets. [V]"""


class ModelSettings(Settings, ABC):
    """Settings of a model family; register a subclass in MODELS under its `type`."""

    type: str

    @property
    @abstractmethod
    def reading(self) -> Reading:
        """How the model reads text."""

    @property
    def readings(self) -> Mapping[str, Reading]:
        """The ways in which the trained model can read a text, by name."""
        return {"sentences": self.reading}

    @property
    @abstractmethod
    def yardstick(self) -> Windows:
        """Windows of the n-gram that this family is to be compared with."""


class NetworkSettings(ModelSettings, ABC):
    """Settings of a family that is trained by gradients."""

    @abstractmethod
    def build(self, vocabulary: int) -> Encoder:
        """Make the encoder with fresh weights, drawn from torch's global generator."""


class CountModel(Predictor, ABC):
    """A model that is counted in one pass over its training text."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All that the model is, for a file."""

    @property
    @abstractmethod
    def contents(self) -> Mapping[str, int]:
        """How much it holds of what, by name."""


class CountSettings(ModelSettings, ABC):
    """Settings of a family that is counted."""

    @abstractmethod
    def fit(self, store: TokenStore, vocabulary: int) -> tuple[CountModel, tuple[str, ...]]:
        """Count a text; return the model, and in words what was done otherwise than asked."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, Tensor]) -> CountModel:
        """Take back a model from its `tensors`.

        Raises:
            WordlabError: where they are none of its kind.
        """


class OutputSettings(Settings, ABC):
    """Settings of an output layer; register a subclass in OUTPUT_LAYERS under its `type`."""

    type: str

    @property
    def fewest_classes(self) -> int:
        """The smallest vocabulary that the layer can be built for."""
        return 1

    def fitted(self, target_counts: NDArray[np.int64]) -> Self:
        """The same with what depends on the training targets filled in; as a rule, nothing. [V]"""
        return self

    @abstractmethod
    def build(self, encoder: Encoder, vocabulary: int) -> OutputLayer:
        """Make the layer with fresh weights."""


class LanguageModel(nn.Module, Predictor):
    """An encoder and an output layer; calling it is the training step's forward pass."""

    def __init__(self, encoder: Encoder, output: OutputLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.output = output
        self.reading = encoder.reading

    def forward(self, batch: Batch, state: tuple[Tensor, ...] = ()) -> Loss:
        """Return the batch's summed nats, with a gradient, and the state after it."""
        encoded: Encoded = self.encoder(batch, state)
        nats = self.output.loss(encoded.features, batch.targets)
        return Loss(nats, len(batch.targets), encoded.penalty, encoded.state)

    @torch.no_grad()
    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place [N, V], and the state after."""
        encoded = self._encoded(batch, state)
        return self.output.log_probs(encoded.features), encoded.state

    @torch.no_grad()
    def judge(
        self, asked: Questions, state: State = None, *, entropies: bool = False
    ) -> tuple[Judgement, State]:
        """What `predict` says of each pair of a context and a target, and the state after."""
        if type(self).predict is not LanguageModel.predict:
            return super().judge(asked, state, entropies=entropies)
        encoded = self._encoded(asked.batch, state)
        features = encoded.features
        rows, targets = _pairs(asked, features.device)
        found = self.output.judge(features, rows, targets, entropies=entropies)
        return found, encoded.state

    def _encoded(self, batch: Batch, state: State) -> Encoded:
        here = batch.to(next(self.parameters()).device)
        encoded: Encoded = self.encoder(here, state if state and batch.continues else ())
        return encoded

    def costs(self) -> list[LayerCost]:
        """All layers, in the order in which data pass them."""
        return self.encoder.costs() + self.output.costs(self.encoder.width)


def build_model(
    model: NetworkSettings, output: OutputSettings, vocabulary: int, *, seed: int
) -> LanguageModel:
    """Make a model with fresh weights that depend on the settings and the seed alone."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        encoder = model.build(vocabulary)
        return LanguageModel(encoder, output.build(encoder, vocabulary))
    finally:
        torch.set_rng_state(state)
