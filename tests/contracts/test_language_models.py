"""What every model family with every output layer must do."""

import math

import numpy as np
import onnxruntime
import pytest
import torch

from wordlab.batching.batch import Batch, Order, Questions
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.inspection.cost import cost_of
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.cost import evaluate
from wordlab.models.language_model import (
    MODELS,
    OUTPUT_LAYERS,
    Encoder,
    LanguageModel,
    NetworkSettings,
    Predictor,
    build_model,
)
from wordlab.models.onnx_graph import onnx_graph
from wordlab.native.library import without_kernels
from wordlab.runs.settings import FAMILIES
from wordlab.training.settings import TrainingSettings

WORDS = 40

VARIANTS: dict[str, list[dict[str, object]]] = {
    "feedforward": [
        {"embedding": 5, "hidden": (7,)},
        {"embedding": 6, "hidden": (8, 5), "n": 3, "direct": True, "padding": "single"},
        {"embedding": 4, "hidden": (4,), "n": 2, "activation": "gelu"},
        {"embedding": 4, "hidden": (6,), "dropout": 0.5, "embedding_dropout": 0.5, "n": 6},
    ],
    "elman": [
        {"embedding": 5, "hidden": (7,)},
        {"embedding": 6, "hidden": (6,), "direct": True, "biases": 0, "activation": "sigmoid"},
        {"embedding": 4, "hidden": (5, 6), "biases": 2, "reads": "stream", "activation": "relu"},
    ],
    "gru": [
        {"embedding": 5, "hidden": (7,)},
        {"embedding": 4, "hidden": (6, 5), "reset": "after", "biases": 2, "unpredicted": 2},
        {"embedding": 4, "hidden": (6,), "reset": "after", "reads": "stream", "length": 3},
    ],
    "lstm": [
        {"embedding": 5, "hidden": (7,)},
        {"embedding": 4, "hidden": (6, 5), "biases": 2, "layer_norm": True, "unpredicted": 1},
        {"embedding": 4, "hidden": (6, 4), "reads": "stream", "length": 4, "jitter": 0.5},
        {"embedding": 5, "hidden": (5,), "vectors": "cooccurrence"},
    ],
}
OUTPUTS: dict[str, list[dict[str, object]]] = {
    "softmax": [
        {},
        {"tied": True},
        {"bias": "zero", "dropout": 0.3, "smoothing": 0.1},
        {"bias": "none", "deviation": 0.1},
        {"sample": 10, "tied": True},
        {"precision": "bfloat16"},
    ],
    "adaptive": [
        {"cuts": [10, 20]},
        {"cuts": [5], "narrowing": 2, "bias": "zero", "dropout": 0.3},
    ],
    "nce": [{"noise": 20, "tied": True, "dropout": 0.3}],
}


def cases() -> list[object]:
    assert {f.model_fields["type"].default for f in FAMILIES} == set(MODELS)
    networks = {name for name in MODELS if issubclass(MODELS[name], NetworkSettings)}
    assert set(VARIANTS) == networks, "a model family is without contract tests"
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


def predictions(
    model: Predictor, text: TokenStore, size: int, order: Order | None = None
) -> dict[int, torch.Tensor]:
    """The next-word distribution at each position, read in batches of a size."""
    found: dict[int, torch.Tensor] = {}
    state = None
    for batch in model.reading.batches(text, size, order=order):
        log_probs, state = model.predict(batch, state)
        assert len(log_probs) == len(batch.targets) == len(batch.positions)
        assert not set(found) & set(batch.positions.tolist()), "a target is read twice"
        found |= dict(zip(batch.positions.tolist(), log_probs, strict=True))
    return found


def after(model: Predictor, history: list[int]) -> torch.Tensor:
    """The distribution of the word after a history."""
    return model.predict(model.reading.contexts([history], start=1, end=2))[0][0]


def test_each_distribution_sums_to_one(model: LanguageModel) -> None:
    for log_probs in predictions(model, store(), 16).values():
        assert float(log_probs.double().exp().sum()) == pytest.approx(1, abs=1e-6)


def test_a_prediction_does_not_see_its_answer_or_what_follows(model: LanguageModel) -> None:
    text = [7, 8, 9, 10, 11, 12]
    for place in range(model.reading.fewest_words, len(text)):
        changed = store_of([[*text[:place], 30, *text[place + 1 :]]])
        here = predictions(model, changed, 100)[place]
        assert torch.allclose(here, after(model, text[:place]), atol=1e-6)


def test_what_came_before_matters(model: LanguageModel) -> None:
    one, two = after(model, [7, 8, 9]), after(model, [7, 8, 10])
    assert not torch.allclose(one, two, atol=1e-3)


