"""Recurrent cells against torch's own and against explicit recursions, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from wordlab.batching.batch import Batch
from wordlab.batching.packing import Packing
from wordlab.inspection.cost import cost_of
from wordlab.models.language_model import LanguageModel, build_model
from wordlab.models.recurrent.cell import Cell
from wordlab.models.recurrent.elman import ElmanSettings
from wordlab.models.recurrent.gru import GruSettings
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.settings import TrainingSettings

STEPS = (4, 4, 3, 1, 1)
INPUTS, UNITS = 5, 6

Step = Callable[[Cell, Tensor, list[Tensor]], list[Tensor]]


def elman(cell: Cell, a: Tensor, state: list[Tensor]) -> list[Tensor]:
    return [getattr(torch, str(cell.activation))(a + state[0] @ cell.weight_hidden.T)]


def lstm(cell: Cell, a: Tensor, state: list[Tensor]) -> list[Tensor]:
    i, f, o, g = (a + state[0] @ cell.weight_hidden.T).chunk(4, dim=1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return [o.sigmoid() * c.tanh(), c]


def gru(cell: Cell, a: Tensor, state: list[Tensor]) -> list[Tensor]:
    (h,), (u_z, u_r, u_g) = state, cell.weight_hidden.chunk(3)
    a_z, a_r, a_g = a.chunk(3, dim=1)
    z, r = (a_z + h @ u_z.T).sigmoid(), (a_r + h @ u_r.T).sigmoid()
    return [z * (a_g + (r * h) @ u_g.T).tanh() + (1 - z) * h]


def gru_after(cell: Cell, a: Tensor, state: list[Tensor]) -> list[Tensor]:
    """`a` is given without the second bias, which belongs inside the reset gate's product."""
    (h,), (u_z, u_r, u_g) = state, cell.weight_hidden.chunk(3)
    second = cell.bias_hidden
    b_z, b_r, b_g = (torch.zeros(3 * UNITS) if second is None else second).double().chunk(3)
    a_z, a_r, a_g = a.chunk(3, dim=1)
    z, r = (a_z + h @ u_z.T + b_z).sigmoid(), (a_r + h @ u_r.T + b_r).sigmoid()
    return [z * (a_g + r * (h @ u_g.T + b_g)).tanh() + (1 - z) * h]


def cells() -> list[object]:
    found = []
    for biases in (0, 1, 2):
        found += [
            pytest.param(
                ElmanSettings(biases=biases, activation=f), elman, id=f"elman-{f}-{biases}"
            )
            for f in ("sigmoid", "tanh", "relu")
        ]
    for biases in (1, 2):
        found += [
            pytest.param(LstmSettings(biases=biases), lstm, id=f"lstm-{biases}"),
            pytest.param(GruSettings(biases=biases), gru, id=f"gru-before-{biases}"),
            pytest.param(
                GruSettings(biases=biases, reset="after"), gru_after, id=f"gru-after-{biases}"
            ),
        ]
    return found


@pytest.mark.parametrize(("settings", "step"), cells())
def test_a_cell_and_its_gradient_are_the_recursion(
    settings: ElmanSettings | GruSettings | LstmSettings, step: Step
) -> None:
    draw = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_()

    cell = settings.cell(INPUTS, UNITS).double()
    for parameter in cell.parameters():
        parameter.data = random(*parameter.shape).data
    x = random(sum(STEPS), INPUTS)
    state = tuple(random(STEPS[0], UNITS) for _ in range(cell.parts))
    assert cell.weight_inputs is not None
    bias = cell.bias if cell.bias is not None else 0
    a = x @ cell.weight_inputs.T + bias
    if cell.bias_hidden is not None and step is not gru_after:
        a = a + cell.bias_hidden
    parts, here, first = [], list(state), 0
    for count in STEPS:
        here = step(cell, a[first : first + count], [part[:count] for part in here])
        parts.append(here)
        first += count
    wanted = [torch.cat([part[k] for part in parts]) for k in range(cell.parts)]
    found = cell(x, STEPS, state)
    weights = [random(*part.shape).detach() for part in wanted]
    leaves = [x, *state, *cell.parameters()]
    ours = torch.autograd.grad(
        sum((part * w).sum() for part, w in zip(found, weights, strict=True)), leaves
    )
    plain = torch.autograd.grad(
        sum((part * w).sum() for part, w in zip(wanted, weights, strict=True)), leaves
    )
    for one, two in zip([*found, *ours], [*wanted, *plain], strict=True):
        assert torch.allclose(one, two, rtol=1e-11, atol=1e-11)


