"""A window tagger's training, many batches in one call of the compiled kernel."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from wordlab.batching.batch import Order
from wordlab.batching.tagging import TagStore, WindowBatch
from wordlab.models.taggers.outputs import SoftmaxTags
from wordlab.models.taggers.tagger import Tagger
from wordlab.models.taggers.window import WindowEncoder
from wordlab.native import window as native
from wordlab.native.library import kernels
from wordlab.training.optimizers import SgdSettings
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Floats, Steps

WORDS_AT_ONCE = 4096


@dataclass(frozen=True)
class WindowSteps(Steps):
    """Plain gradient descent on words drawn one by one.

    Attributes:
        radius: words on each side.
        rate: that factors are of.
    """

    net: native.WindowNet
    store: TagStore
    radius: int
    rate: float
    descent: native.Descent

    def blocks(self, order: Order, first: int) -> Iterator[WindowBatch]:
        """Some batches together, in the order in which they would come one by one."""
        batch = self.descent.batch
        size = max(1, WORDS_AT_ONCE // batch) * batch
        return self.store.windows(size, self.radius, order, first * batch)

    def count(self, block: WindowBatch) -> int:
        """Batches of a block."""
        return -(-len(block.targets) // self.descent.batch)

    def take(self, block: WindowBatch, factors: Floats) -> float:
        """Train on a block, and return the nats before."""
        rates = (self.rate * factors).astype(np.float32)
        rows = block.table.columns[block.words, 0].view(len(block.targets), -1)
        with torch.no_grad():
            nats = native.train(kernels(), self.net, self.descent, rows, block.targets, rates)
        return float(nats.sum())


def window_steps(
    model: Tagger, store: TagStore, radius: int, settings: TrainingSettings
) -> WindowSteps | None:
    """What trains such a tagger in many steps at once; None where the kernel has not all of it."""
    words, encoder, output = model.words, model.encoder, model.output
    features, optimizer = words.settings, settings.optimizer
    if not (
        isinstance(encoder, WindowEncoder)
        and isinstance(output, SoftmaxTags)
        and isinstance(optimizer, SgdSettings)
    ):
        return None
    layers, shape = encoder.layers, encoder.settings
    is_plain = (
        not optimizer.momentum
        and not settings.averaging
        and settings.clip is None
        and output.settings.outside_weight == 1
        and (shape.activation, shape.dropout, len(layers)) == ("tanh", 0, 1)
        and (features.word_dropout, features.dropout) == (0, 0)
        and features.train_words
        and not (features.names or features.letters or len(words.further))
    )
    if not is_plain:
        return None
    first, last = layers[0], output.linear
    net = native.WindowNet(
        words.word.weight,
        first.get_parameter("weight"),
        first.get_parameter("bias"),
        last.weight,
        last.bias,
    )
    descent = native.Descent(settings.batch, optimizer.l2, mean=not settings.sum_targets)
    steps = WindowSteps(net, store, radius, optimizer.rate, descent)
    return steps if net.is_served(kernels()) else None
