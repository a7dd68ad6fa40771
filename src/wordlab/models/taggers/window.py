"""The window tagger: a feed-forward net over the vectors of a word and its neighbours."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.tagging import TagBatch
from wordlab.config import NameIn
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.products import product
from wordlab.models.settings import Layers, Probability
from wordlab.models.taggers.tagger import TAGGERS, TagEncoder, TaggerSettings


@TAGGERS.register("window")
class WindowSettings(TaggerSettings):
    """A window of words and hidden layers (Collobert et al. 2011, sec. 3.2.1)."""

    type: Literal["window"] = "window"
    radius: int = Field(default=2, ge=0)
    """Words on each side."""
    hidden: Layers = (200,)
    """Units of each layer."""
    activation: Annotated[str, NameIn(ACTIVATIONS)] = "tanh"
    """Of the hidden units."""
    dropout: Probability = 0.3
    """Of the units of each hidden layer."""

    def build(self, inputs: int) -> "WindowEncoder":
        """Make the encoder with fresh weights."""
        return WindowEncoder(self, inputs)


class WindowEncoder(TagEncoder):
    """Hidden layers over the vectors of 2 radius + 1 words side by side.

    Weights begin uniform in +-sqrt(6 / (m + n)), biases at 0.
    """

    def __init__(self, settings: WindowSettings, inputs: int) -> None:
        super().__init__()
        self.settings = settings
        widths = ((2 * settings.radius + 1) * inputs, *settings.hidden)
        self.layers = nn.ModuleList(
            nn.Linear(m, n) for m, n in zip(widths, settings.hidden, strict=False)
        )
        for layer in self._layers():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.features = widths[-1]
        self._activation = ACTIVATIONS[settings.activation]

    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        """[M + 2, D] -> [M, F]"""
        places = batch.neighbours(self.settings.radius).to(x.device)
        h = functional.embedding(places, x).flatten(1)
        for layer in self._layers():
            h = self._activation(product(h, layer.weight, layer.bias))
            h = functional.dropout(h, self.settings.dropout, self.training)
        return h