def test_two_biases_and_a_late_reset_are_the_cells_of_torch() -> None:
    x = torch.randn(7, 3, INPUTS, dtype=torch.float64)
    n = UNITS
    lstm_there = nn.LSTM(INPUTS, n).double()
    here = LstmSettings(biases=2).cell(INPUTS, n).double()
    gates = torch.tensor([0, 1, 3, 2])  # torch has the candidate before the output gate
    take(here, lstm_there, gates)
    outputs, _ = here(x.flatten(0, 1), (3,) * 7, here.zero_state(3))
    assert torch.allclose(outputs.view(7, 3, n), lstm_there(x)[0], atol=1e-12)
    gru_there = nn.GRU(INPUTS, n).double()
    late = GruSettings(biases=2, reset="after").cell(INPUTS, n).double()
    take(late, gru_there, torch.tensor([1, 0, 2]))
    for parameter in late.parameters():
        parameter.data[:n] *= -1  # torch's update gate keeps the old state: sigmoid(-x) = 1 - ..
    (outputs,) = late(x.flatten(0, 1), (3,) * 7, late.zero_state(3))
    assert torch.allclose(outputs.view(7, 3, n), gru_there(x)[0], atol=1e-12)


def take(cell: Cell, other: nn.RNNBase, blocks: Tensor) -> None:
    """Take over torch's parameters, their blocks in our order."""
    names = {"weight_inputs": "weight_ih_l0", "weight_hidden": "weight_hh_l0"}
    names |= {"bias": "bias_ih_l0", "bias_hidden": "bias_hh_l0"}
    for ours, theirs in names.items():
        parts = getattr(other, theirs).detach().chunk(len(blocks))
        cell.get_parameter(ours).data = torch.cat([parts[int(k)] for k in blocks]).clone()


def test_parameters_are_the_textbooks() -> None:
    for m, n in ((3, 5), (16, 16), (10, 1)):
        for model, kinds in (
            (LstmSettings(), 4),
            (GruSettings(), 3),
            (GruSettings(reset="after"), 3),
            (ElmanSettings(), 1),
        ):
            counted = sum(p.numel() for p in model.cell(m, n).parameters())
            assert counted == kinds * (m * n + n * n + n)
        both = sum(p.numel() for p in LstmSettings(biases=2).cell(m, n).parameters())
        assert both == 4 * (m * n + n * n + 2 * n)


def test_recurrent_blocks_begin_orthogonal_or_as_the_others() -> None:
    for model in (LstmSettings(), GruSettings(), ElmanSettings()):
        for block in model.cell(5, 8).weight_hidden.detach().split(8):
            assert torch.allclose(block @ block.T, torch.eye(8), atol=1e-5)
        other = model.model_copy(update={"start": "glorot"})
        weights = other.cell(5, 8).weight_hidden.detach()
        assert float(weights.abs().max()) <= (6 / 16) ** 0.5
        assert not torch.allclose(weights[:8] @ weights[:8].T, torch.eye(8), atol=1e-2)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([ElmanSettings, GruSettings, LstmSettings]),
    embedding=st.integers(1, 9),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    biases=st.sampled_from([1, 2]),
    layer_norm=st.booleans(),
    tied=st.booleans(),
)
def test_describe_equals_counted_for_any_sizes(
    kind: type[LstmSettings],
    embedding: int,
    hidden: list[int],
    biases: int,
    layer_norm: bool,
    tied: bool,
) -> None:
    model = kind(embedding=embedding, hidden=tuple(hidden), biases=biases, layer_norm=layer_norm)
    built = build_model(model, SoftmaxSettings(tied=tied), 11, seed=1)
    cost = cost_of(built, TrainingSettings())
    assert cost.parameters == cost.counted


# -- truncation -------------------------------------------------------------------------------

SENTENCES = [[1, 4, 3, 5, 2, 4], [1, 5, 5], [1, 3, 4, 4, 2]]
"""Inputs of three sequences; the target of each token is the token plus one, modulo six."""
WORDS = 6


def packed() -> tuple[Batch, Packing]:
    rows = sorted(SENTENCES, key=len, reverse=True)
    packing = Packing.of(np.array([len(row) for row in rows]))
    ids = torch.tensor([rows[s][t] for s, t in zip(packing.sequence, packing.time, strict=True)])
    places = np.arange(len(ids))
    steps = tuple(packing.steps.tolist())
    return Batch(ids, (ids + 1) % WORDS, places, ids.numpy(), steps=steps), packing


