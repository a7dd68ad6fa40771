"""The compiled judgement of targets: what float64 gives, for every shape and instruction set."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from layers import drawn
from wordlab.models.int8 import Int8Matrix
from wordlab.models.judgement import judgement
from wordlab.models.operands import attach
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxOutput, SoftmaxSettings
from wordlab.native.judgement import judge
from wordlab.native.library import SETS, Kernels, kernels, without_kernels

COMPILED = kernels()
pytestmark = pytest.mark.skipif(COMPILED.library is None, reason=str(COMPILED))

HERE = SETS[: SETS.index(COMPILED.instructions) + 1]


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 70),
    features=st.integers(1, 40),
    classes=st.integers(1, 400),
    name=st.sampled_from(HERE),
    threads=st.integers(1, 3),
    entropies=st.booleans(),
)
def test_every_shape(
    rows: int, features: int, classes: int, name: str, threads: int, entropies: bool
) -> None:
    torch.set_num_threads(threads)
    x, weight, bias, targets = drawn(rows, features, classes, scale=2.0)
    found = judge(_with(name), x, weight, bias, targets, entropies)
    assert found is not None
    nats, ranks, spreads = found
    logs = torch.log_softmax(x.double() @ weight.double().T + bias.double(), dim=1)
    true = judgement(logs, torch.arange(rows), targets, entropies=True)
    torch.testing.assert_close(nats, torch.from_numpy(true.nats), atol=5e-6, rtol=0)
    # A word as probable as another to the last bits may stand on either side of it.
    apart = (logs - logs.gather(1, targets[:, None])).abs().topk(min(2, classes), largest=False)
    clear = torch.ones(rows, dtype=torch.bool) if classes == 1 else apart.values[:, 1] > 1e-5
    assert torch.equal(ranks[clear], torch.from_numpy(true.ranks)[clear])
    assert (spreads is not None) == entropies
    if spreads is not None:
        torch.testing.assert_close(spreads, torch.from_numpy(true.entropies), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", HERE)
def test_equal_words_rank_by_id(name: str) -> None:
    """Three words have one vector, and stand in other tiles and other lanes."""
    x, weight, bias, _ = drawn(40, 19, 333, scale=3.0)
    same = [3, 150, 332]
    weight[same], bias[same] = weight[3].clone(), bias[3].clone()
    ranks = []
    for word in same:
        found = judge(_with(name), x, weight, bias, torch.full((40,), word), False)
        assert found is not None
        ranks.append(found[1])
    assert torch.equal(ranks[1], ranks[0] + 1)
    assert torch.equal(ranks[2], ranks[0] + 2)


@pytest.mark.parametrize("name", HERE)
def test_rows_and_threads_beside_it_change_nothing_of_a_row(name: str) -> None:
    x, weight, bias, targets = drawn(100, 24, 500)
    whole = judge(_with(name), x, weight, bias, targets, True)
    assert whole is not None
    torch.set_num_threads(2)
    for here in (slice(0, 1), slice(37, 90), slice(99, 100)):
        part = judge(_with(name), x[here], weight, bias, targets[here], True)
        assert part is not None
        for one, other in zip(part, whole, strict=True):
            assert one is not None
            assert other is not None
            assert torch.equal(one, other[here])


@pytest.mark.parametrize("name", HERE)
def test_what_it_cannot_work_out_is_left_to_others(name: str) -> None:
    x, weight, bias, targets = drawn(5, 4, 30)
    wild = x.clone()
    wild[1], wild[3, 2] = 1e4 * x[1], float("nan")
    found, calm = (judge(_with(name), of, weight, bias, targets, True) for of in (wild, x))
    assert found is not None
    assert calm is not None
    assert found[1].tolist() == [0 if at in (1, 3) else int(calm[1][at]) for at in range(5)]
    assert torch.equal(found[0][[0, 2, 4]], calm[0][[0, 2, 4]])
    for wrong in (-1, 30):
        assert judge(_with(name), x, weight, bias, torch.full((5,), wrong), False) is None


@pytest.mark.parametrize("pairs", [20, 27, 60])
@pytest.mark.parametrize("loud", [0, 1, 20])
def test_a_layer_says_the_same_without_it(pairs: int, loud: int) -> None:
    """Also of several targets a row, and where it gives up some rows or all."""
    torch.set_num_threads(1)
    encoder = LstmSettings(embedding=6, hidden=(6,)).build(50)
    layer = SoftmaxSettings().build(encoder, 50).eval()
    assert isinstance(layer, SoftmaxOutput)
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(20, 6, generator=draw)
    features[:loud] *= 1e4
    rows = (torch.arange(pairs) % 20).sort().values
    targets = torch.randint(0, 50, (pairs,), generator=draw)
    with torch.no_grad():
        found = layer.judge(features, rows, targets, entropies=True)
        with without_kernels():
            other = layer.judge(features, rows, targets, entropies=True)
    assert found.ranks.tolist() == other.ranks.tolist()
    assert found.nats == pytest.approx(other.nats, abs=2e-6, rel=1e-6)
    assert found.entropies == pytest.approx(other.entropies, abs=1e-5)


def _with(name: str) -> Kernels:
    return Kernels(COMPILED.library, name)  # type: ignore[arg-type]


class Cooler(SoftmaxOutput):
    """Somebody's own: a softmax at half the temperature."""

    def log_probs(self, features: Tensor) -> Tensor:
        return torch.log_softmax(2 * super().log_probs(features), dim=1)


@pytest.mark.parametrize("kind", ["int8", "cooler"])
def test_scores_are_those_of_the_distributions(kind: str) -> None:
    """Where these are of rounded weights, or another layer's."""
    draw = torch.Generator().manual_seed(1)
    layer = SoftmaxSettings().build(LstmSettings(embedding=6, hidden=(6,)).build(50), 50).eval()
    assert isinstance(layer, SoftmaxOutput)
    if kind == "cooler":
        layer.__class__ = Cooler
    else:
        attach(layer.weight, Int8Matrix.of(layer.weight))  # type: ignore[arg-type]
    features = 5 * torch.randn(100, 6, generator=draw)
    rows, targets = torch.arange(100), torch.randint(0, 50, (100,), generator=draw)
    with torch.no_grad():
        found = layer.judge(features, rows, targets, entropies=True)
        true = judgement(layer.log_probs(features), rows, targets, entropies=True)
    assert found.nats == pytest.approx(true.nats, abs=1e-6)
    assert found.ranks.tolist() == true.ranks.tolist()