def test_sentences_are_read_apart_unless_a_state_is_carried(model: LanguageModel) -> None:
    alone = score_tokens(model, store_of([[5, 6, 7, 8]]), vocabulary=WORDS)
    follows = score_tokens(model, store_of([[9, 10, 11], [5, 6, 7, 8]]), vocabulary=WORDS)
    same = np.allclose(alone.nats, follows.nats[-len(alone.nats) :], atol=1e-6)
    assert same != model.reading.carries


def store_of(sentences: list[list[int]]) -> TokenStore:
    return TokenStore.in_memory(sentences, vocabulary())


def test_batch_size_and_order_change_no_score(model: LanguageModel) -> None:
    text = store()
    whole = predictions(model, text, 1000)
    assert len(whole) == model.reading.target_counts(text, WORDS).sum()
    for size in (1, 3, 17):
        for order in (None, Order(seed=size, epoch=2)):
            parts = predictions(model, text, size, order)
            assert set(parts) == set(whole)
            assert all(torch.allclose(parts[p], whole[p], atol=1e-5) for p in whole)


def test_scores_are_in_the_order_of_the_text(model: LanguageModel) -> None:
    scores = score_tokens(model, store(), vocabulary=WORDS)
    assert (np.diff(scores.positions) > 0).all()
    for position, log_probs in predictions(model, store(), 7).items():
        row = int(np.searchsorted(scores.positions, position))
        target = int(store().ids[position])
        assert scores.targets[row] == target
        assert scores.nats[row] == pytest.approx(-float(log_probs[target]), abs=1e-5)


def test_word_by_word_equals_whole(model: LanguageModel) -> None:
    ids = [4, 9, 0, 12, 30, 2]
    for position, log_probs in predictions(model, store_of([ids[:-1]]), 100).items():
        assert torch.allclose(after(model, ids[:position]), log_probs, atol=1e-5)


def test_histories_of_any_lengths_go_together(model: LanguageModel) -> None:
    histories = [[4, 9], [5, 6, 7, 8, 9], [12, 13], [30, 31, 32]]
    together, _ = model.predict(model.reading.contexts(histories, start=1, end=2))
    for row, history in zip(together, histories, strict=True):
        assert torch.allclose(row, after(model, history), atol=1e-6)


def test_left_out_targets_are_left_out_and_still_read(model: LanguageModel) -> None:
    left_out = frozenset({0, 2})
    whole = predictions(model, store(), 50)
    state = None
    for batch in model.reading.batches(store(), 9, left_out=left_out):
        log_probs, state = model.predict(batch, state)
        assert not left_out & set(batch.targets.tolist())
        for position, row in zip(batch.positions.tolist(), log_probs, strict=True):
            assert torch.allclose(row, whole.pop(position), atol=1e-5)
    assert {int(store().ids[position]) for position in whole} <= left_out


def test_loss_and_log_probs_agree(model: LanguageModel) -> None:
    batch = next(model.reading.batches(store(), 50))
    loss = model(batch)
    assert loss.targets == len(batch.targets)
    log_probs, _ = model.predict(batch)
    wanted = -log_probs.gather(1, batch.targets[:, None]).double().sum()
    bf16 = getattr(model.output, "precision", "") == "bfloat16"
    assert loss.nats.item() == pytest.approx(float(wanted), rel=2e-2 if bf16 else 1e-6)


def test_scores_are_those_of_the_distributions(model: LanguageModel) -> None:
    """Whatever the way in which a layer judges targets."""
    batch = next(iter(model.reading.batches(store(), 256)))
    found, _ = model.judge(Questions.of(batch), entropies=True)
    true, _ = Predictor.judge(model, Questions.of(batch), entropies=True)
    np.testing.assert_allclose(found.nats, true.nats, atol=1e-5)
    np.testing.assert_allclose(found.entropies, true.entropies, atol=1e-5)
    np.testing.assert_array_equal(found.ranks, true.ranks)


def test_the_loss_has_the_gradient_of_log_probs(model: LanguageModel) -> None:
    model = model.double()
    batch = next(model.reading.batches(store(), 50))
    parameters = list(model.parameters())
    ours = torch.autograd.grad(model(batch).nats, parameters)
    log_probs = model.output.log_probs(model.encoder(batch).features)
    plain = -log_probs.gather(1, batch.targets[:, None]).sum()
    for found, wanted in zip(ours, torch.autograd.grad(plain, parameters), strict=True):
        assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


def test_training_mode_learns_with_every_kind_of_noise(model: LanguageModel) -> None:
    model.train()
    batch = next(model.reading.batches(store(), 64))
    loss = model(batch)
    loss.nats.backward()
    assert math.isfinite(loss.nats.item())