def without_dropout(settings: LstmSettings | ElmanSettings | GruSettings) -> LanguageModel:
    quiet = settings.model_copy(update={"dropout": 0.0, "embedding_dropout": 0.0})
    return build_model(quiet, SoftmaxSettings(), WORDS, seed=1).double().train()


def gradients(model: LanguageModel, batch: Batch) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(model(batch).nats, parameters)
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("back", [0, 1, 3, 5])
def test_truncation_is_the_closed_form_of_cs224d(back: int) -> None:
    """delta_(t-k) = (H' delta_(t-k+1)) sigma'(z_(t-k)) for k = 1 .. back, for each target t."""
    settings = ElmanSettings(
        embedding=4, hidden=(4,), direct=True, biases=0, activation="sigmoid", truncation=back
    )
    model = without_dropout(settings)
    for parameter in model.parameters():
        parameter.data = torch.randn(
            parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
        )
    big_l = model.get_parameter("encoder.embedding.weight").detach().numpy()
    big_h = model.get_parameter("encoder.cells.0.weight_hidden").detach().numpy()
    big_u = model.get_parameter("output.weight").detach().numpy()
    b = model.get_parameter("output.bias").detach().numpy()
    d_l, d_h, d_u = np.zeros_like(big_l), np.zeros_like(big_h), np.zeros_like(big_u)
    for sentence in SENTENCES:
        h = [np.zeros(4)]
        for word in sentence:
            h.append(1 / (1 + np.exp(-(big_h @ h[-1] + big_l[word]))))
        for t, word in enumerate(sentence, start=1):
            logits = big_u @ h[t] + b
            y = np.exp(logits) / np.exp(logits).sum()
            y[(word + 1) % WORDS] -= 1
            d_u += np.outer(y, h[t])
            delta = (big_u.T @ y) * h[t] * (1 - h[t])
            for k in range(t, max(t - back - 1, 0), -1):
                d_h += np.outer(delta, h[k - 1])
                d_l[sentence[k - 1]] += delta
                delta = (big_h.T @ delta) * h[k - 1] * (1 - h[k - 1])
    found = gradients(model, packed()[0])
    for name, wanted in (
        ("encoder.embedding.weight", d_l),
        ("encoder.cells.0.weight_hidden", d_h),
        ("output.weight", d_u),
    ):
        assert np.allclose(found[name].numpy(), wanted, rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("kind", [ElmanSettings, GruSettings, LstmSettings])
def test_truncation_in_several_layers_is_a_run_from_the_state_before(
    kind: type[LstmSettings],
) -> None:
    back = 2
    shape = {"embedding": 3, "hidden": (4, 5), "hidden_dropout": 0.0}
    model = without_dropout(kind(truncation=back, **shape))
    batch, _ = packed()
    found = gradients(model, batch)
    total = torch.zeros((), dtype=torch.float64)
    for sentence in SENTENCES:
        states: list[tuple[Tensor, ...]] = [()]
        for word in sentence:
            with torch.no_grad():
                states.append(model.eval().encoder(one([word]), states[-1]).state)
        for t in range(len(sentence)):
            first = max(t - back, 0)
            encoded = model.encoder(one(sentence[first : t + 1]), states[first])
            target = torch.tensor([(sentence[t] + 1) % WORDS])
            total = total + model.output.loss(encoded.features[-1:], target)
    wanted = torch.autograd.grad(total, list(model.parameters()))
    for (name, ours), plain in zip(found.items(), wanted, strict=True):
        assert torch.allclose(ours, plain, rtol=1e-10, atol=1e-12), name


def one(words: list[int]) -> Batch:
    ids = torch.tensor(words)
    return Batch(ids, ids, np.arange(len(ids)), ids.numpy(), steps=(1,) * len(ids))


def test_a_truncation_longer_than_the_text_is_none() -> None:
    batch, _ = packed()
    shape = {"embedding": 3, "hidden": (4,)}
    whole = gradients(without_dropout(LstmSettings(**shape)), batch)
    far = gradients(without_dropout(LstmSettings(truncation=50, **shape)), batch)
    short = gradients(without_dropout(LstmSettings(truncation=1, **shape)), batch)
    for name, wanted in whole.items():
        assert torch.allclose(far[name], wanted, rtol=1e-10, atol=1e-12)
    name = "encoder.cells.0.weight_hidden"
    assert not torch.allclose(short[name], whole[name], rtol=1e-3)


def test_truncation_allows_no_noise_between_its_two_passes() -> None:
    with pytest.raises(ValueError, match="no weight_dropout"):
        LstmSettings(truncation=3, weight_dropout=0.1)
    with pytest.raises(ValueError, match="no hidden_dropout"):
        LstmSettings(truncation=3, hidden=(3, 3), hidden_dropout=0.1)


# -- noise ------------------------------------------------------------------------------------


def test_locked_dropout_drops_the_same_units_of_a_sequence_throughout() -> None:
    settings = LstmSettings(embedding=50, hidden=(40,), dropout=0.5, embedding_dropout=0.0)
    batch, packing = packed()
    for locked in (True, False):
        own = settings.model_copy(update={"locked": locked})
        model = build_model(own, SoftmaxSettings(), WORDS, seed=1).train()
        features = model.encoder(batch).features
        dropped = (features == 0).numpy()
        patterns = {s: {tuple(row) for row in dropped[packing.sequence == s]} for s in range(3)}
        assert all(len(rows) == 1 for rows in patterns.values()) == locked
        assert len(set.union(*patterns.values())) >= 3
        assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_weight_dropout_drops_its_share_and_makes_up_for_it(share: float) -> None:
    size = 101
    cell = ElmanSettings(hidden=(size,), weight_dropout=share).cell(3, size).train()
    assert isinstance(cell, Cell)
    with torch.no_grad():
        cell.weight_hidden.fill_(1.0)
    seen: list[torch.Tensor] = []
    cell.recur = lambda a, hidden, steps, state: seen.append(hidden) or state  # type: ignore
    torch.manual_seed(1)
    for _ in range(2):
        cell(torch.zeros(1, 3), (1,), cell.zero_state(1))
    first, second = seen
    assert (first == 0).float().mean().item() == pytest.approx(share, abs=0.015)
    assert not torch.equal(first, second)
    assert first.max().item() == pytest.approx(1 / (1 - share), rel=1e-4)
    cell.eval()(torch.zeros(1, 3), (1,), cell.zero_state(1))
    assert torch.equal(seen[2], cell.weight_hidden)


def test_word_dropout_drops_all_occurrences_of_a_word() -> None:
    settings = ElmanSettings(
        embedding=3, hidden=(3,), direct=True, biases=0, activation="relu",
        word_dropout=0.5, embedding_dropout=0.0, dropout=0.0,
    )  # fmt: skip
    model = build_model(settings, SoftmaxSettings(), WORDS, seed=1).train()
    with torch.no_grad():
        model.get_parameter("encoder.embedding.weight").fill_(1.0)
        model.get_parameter("encoder.cells.0.weight_hidden").zero_()
    batch, _ = packed()
    kept = {}
    features = model.encoder(batch).features.detach()
    for word, row in zip(batch.inputs.tolist(), features, strict=True):
        assert kept.setdefault(word, float(row[0])) == float(row[0])
        assert float(row[0]) in (0.0, 2.0)
    assert len(set(kept.values())) == 2


def test_the_penalties_are_those_of_merity() -> None:
    shape = {"embedding": 3, "hidden": (4,), "dropout": 0.0, "embedding_dropout": 0.0}
    batch, packing = packed()
    plain = build_model(LstmSettings(**shape), SoftmaxSettings(), WORDS, seed=1).train()
    h = plain.encoder(batch).features
    changes = [
        h[(packing.sequence == s) & (packing.time == t)]
        - h[(packing.sequence == s) & (packing.time == t - 1)]
        for s, row in enumerate(sorted(SENTENCES, key=len, reverse=True))
        for t in range(1, len(row))
    ]
    wanted = 2 * h.square().mean() + 3 * torch.cat(changes).square().mean()
    settings = LstmSettings(activation_penalty=2.0, change_penalty=3.0, **shape)
    model = build_model(settings, SoftmaxSettings(), WORDS, seed=1)
    loss = model.train()(batch)
    assert loss.penalty is not None
    assert loss.penalty.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert model.eval()(batch).penalty is None


def test_bfloat16_is_near_float32() -> None:
    batch, _ = packed()
    for kind in (ElmanSettings, GruSettings, LstmSettings):
        shape = {"embedding": 8, "hidden": (16, 8), "hidden_dropout": 0.0}
        narrow, full = (
            build_model(
                kind(precision=p, dropout=0.0, embedding_dropout=0.0, **shape),
                SoftmaxSettings(),
                WORDS,
                seed=1,
            ).train()
            for p in ("bfloat16", "float32")
        )
        one, two = narrow(batch).nats.item(), full(batch).nats.item()
        assert one == pytest.approx(two, rel=1e-2)
        assert narrow.eval()(batch).nats.item() == pytest.approx(full.eval()(batch).nats.item())
