"""The training of taggers: CS224d's window net by plain PyTorch and ours.

Plain is nn.Embedding with sparse gradients, nn.Linear, tanh, nn.Linear, F.cross_entropy and
torch.optim.SGD, one batch after the other. Both begin with the same weights and read the same
words: 3 vectors of 50, 100 units, 5 tags, a penalty on the matrices.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Order
from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.outputs import SoftmaxTags
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, Tagger, build_tagger
from wordlab.models.taggers.window import WindowEncoder
from wordlab.training.settings import TrainingSettings
from wordlab.training.tagging import Tagging
from wordlab.training.trainer import Trainer
from workloads.workload import Call, Workload

WORDS, TYPES, PASS = 5_000, ("LOC", "MISC", "ORG", "PER"), 12_800
RATE, L2, RADIUS = 0.01, 0.001, 1


def text() -> tuple[TagStore, Lexicon, TagSet]:
    """Zipf-distributed words in sentences of twenty, with drawn tags."""
    draw = np.random.default_rng(1)
    share = 1 / np.arange(1, WORDS + 1)
    rows = draw.choice(WORDS, (PASS // 20, 20), p=share / share.sum())
    sentences = [[f"w{word}" for word in row] for row in rows]
    lexicon = Lexicon.of_words(
        [word for row in sentences for word in row],
        form="lower",
        features=[],
        letters=False,
        min_feature_count=1,
    )
    gold = draw.integers(0, len(TYPES) + 1, rows.shape)
    tags = TagSet("bare", TYPES)
    return TagStore.of(sentences, lexicon, gold.tolist()), lexicon, tags


def tagger(lexicon: Lexicon, tags: TagSet) -> Tagger:
    """Ours, with weights that are always the same."""
    none = {"capitals": 0, "shape": 0, "prefixes": (), "suffixes": ()}
    features = FeatureSettings.model_validate(
        {**none, "word_dropout": 0, "dropout": 0, "sparse": True}
    )
    net = TAGGERS["window"].model_validate(
        {"radius": RADIUS, "hidden": [100], "examples": "words", "dropout": 0}
    )
    return build_tagger(features, net, TAG_OUTPUTS["softmax"](), lexicon, tags, seed=1)


class Plain(nn.Module):
    """The network as PyTorch's tutorials write it, with the weights of ours."""

    def __init__(self, model: Tagger) -> None:
        super().__init__()
        assert isinstance(model.encoder, WindowEncoder)
        assert isinstance(model.output, SoftmaxTags)
        self.embedding = nn.Embedding(*model.words.word.weight.shape, sparse=True)
        first, last = model.encoder.layers[0], model.output.linear
        assert isinstance(first, nn.Linear)
        self.hidden = nn.Linear(first.in_features, first.out_features)
        self.output = nn.Linear(last.in_features, last.out_features)
        self.embedding.load_state_dict(model.words.word.state_dict())
        self.hidden.load_state_dict(first.state_dict())
        self.output.load_state_dict(last.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, P] -> scores [B, T]."""
        return self.output(torch.tanh(self.hidden(self.embedding(x).flatten(1))))


def plain(store: TagStore, model: Plain, batch: int) -> Call:
    """PyTorch."""
    matrices = [model.hidden.weight, model.output.weight]
    biases = [model.hidden.bias, model.output.bias]
    update = torch.optim.SGD(
        [{"params": matrices, "weight_decay": L2}, {"params": biases}], lr=RATE
    )
    of_rows = torch.optim.SGD([model.embedding.weight], lr=RATE)

    def call(number: int) -> float:
        total = 0.0
        (whole,) = store.windows(len(store), RADIUS, Order(1, number))
        rows = whole.table.columns[whole.words, 0].view(len(whole.targets), -1)
        for first in range(0, len(rows), batch):
            here = slice(first, first + batch)
            update.zero_grad()
            of_rows.zero_grad()
            loss = functional.cross_entropy(model(rows[here]), whole.targets[here])
            loss.backward()
            update.step()
            of_rows.step()
            total += loss.item() * len(rows[here])
        return total / len(rows)

    return call


def ours(store: TagStore, model: Tagger, tags: TagSet, batch: int) -> Call:
    """Ours, as the trainer takes the steps of an epoch."""
    settings = TrainingSettings.model_validate(
        {
            "batch": batch,
            "averaging": 0.0,
            "optimizer": {"type": "sgd", "rate": RATE, "l2": L2},
            "schedule": {"type": "constant"},
        }
    )
    task = Tagging(model, store, store, [[] for _ in store.lengths], tags, RADIUS)
    trainer = Trainer(task, settings)
    steps = trainer.steps(0)

    def call(number: int) -> float:
        total = 0.0
        for block in steps.blocks(Order(1, number), 0):
            total += steps.take(block, np.ones(steps.count(block)))
        return total / len(store)

    return call


def workloads(full: bool) -> Iterator[Workload]:
    """Batches of 10, as the assignment has them, and of 128."""
    store, lexicon, tags = text()
    for batch in (10, 128):
        yield Workload(
            f"window_{batch}",
            f"window tagger, batch {batch}",
            "windows",
            len(store),
            6 * (3 * 50 * 100 + 100 * 5),
            {
                "plain PyTorch": plain(store, Plain(tagger(lexicon, tags)), batch),
                "wordlab": ours(store, tagger(lexicon, tags), tags, batch),
            },
            calls=1,
            losses=3,
        )
