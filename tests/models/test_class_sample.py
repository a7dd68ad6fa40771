"""Samples of the classes: how many, how often each, and that on average they are the whole."""

import pytest
import torch

from wordlab.models.class_sample import ClassSample
from wordlab.models.softmax_output import SoftmaxOutput

V, F, N = 30, 5, 40


def unigram() -> torch.Tensor:
    counts = 1 / torch.arange(1, V + 1, dtype=torch.float64)
    return counts / counts.sum()


def test_as_many_classes_as_asked_for_are_expected() -> None:
    for count in (3, 10, 25):
        assert float(ClassSample(unigram(), count).probabilities.sum()) == pytest.approx(count)
    assert (ClassSample(unigram(), V).probabilities == 1).all()


def test_each_class_is_included_as_often_as_it_says() -> None:
    torch.manual_seed(1)
    sample, times, draws = ClassSample(unigram(), 6), torch.zeros(V), 4000
    said = torch.full((V,), torch.nan, dtype=torch.float64)
    for _ in range(draws):
        targets = torch.multinomial(unigram(), N // 8, replacement=True)
        chosen, places, log_inclusion = sample.draw(targets)
        assert (chosen[places] == targets).all()
        assert len(chosen) == len(log_inclusion) == 64  # of few sizes, filled up with nothing
        drawn = log_inclusion <= 0
        assert drawn.sum() == len(chosen[drawn].unique())
        times[chosen[drawn]] += 1
        said[chosen[drawn]] = log_inclusion[drawn].exp()
    assert torch.allclose(times.double() / draws, said, atol=0.03)


def layer(sample: int, smoothing: float = 0.0) -> SoftmaxOutput:
    torch.manual_seed(2)
    made = SoftmaxOutput(F, V, sample=sample, smoothing=smoothing, deviation=0.5).double().train()
    made.start_from_counts(1000 * unigram())
    return made


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_sample_of_all_classes_is_the_exact_loss(smoothing: float) -> None:
    x = torch.randn(N, F, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(V, (N,))
    losses = [layer(count, smoothing).loss(x, targets) for count in (0, V)]
    gradients = [torch.autograd.grad(loss, x)[0] for loss in losses]
    assert losses[0].item() == pytest.approx(losses[1].item())
    assert torch.allclose(*gradients)


def test_the_mean_gradient_of_many_samples_is_near_the_exact_one() -> None:
    exact, sampled = layer(0), layer(12)
    total, whole = torch.zeros(V, F).double(), torch.zeros(V, F).double()
    for _ in range(1500):
        x = torch.randn(8, F, dtype=torch.float64)
        targets = torch.multinomial(unigram(), 8, replacement=True)
        total += torch.autograd.grad(sampled.loss(x, targets), sampled.weight)[0]
        whole += torch.autograd.grad(exact.loss(x, targets), exact.weight)[0]
    assert float((total - whole).norm() / whole.norm()) < 0.08


def test_scoring_and_the_end_of_training_know_no_sample() -> None:
    x, targets = torch.randn(N, F, dtype=torch.float64), torch.randint(V, (N,))
    exact = layer(0).loss(x, targets).item()
    sampled = layer(5)
    assert sampled.loss(x, targets).item() != pytest.approx(exact)
    sampled.at(1.0)
    assert sampled.loss(x, targets).item() == pytest.approx(exact)
    assert layer(5).eval().loss(x, targets).item() == pytest.approx(exact)
