"""The training of taggers by plain PyTorch and ours: CS224d's window net, and a BiLSTM-CRF.

Plain is nn.Embedding with sparse gradients, nn.Linear, tanh, nn.Linear, F.cross_entropy and
torch.optim.SGD, one batch after the other: 3 vectors of 50, 100 units, 5 tags, a penalty on the
matrices. The BiLSTM-CRF is nn.LSTM over 25 sentences of twenty words and the forward algorithm in
logarithms, with torch.optim.Adam: vectors of 100, 100 units in each direction, 5 tags. Both sides
begin with the same weights and read the same words.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.batch import Order
from wordlab.batching.tagging import TagBatch, TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers import recurrent
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.outputs import SoftmaxTags
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, Tagger, build_tagger
from wordlab.models.taggers.window import WindowEncoder
from wordlab.training.optimizers import AdamSettings, OptimizerSet
from wordlab.training.settings import TrainingSettings
from wordlab.training.tagging import Tagging
from wordlab.training.trainer import Trainer
from workloads.stepping import take_step
from workloads.workload import Call, Workload

assert recurrent

WORDS, TYPES, PASS = 5_000, ("LOC", "MISC", "ORG", "PER"), 12_800
RATE, L2, RADIUS = 0.01, 0.001, 1
CHAIN, CHAIN_RATE, LENGTH = 100, 0.002, 20


def text() -> tuple[TagStore, Lexicon, TagSet]:
    """Zipf-distributed words in sentences of twenty, with drawn tags."""
    draw = np.random.default_rng(1)
    share = 1 / np.arange(1, WORDS + 1)
    rows = draw.choice(WORDS, (PASS // LENGTH, LENGTH), p=share / share.sum())
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


class PlainChain(nn.Module):
    """A BiLSTM-CRF as PyTorch's tutorials write it, a batch at a time."""

    def __init__(self, words: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, CHAIN)
        self.cells = nn.LSTM(CHAIN, CHAIN, bidirectional=True)
        self.scores = nn.Linear(2 * CHAIN, tags)
        self.links = nn.Parameter(torch.zeros(tags, tags))
        self.begins = nn.Parameter(torch.zeros(tags))
        self.ends = nn.Parameter(torch.zeros(tags))

    def forward(self, x: Tensor, gold: Tensor) -> Tensor:
        """Ids and tags, both [T, B] -> nats."""
        scores = self.scores(self.cells(self.embedding(x))[0])
        alpha = self.begins + scores[0]
        of_gold = self.begins[gold[0]] + scores[0].gather(1, gold[0, :, None])[:, 0]
        for time in range(1, len(x)):
            alpha = torch.logsumexp(alpha[:, :, None] + self.links, dim=1) + scores[time]
            of_gold = of_gold + self.links[gold[time - 1], gold[time]]
            of_gold = of_gold + scores[time].gather(1, gold[time, :, None])[:, 0]
        total = torch.logsumexp(alpha + self.ends, dim=1)
        return (total - of_gold - self.ends[gold[-1]]).sum()


def chain_tagger(lexicon: Lexicon, tags: TagSet) -> Tagger:
    """Ours, with weights that are always the same."""
    none = {"capitals": 0, "shape": 0, "prefixes": (), "suffixes": ()}
    features = FeatureSettings.model_validate(
        {**none, "words": CHAIN, "word_dropout": 0, "dropout": 0}
    )
    net = TAGGERS["bilstm"].model_validate({"hidden": [CHAIN], "dropout": 0})
    return build_tagger(features, net, TAG_OUTPUTS["crf"](), lexicon, tags, seed=1)


def plain_chain(model: PlainChain, batches: list[TagBatch]) -> Call:
    """PyTorch."""
    update = torch.optim.Adam(model.parameters(), lr=CHAIN_RATE)
    data = [
        (batch.table.columns[batch.words, 0].view(LENGTH, -1), batch.targets.view(LENGTH, -1))
        for batch in batches
    ]

    def call(number: int) -> float:
        x, gold = data[number % len(data)]
        update.zero_grad()
        loss = model(x, gold) / x.numel()
        loss.backward()
        update.step()
        return loss.item()

    return call


def our_chain(model: Tagger, batches: list[TagBatch]) -> Call:
    """Ours, as the trainer takes a step."""
    update = OptimizerSet(AdamSettings(rate=CHAIN_RATE), model)

    def call(number: int) -> float:
        return take_step(model, update, batches[number % len(batches)])[0]

    return call


def chains(store: TagStore, lexicon: Lexicon, tags: TagSet) -> Workload:
    """The BiLSTM-CRF."""
    model = chain_tagger(lexicon, tags).train()
    weights = model.state_dict()
    plain = PlainChain(len(weights["words.word.weight"]), len(tags.tags))
    order = torch.tensor([0, 1, 3, 2])  # our gates in PyTorch's order
    with torch.no_grad():
        plain.embedding.weight.copy_(weights["words.word.weight"])
        plain.scores.load_state_dict(model.output.linear.state_dict())  # type: ignore[union-attr]
        for way, end in (("forwards", ""), ("backwards", "_reverse")):
            for theirs, ours in (
                ("weight_ih", "weight_inputs"),
                ("weight_hh", "weight_hidden"),
                ("bias_ih", "bias"),
            ):
                weight = weights[f"encoder.{way}.0.{ours}"]
                blocks = weight.view(4, CHAIN, -1)[order].view(weight.shape)
                plain.cells.get_parameter(f"{theirs}_l0{end}").copy_(blocks)
            plain.cells.get_parameter(f"bias_hh_l0{end}").zero_().requires_grad_(False)
    batches = list(store.batches(25 * LENGTH))
    contenders = {
        "plain PyTorch": plain_chain(plain, batches),
        "wordlab": our_chain(model, batches),
    }
    flops = 6 * (2 * 8 * CHAIN * CHAIN + 2 * CHAIN * 5)
    title = "BiLSTM-CRF step, 25 sentences"
    return Workload("bilstm_crf", title, "words", 25 * LENGTH, flops, contenders)


def workloads(full: bool) -> Iterator[Workload]:
    """Batches of 10, as the assignment has them, and of 128; and the BiLSTM-CRF."""
    store, lexicon, tags = text()
    yield chains(store, lexicon, tags)
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
