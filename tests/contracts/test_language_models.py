"""What every model family with every output layer must do."""

import math

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Batch, Order
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.inspection.cost import cost_of
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.language_model import MODELS, OUTPUT_LAYERS, LanguageModel, build_model
from wordlab.training.settings import TrainingSettings

WORDS = 40

VARIANTS: dict[str, list[dict[str, object]]] = {
    "feedforward": [
        {"embedding": 5, "hidden": (7,)},
        {"embedding": 6, "hidden": (8, 5), "n": 3, "direct": True, "padding": "single"},
        {"embedding": 4, "hidden": (4,), "n": 2, "activation": "gelu"},
        {"embedding": 4, "hidden": (6,), "dropout": 0.5, "embedding_dropout": 0.5, "n": 6},
    ]
}
OUTPUTS: dict[str, list[dict[str, object]]] = {
    "softmax": [
        {},
        {"tied": True},
        {"bias": "zero", "dropout": 0.3, "smoothing": 0.1},
        {"precision": "bfloat16"},
    ]
}


def cases() -> list[object]:
    assert set(VARIANTS) == set(MODELS), "a model family is without contract tests"
    assert set(OUTPUTS) == set(OUTPUT_LAYERS), "an output layer is without contract tests"
    return [
        pytest.param((m, model, o, output), id=f"{m}-{i}-{o}-{j}")
        for m, models in VARIANTS.items()
        for i, model in enumerate(models)
        for o, outputs in OUTPUTS.items()
        for j, output in enumerate(outputs)
    ]


@pytest.fixture(params=cases())
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return build(*request.param)


def build(
    kind: str, settings: dict[str, object], output_kind: str, output: dict[str, object]
) -> LanguageModel:
    built = build_model(
        MODELS[kind].model_validate(settings),
        OUTPUT_LAYERS[output_kind].model_validate(output),
        WORDS,
        seed=3,
    )
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():  # livelier than fresh weights, so that faults show
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    return built.eval()


def vocabulary() -> Vocabulary:
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS - 3)))
    return Vocabulary(words, np.arange(WORDS, 0, -1), 0, 1, 2)


def store(sentences: int = 30, seed: int = 0) -> TokenStore:
    draw = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(sentences):
        length = int(torch.randint(1, 12, (), generator=draw))
        ids = torch.randint(3, WORDS, (length,), generator=draw)
        rows.append([0 if int(i) == 5 else int(i) for i in ids])
    return TokenStore.in_memory(rows, vocabulary())


def test_a_uniform_guess_has_perplexity_v(model: LanguageModel) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    score = score_tokens(model, store(), vocabulary=WORDS).score()
    assert score.perplexity == pytest.approx(WORDS, rel=1e-6)


def test_each_distribution_sums_to_one(model: LanguageModel) -> None:
    for batch in model.reading.batches(store(), 16):
        sums = model.log_probs(batch.inputs).double().exp().sum(dim=1)
        assert torch.allclose(sums, torch.ones_like(sums), atol=1e-6)


def test_a_prediction_does_not_see_its_answer_or_what_follows(model: LanguageModel) -> None:
    text = [7, 8, 9, 10, 11, 12]
    for place in range(model.reading.fewest_words, len(text)):
        here = model.log_probs(model.reading.contexts([text[:place]], start=1))
        for batch in model.reading.batches(
            TokenStore.in_memory([[*text[:place], 30, *text[place + 1 :]]], vocabulary()), 100
        ):
            row = batch.positions.tolist().index(place)
            assert torch.allclose(model.log_probs(batch.inputs)[row], here[0], atol=1e-6)


def test_sentences_are_read_apart(model: LanguageModel) -> None:
    alone = score_tokens(model, store_of([[5, 6, 7, 8]]), vocabulary=WORDS)
    after = score_tokens(model, store_of([[9, 10, 11], [5, 6, 7, 8]]), vocabulary=WORDS)
    assert alone.nats == pytest.approx(after.nats[-len(alone.nats) :], abs=1e-6)


def store_of(sentences: list[list[int]]) -> TokenStore:
    return TokenStore.in_memory(sentences, vocabulary())


def test_batch_size_and_order_change_no_score(model: LanguageModel) -> None:
    text = store()
    whole = score_tokens(model, text, vocabulary=WORDS)
    by_position = dict(zip(whole.positions.tolist(), whole.nats.tolist(), strict=True))
    for size in (1, 3, 17):
        seen = 0
        for batch in model.reading.batches(text, size, order=Order(seed=size, epoch=2)):
            nats = -model.log_probs(batch.inputs).gather(1, batch.targets[:, None])[:, 0]
            wanted = torch.tensor([by_position[p] for p in batch.positions.tolist()])
            assert torch.allclose(nats, wanted, atol=1e-5)
            seen += len(batch.targets)
        assert seen == len(whole.nats)


def test_word_by_word_equals_whole(model: LanguageModel) -> None:
    ids = [4, 9, 0, 12, 30, 2]
    whole = score_tokens(model, store_of([ids[:-1]]), vocabulary=WORDS)
    for position, nats in zip(whole.positions.tolist(), whole.nats.tolist(), strict=True):
        inputs = model.reading.contexts([ids[:position]], start=1)
        assert -float(model.log_probs(inputs)[0, ids[position]]) == pytest.approx(nats, abs=1e-5)