def test_smoothing_trains_towards_the_unigram() -> None:
    plain = {"embedding": 5, "hidden": (7,), "dropout": 0.0, "embedding_dropout": 0.0}
    model = build("feedforward", plain, "softmax", {"smoothing": 0.2}).double().train()
    counts = torch.arange(1, WORDS + 1)
    model.output.start_from_counts(counts)
    batch = next(model.reading.batches(store(), 50))
    nats = model(batch).nats
    log_probs = model.output.log_probs(model.encoder(batch).features)
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
    whole = model(batch).nats
    gradients = torch.autograd.grad(whole, list(model.parameters()))
    monkeypatch.setattr("wordlab.models.softmax_nats.CHUNK_LOGITS", 7 * WORDS)
    chunked = model(batch).nats
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

    def of_linear(x: list[int], weight: list[int], *_: object, **__: object) -> int:
        return 2 * x[0] * weight[0] * weight[1]

    batch = next(model.reading.batches(store(), 10))
    onednn = {torch.ops.mkldnn._linear_pointwise: of_linear}
    model.train().output.at(1.0)  # all classes, as costs has it
    # The first products of a process try what the machine can do.
    with without_kernels():
        model(batch).nats.backward()
    with without_kernels(), FlopCounterMode(display=False, custom_mapping=onednn) as counter:
        model(batch).nats.backward()
    encoder, output = model.encoder.costs(), model.output.costs(model.encoder.width)
    of_batch = {"N": len(batch.targets), **model.output.batch_sizes(batch.targets)}
    assert counter.get_total_flops() == sum(
        len(rows) * evaluate(formula, {**layer.sizes, **of_batch})
        for rows, layers in ((batch.inputs, encoder), (batch.targets, output))
        for layer in layers
        for formula in (layer.forward, layer.backward)
    )


def test_every_parameter_learns(model: LanguageModel) -> None:
    batch = next(model.reading.batches(store(), 64))
    loss = model(batch)
    (loss.nats / loss.targets).backward()
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
    place = np.zeros(1, dtype=np.int64)
    batch = Batch(torch.tensor([[3]]), torch.tensor([8]), place, place)
    nats = model(batch).nats
    assert math.isfinite(nats.item())
    assert nats.item() == pytest.approx(3000, rel=1e-2)


def test_the_last_layer_that_is_shown_is_what_the_output_reads(model: LanguageModel) -> None:
    text, encoder = store(), model.encoder
    state: tuple[torch.Tensor, ...] = ()
    shown: tuple[torch.Tensor, ...] = ()
    for batch in model.reading.batches(text, 17):
        state = state if batch.continues else ()
        encoded = encoder(batch, state)
        found, shown = encoder.activations(batch, shown if batch.continues else ())
        state = encoded.state
        *_, last = found.values()
        assert torch.equal(encoded.features[:, : last.shape[1]], last)
        assert all(torch.equal(a, b) for a, b in zip(shown, encoded.state, strict=True))
        assert {len(layer) for layer in found.values()} == {len(batch.targets)}
        first = encoder.word_vectors()[text.ids[batch.positions - 1].astype(np.int64)]
        inside = (batch.positions > 0) & (text.ids[batch.positions - 1] != text.end)
        assert torch.equal(found["embedding"][inside], first[inside])


def test_a_network_in_onnx_says_the_same(model: LanguageModel) -> None:
    """Its sequences in two parts, the state given on; a part without such a form says so."""
    refusal = ""
    try:
        graph = onnx_graph(model)
    except WordlabError as error:
        refusal = str(error)
    if refusal:
        assert "has no form in ONNX yet" in refusal
        assert len(refusal.splitlines()) == 1
        return
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    outputs = [output.name for output in session.get_outputs()]
    histories = [[4, 9, 0, 12, 30], [5, 6, 7, 5, 6], [8, 8, 0, 3, 39]]
    batch = model.reading.contexts(histories, start=1, end=2)
    own = model.predict(batch)[0].numpy()
    first, *parts = session.get_inputs()
    if not parts:
        (found,) = session.run(outputs, {first.name: batch.inputs.numpy()})
        assert np.abs(found - own).max() < 1e-5
        return
    words = np.array([[2 if model.reading.carries else 1, *history] for history in histories])
    given = {part.name: np.zeros((3, part.shape[1]), np.float32) for part in parts}
    for here in (words[:, :1], words[:, 1:4], words[:, 4:]):
        found = dict(zip(outputs, session.run(outputs, {first.name: here, **given}), strict=True))
        given = {name: found[f"{name}_after"] for name in given}
        assert found["log_probs"].shape == (*here.shape, WORDS)
    assert np.abs(found["log_probs"][:, -1] - own).max() < 1e-5


class Unheard(Encoder):
    """An encoder of a user's own."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = table

    def embed(self, batch: Batch) -> torch.Tensor:
        raise NotImplementedError

    encode = embed  # type: ignore[assignment]
    costs = embed  # type: ignore[assignment]

    def word_vectors(self) -> torch.Tensor:
        return self.table


def test_a_part_of_ones_own_has_no_form_in_onnx_yet() -> None:
    model = build("feedforward", {}, "softmax", {})
    model.encoder = Unheard(model.encoder.word_vectors())
    with pytest.raises(WordlabError, match="network of type Unheard has no form in ONNX yet"):
        onnx_graph(model)
