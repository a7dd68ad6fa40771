"""The compiled softmax layer: what float64 gives, for every shape and instruction set."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from layers import drawn
from wordlab.models.softmax_nats import SoftmaxNats
from wordlab.native import library
from wordlab.native import softmax as native
from wordlab.native.library import SETS, Kernels, kernels, without_kernels

COMPILED = kernels()
pytestmark = pytest.mark.skipif(COMPILED.library is None, reason=str(COMPILED))

HERE = SETS[: SETS.index(COMPILED.instructions) + 1]
WAYS = [(name, torch.float32, 5e-6) for name in HERE]
if "avx512" in HERE:
    WAYS.append(("avx512", torch.bfloat16, 5e-2))


def exact(x: Tensor, weight: Tensor, bias: Tensor, target: Tensor, mass: Tensor) -> list[Tensor]:
    """Nats of each target itself, and gradients of the nats of the mass, in float64."""
    leaves = [part.double().requires_grad_() for part in (x, weight, bias)]
    logs = torch.log_softmax(leaves[0] @ leaves[1].T + leaves[2], dim=1)
    gradients = torch.autograd.grad(-(mass.double() * logs).sum(), leaves)
    return [-logs.gather(1, target[:, None])[:, 0].detach(), *gradients]


def far(found: Tensor, true: Tensor) -> float:
    """The largest difference, in units of the largest value, or of 0.3 where all are small."""
    return float((found.double() - true).abs().max() / true.abs().max().clamp_min(0.3))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 70),
    features=st.integers(1, 70),
    classes=st.integers(2, 300),
    way=st.sampled_from(WAYS),
    threads=st.integers(1, 3),
    smoothing=st.sampled_from([0.0, 0.1]),
    scale=st.sampled_from([1.0, 0.25]),
)
def test_every_shape(
    rows: int,
    features: int,
    classes: int,
    way: tuple[library.InstructionSet, torch.dtype, float],
    threads: int,
    smoothing: float,
    scale: float,
) -> None:
    instructions, dtype, most = way
    x, weight, bias, target = drawn(rows, features, classes)
    unigram = torch.softmax(bias, dim=0) if smoothing else None
    mass = torch.nn.functional.one_hot(target, classes).float()
    if unigram is not None:
        mass = (1 - smoothing) * mass + smoothing * unigram
    true = exact(x, weight, bias, target, mass)
    into = [torch.full_like(part, torch.nan) for part in (x, weight, bias)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = native.softmax(
            replace(COMPILED, instructions=instructions),
            native.Layer(weight, bias, dtype, unigram, smoothing, scale),
            x,
            target,
            into,
            add=False,
        )
    finally:
        torch.set_num_threads(before)
    assert found is not None
    nats, logits = found
    assert far(nats, true[0]) < most
    assert (
        far(logits, ((x.double() @ weight.double().T) + bias).gather(1, target[:, None])[:, 0])
        < most
    )
    if unigram is not None:
        into[0] -= scale * smoothing * (unigram @ weight)
    for gradient, of_exact in zip(into, true[1:], strict=True):
        assert far(gradient / scale, of_exact) < most


@pytest.mark.parametrize(("instructions", "dtype", "most"), WAYS)
def test_later_chunks_are_added(
    instructions: library.InstructionSet, dtype: torch.dtype, most: float
) -> None:
    x, weight, bias, target = drawn(50, 20, 90)
    layer = native.Layer(weight, bias, dtype)
    usable = replace(COMPILED, instructions=instructions)
    whole, parts = ([torch.empty_like(part) for part in (x, weight, bias)] for _ in range(2))
    native.softmax(usable, layer, x, target, whole, add=False)
    for here in (slice(0, 33), slice(33, 50)):
        into = (parts[0][here], *parts[1:])
        native.softmax(usable, layer, x[here], target[here], into, add=here.start > 0)
    for one, other in zip(parts, whole, strict=True):
        assert far(one, other.double()) < most


def both_ways(
    operands: tuple[Tensor, ...],
    dtype: torch.dtype,
    unigram: Tensor | None = None,
    divided_by: int = 7,
) -> Iterator[list[Tensor]]:
    """Nats and gradients, compiled and by PyTorch."""
    for compiled in (True, False):
        *leaves, target = operands
        leaves = [part.clone().requires_grad_() for part in leaves]

        def work(leaves: list[Tensor] = leaves, target: Tensor = target) -> Tensor:
            nats: Tensor = SoftmaxNats.apply(*leaves, target, dtype, unigram, 0.1, None)
            (nats / divided_by).backward()
            return nats

        if compiled:
            nats = work()
        else:
            with without_kernels():
                nats = work()
        gradients = [part.grad for part in leaves]
        yield [nats.detach(), *(part for part in gradients if part is not None)]


@pytest.mark.parametrize("divided_by", [1, 300])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 5e-6), (torch.bfloat16, 2e-2)])
def test_pytorch_gives_the_same(
    smooth: bool, dtype: torch.dtype, most: float, divided_by: int
) -> None:
    operands = drawn(300, 33, 500)
    unigram = torch.softmax(operands[2], dim=0) if smooth else None
    compiled, plain = both_ways(operands, dtype, unigram, divided_by)
    assert len(compiled) == len(plain) == 4
    for one, other in zip(compiled, plain, strict=True):
        size = max(float(other.abs().max()), 0.3 / divided_by)
        assert float((one - other).abs().max()) / size < most


def test_gradients_are_handed_out_once() -> None:
    x, weight, bias, target = drawn(10, 8, 50)
    nats: Tensor = SoftmaxNats.apply(
        x.requires_grad_(), weight, bias, target, torch.float32, None, 0.0, None
    )
    nats.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="before"):
        nats.backward()


def test_losses_beyond_the_kernel_are_left_to_pytorch() -> None:
    x, weight, bias, target = drawn(40, 64, 100, scale=60.0)
    into = [torch.empty_like(part) for part in (x, weight, bias)]
    layer = native.Layer(weight, bias, torch.float32)
    assert native.softmax(COMPILED, layer, x, target, into, add=False) is None
    compiled, plain = both_ways((x, weight, bias, target), torch.float32)
    assert float(compiled[0]) > 78
    for one, other in zip(compiled, plain, strict=True):
        assert torch.equal(one, other)


def test_no_number_stays_none() -> None:
    x, weight, bias, target = drawn(10, 8, 50)
    for spoilt in (x, weight, bias):
        kept = spoilt.clone()
        spoilt.view(-1)[3] = torch.nan
        nats: Tensor = SoftmaxNats.apply(x, weight, bias, target, torch.float32, None, 0.0, None)
        assert not torch.isfinite(nats)
        spoilt.copy_(kept)


@pytest.mark.parametrize("wrong", [-1, 50, 2**40])
def test_a_target_that_is_no_class_is_not_read(wrong: int) -> None:
    x, weight, bias, target = drawn(10, 8, 50)
    target[4] = wrong
    layer = native.Layer(weight, bias, torch.float32)
    assert native.softmax(COMPILED, layer, x, target, None, add=False) is None


def test_the_same_again() -> None:
    operands = drawn(200, 48, 1000)
    first, second = (next(both_ways(operands, torch.float32)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_choice_of_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(value: str) -> Kernels:
        monkeypatch.setenv(library.VARIABLE, value)
        library._found.cache_clear()
        return kernels()

    try:
        assert not found("0").usable
        assert "WORDLAB_NATIVE=0" in str(found("0"))
        assert found("portable").instructions == "portable"
        assert found("portable").usable
        assert not found("mmx").usable
    finally:
        monkeypatch.undo()
        library._found.cache_clear()
