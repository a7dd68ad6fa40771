"""The hidden units of a network: the first layer of a window, and the last before the output."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.errors import WordlabError
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.feedforward import FeedforwardEncoder
from wordlab.models.language_model import LanguageModel, OutputLayer
from wordlab.models.taggers.outputs import ScoredTags
from wordlab.models.taggers.tagger import Tagger
from wordlab.models.taggers.window import WindowEncoder
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun

AnyRun = Run | TaggerRun
Network = LanguageModel | Tagger
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FirstLayer:
    """The units of the first hidden layer over a window of word vectors.

    Attributes:
        weights: of each unit for the vector at each position. [H, P, D]
        biases: of the units. [H]
        positions: of the window, counted from the word that is tagged or predicted. [P]
        outgoing: length of each unit's weights into the next layer. [H]
    """

    weights: Floats
    biases: Floats
    positions: tuple[int, ...]
    outgoing: Floats

    @property
    def usual_position(self) -> int:
        """The word that is tagged, or the last one before the word that is predicted."""
        return 0 if 0 in self.positions else -1

    def places(self, wanted: Iterable[int]) -> list[int]:
        """Where positions stand in the window.

        Raises:
            WordlabError: for one outside the window.
        """
        found = []
        for position in wanted:
            if position not in self.positions:
                allowed = ", ".join(map(str, self.positions))
                raise WordlabError(
                    f"{position} is no position of the window; allowed: {allowed}, all",
                    where="--position",
                )
            found.append(self.positions.index(position))
        return found


def position_name(position: int) -> str:
    """A position of a window in words.

    >>> position_name(0), position_name(-1), position_name(2)
    ('centre word', 'word 1 before', 'word 2 after')
    """
    if position == 0:
        return "centre word"
    return f"word {abs(position)} {'before' if position < 0 else 'after'}"


def network_of(run: AnyRun) -> Network:
    """The network of a run.

    Raises:
        WordlabError: where its model is counted or mixed, and so has no units.
    """
    return run.model if isinstance(run, TaggerRun) else run.network


def reads_windows(model: Network) -> bool:
    """Whether the first layer sees a window of words, each at a position of its own."""
    return isinstance(model.encoder, WindowEncoder | FeedforwardEncoder)


def first_layer(model: Network, where: str = "") -> FirstLayer:
    """The first hidden layer of a window tagger or of a feed-forward language model.

    Args:
        where: the run's folder, for the message.

    Raises:
        WordlabError: for a network that reads sentences word by word.
    """
    encoder = model.encoder
    if isinstance(encoder, WindowEncoder):
        radius = encoder.settings.radius
        positions, layers = tuple(range(-radius, radius + 1)), encoder.layers
    elif isinstance(encoder, FeedforwardEncoder):
        positions, layers = tuple(range(1 - encoder.settings.n, 0)), encoder.hidden
    else:
        raise WordlabError(
            "is of a recurrent network, whose units see a sentence and no window of positions",
            where=where,
            mend="name a run of a window tagger or of a feed-forward language model, or look at "
            "contexts",
        )
    first, *further = layers
    assert isinstance(first, torch.nn.Linear)
    weights = _numbers(first.weight).reshape(first.out_features, len(positions), -1)
    above = outgoing_weights(model)
    if further:
        assert isinstance(further[0], torch.nn.Linear)
        above = _numbers(further[0].weight)
    return FirstLayer(weights, _numbers(first.bias), positions, np.linalg.norm(above, axis=0))


def over_windows(model: Network, windows: torch.Tensor) -> torch.Tensor:
    """What the output is given of windows of vectors side by side, no dropout. [N, P D] -> [N, F]

    Args:
        model: one that `reads_windows`.
    """
    encoder = model.encoder
    if isinstance(encoder, WindowEncoder):
        layers, direct = encoder.layers, False
    else:
        assert isinstance(encoder, FeedforwardEncoder)
        layers, direct = encoder.hidden, encoder.settings.direct
    activation = ACTIVATIONS[encoder.settings.activation]
    units = windows
    for layer in layers:
        units = activation(layer(units))
    return torch.cat([units, windows], dim=1) if direct else units


def count_of_units(model: Network) -> int:
    """Units of the last hidden layer."""
    encoder = model.encoder
    if isinstance(encoder, FeedforwardEncoder):  # the vectors may go to the output beside them
        return encoder.settings.hidden[-1]
    return encoder.features


def outgoing_weights(model: Network) -> Floats:
    """From each unit of the last hidden layer to each tag or word. [L or V, U]"""
    output = model.output
    if isinstance(output, ScoredTags):
        weights = _numbers(output.linear.weight)
    else:
        assert isinstance(output, OutputLayer)
        weights = _numbers(output.weights_of_words())
    return weights[:, : count_of_units(model)]


def outgoing_lengths(model: Network) -> Floats:
    """Length of the weights that go out of each unit of the last hidden layer. [U]"""
    lengths: Floats = np.linalg.norm(outgoing_weights(model), axis=0)
    return lengths


def largest(lengths: Floats, count: int | None) -> list[int]:
    """The units with the largest outgoing weights, or all, in rising order."""
    chosen = np.argsort(-lengths, kind="stable")[:count]
    return sorted(chosen.tolist())


def require_units(units: Sequence[int], count: int) -> None:
    """Raise WordlabError for a unit that there is none of."""
    for unit in units:
        if not 0 <= unit < count:
            raise WordlabError(
                f"{unit} is no unit; the layer has units 0 to {count - 1}", where="--unit"
            )


def _numbers(tensor: torch.Tensor) -> Floats:
    found: Floats = tensor.detach().double().cpu().numpy()
    return found