def test_loss_and_log_probs_agree(model: LanguageModel) -> None:
    batch = next(model.reading.batches(store(), 50))
    nats, targets = model(batch)
    assert targets == len(batch.targets)
    wanted = -model.log_probs(batch.inputs).gather(1, batch.targets[:, None]).double().sum()
    bf16 = getattr(model.output, "precision", "") == "bfloat16"
    assert nats.item() == pytest.approx(float(wanted), rel=2e-2 if bf16 else 1e-6)


def test_the_loss_has_the_gradient_of_log_probs(model: LanguageModel) -> None:
    model = model.double()
    batch = next(model.reading.batches(store(), 50))
    nats, _ = model(batch)
    parameters = list(model.parameters())
    ours = torch.autograd.grad(nats, parameters)
    log_probs = model.output.log_probs(model.encoder(batch.inputs))
    plain = -log_probs.gather(1, batch.targets[:, None]).sum()
    for found, wanted in zip(ours, torch.autograd.grad(plain, parameters), strict=True):
        assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


def test_smoothing_trains_towards_the_unigram() -> None:
    plain = {"embedding": 5, "hidden": (7,), "dropout": 0.0, "embedding_dropout": 0.0}
    model = build("feedforward", plain, "softmax", {"smoothing": 0.2}).double().train()
    counts = torch.arange(1, WORDS + 1)
    model.output.start_from_counts(counts)
    batch = next(model.reading.batches(store(), 50))
    nats, _ = model(batch)
    log_probs = model.output.log_probs(model.encoder(batch.inputs))
    to_unigram = -(log_probs * (counts / counts.sum()).double()).sum()
    to_target = -log_probs.gather(1, batch.targets[:, None]).sum()
    wanted = 0.8 * to_target + 0.2 * to_unigram
    assert nats.item() == pytest.approx(wanted.item(), rel=1e-7)
    parameters = list(model.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(nats, parameters), torch.autograd.grad(wanted, parameters), strict=True
    ):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def test_the_loss_in_chunks_is_the_loss_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("feedforward", {"embedding": 5, "hidden": (7,)}, "softmax", {}).double()
    batch = next(model.reading.batches(store(), 101))
    whole, _ = model(batch)
    gradients = torch.autograd.grad(whole, list(model.parameters()))
    monkeypatch.setattr("wordlab.models.softmax_output.CHUNK_LOGITS", 7 * WORDS)
    chunked, _ = model(batch)
    assert chunked.item() == pytest.approx(whole.item(), rel=1e-12)
    for ours, plain in zip(
        torch.autograd.grad(chunked, list(model.parameters())), gradients, strict=True
    ):
        assert torch.allclose(ours, plain, rtol=1e-10, atol=1e-12)


def test_describe_equals_counted(model: LanguageModel) -> None:
    cost = cost_of(model, TrainingSettings())
    assert cost.parameters == cost.counted == sum(p.numel() for p in model.parameters())


def test_operations_equal_those_counted(model: LanguageModel) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    batch = next(model.reading.batches(store(), 10))
    with FlopCounterMode(display=False) as counter:
        features = model.encoder(batch.inputs)
        model.output.log_probs(features).sum().backward()
    forward = sum(layer.forward_flops for layer in model.costs())
    backward = sum(layer.backward_flops for layer in model.costs())
    assert counter.get_total_flops() == len(batch.targets) * (forward + backward)


def test_every_parameter_learns(model: LanguageModel) -> None:
    batch = next(model.reading.batches(store(), 64))
    nats, targets = model(batch)
    (nats / targets).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_fresh_weights_depend_on_the_seed_alone() -> None:
    for kind, variants in VARIANTS.items():
        settings, output = MODELS[kind].model_validate(variants[0]), OUTPUT_LAYERS["softmax"]()
        torch.manual_seed(1)
        one = build_model(settings, output, WORDS, seed=3).state_dict()
        torch.manual_seed(2)
        state = torch.get_rng_state()
        two = build_model(settings, output, WORDS, seed=3).state_dict()
        assert torch.equal(torch.get_rng_state(), state)
        other = build_model(settings, output, WORDS, seed=4).state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_keep_the_shape_and_have_a_gradient(name: str) -> None:
    x = torch.linspace(-2, 2, 10, dtype=torch.float64, requires_grad=True)
    assert ACTIVATIONS[name](x).shape == x.shape
    assert torch.autograd.gradcheck(ACTIVATIONS[name], (x,))


def test_math_is_finite_far_out() -> None:
    """Logits of any size give finite nats; see the overflow of log2(exp(x)) elsewhere."""
    model = build("feedforward", {"embedding": 2, "hidden": (2,), "n": 2}, "softmax", {})
    with torch.no_grad():
        model.get_parameter("output.bias")[7] = 3000.0
    batch = Batch(torch.tensor([[3]]), torch.tensor([8]), torch.tensor([0]).numpy())
    nats, _ = model(batch)
    assert math.isfinite(nats.item())
    assert nats.item() == pytest.approx(3000, rel=1e-2)
