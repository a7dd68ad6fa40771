"""Caches and dynamic evaluation against what their formulas give by hand."""

import math

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch
from wordlab.batching.sequences import Stream
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.caches import NeuralCache, UnigramCache
from wordlab.models.dynamic import FLOOR, DynamicModel, gradient_sizes
from wordlab.models.language_model import LanguageModel, build_model
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings

WORDS, START, END = 8, 1, 2
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3))),
    np.ones(WORDS, dtype=np.int64), 0, START, END,
)  # fmt: skip
STORE = TokenStore.in_memory([[3, 4, 3, 5], [6, 3, 4], [7, 5]], VOCABULARY)


def network() -> LanguageModel:
    settings = LstmSettings(embedding=4, hidden=(5,), reads="stream")
    return build_model(settings, SoftmaxSettings(deviation=0.5), WORDS, seed=1).double().eval()


def segments(size: int) -> list[Batch]:
    return list(Stream().batches(STORE, size))


def gradients(model: LanguageModel, batch: Batch) -> dict[str, torch.Tensor]:
    nats = model(batch).nats
    named = dict(model.named_parameters())
    return dict(zip(named, torch.autograd.grad(nats, list(named.values())), strict=True))


@pytest.mark.parametrize("sized", [False, True])
def test_dynamic_evaluation_steps_against_the_gradient_of_what_it_scored(sized: bool) -> None:
    model, (first, second) = network(), segments(6)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    sizes = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    rate, decay = 0.1, 0.25
    live = DynamicModel(model, rate=rate, decay=decay, segment=6, sizes=sizes if sized else None)
    scored, state = live.predict(first)
    assert torch.equal(scored, model.predict(first)[0])  # before it learns

    every = torch.cat([size.flatten() for size in sizes.values()])
    expected = network()
    inner = model.predict(first)[1]
    for name, p in expected.named_parameters():
        pace = 1 / (sizes[name] / every.mean() + FLOOR) if sized else 1.0
        p.data.sub_(rate * pace * gradients(model, first)[name])
    wanted = expected.predict(second, inner)[0]
    assert torch.allclose(live.predict(second, state)[0], wanted, atol=1e-10)
    assert not torch.allclose(wanted, model.predict(second, inner)[0], atol=1e-4)
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    assert torch.equal(live.predict(first)[0], scored)  # a new text begins anew


def test_dynamic_evaluation_goes_part_of_the_way_back() -> None:
    model, (first, second) = network(), segments(6)
    far = DynamicModel(model, rate=0.1, decay=0.0, segment=6)
    back = DynamicModel(model, rate=0.1, decay=1.0, segment=6)
    _, state = far.predict(first)
    far.predict(second, state)
    _, state = back.predict(first)
    back.predict(second, state)
    total = [
        sum(
            float((live - base).detach().norm())
            for live, base in zip(item._live.parameters(), model.parameters(), strict=True)
        )
        for item in (far, back)
    ]
    assert total[1] < total[0]


def test_sizes_are_root_mean_squares_of_the_gradients_of_segments() -> None:
    model = network()
    found = gradient_sizes(model, STORE, segment=6, segments=100)
    ours = [gradients(model, batch) for batch in segments(6)]
    for name, size in found.items():
        wanted = (sum(one[name] ** 2 for one in ours) / len(ours)) ** 0.5
        assert torch.allclose(size, torch.as_tensor(wanted), atol=1e-12)


def test_a_unigram_cache_counts_the_last_words() -> None:
    (batch,) = segments(100)
    model = UnigramCache(Stream(), WORDS, START, window=3)
    p = model.predict(batch)[0].exp()
    assert torch.allclose(p[0], torch.tensor([1, 0, 1, 1, 1, 1, 1, 1]) / 7)
    assert torch.allclose(p[3], torch.tensor([0, 0, 0, 2, 1, 0, 0, 0]) / 3)  # after 3 4 3
    assert torch.allclose(p[6], torch.tensor([0, 0, 1, 0, 0, 1, 1, 0]) / 3)  # after 5 </s> 6


def test_a_neural_cache_weighs_words_by_how_alike_the_units_were() -> None:
    model, (batch,) = network().float(), segments(100)
    sharpness, window = 0.7, 4
    p = NeuralCache(model, WORDS, START, window=window, sharpness=sharpness).predict(batch)[0].exp()
    h = model.encoder(batch).features.detach()
    h = h / h.norm(dim=1, keepdim=True)
    words = batch.targets.tolist()
    for t in (1, 3, 9):
        wanted = torch.zeros(WORDS)
        for i in range(max(0, t - window), t):  # the units at i stood before the word i
            wanted[words[i]] += math.exp(sharpness * h.shape[1] * float(h[t] @ h[i]))
        assert torch.allclose(p[t], wanted / wanted.sum(), atol=1e-5)


@pytest.mark.parametrize("rate", [1e9, 1e300])
def test_dynamic_evaluation_that_diverges_says_so(rate: float) -> None:
    live = DynamicModel(network(), rate=rate, segment=6)

    def score() -> None:
        state = None
        for batch in [*segments(6)] * 5:
            _, state = live.predict(batch, state)

    with pytest.raises(WordlabError, match=r"diverged while it scored, at a rate of .* lower"):
        score()
