"""Noise-contrastive estimation: what it minimises, where its least value is, and how it scores."""

import pytest
import torch
from torch.nn import functional

from wordlab.config import validate
from wordlab.errors import WordlabError
from wordlab.models.noise_contrastive import NceOutput
from wordlab.models.softmax_output import SoftmaxOutput
from wordlab.runs.settings import RunSettings

V, F, K = 15, 4, 6


def counts() -> torch.Tensor:
    return torch.arange(1, V + 1)


def layer(noise: int = K) -> NceOutput:
    torch.manual_seed(3)
    made = NceOutput(F, V, noise=noise, deviation=0.5).double().train()
    made.start_from_counts(counts())
    return made


def expected(made: NceOutput, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss averaged over all noise there is, from the definition."""
    shares = (counts() / counts().sum()).double()
    margins = x @ made.weight.T + made.bias - torch.log(K * shares)
    of_targets = -functional.logsigmoid(margins.gather(1, targets[:, None])).sum()
    return of_targets - K * (functional.logsigmoid(-margins) @ shares).sum()


def test_the_mean_over_many_draws_is_the_expectation() -> None:
    made = layer()
    x = torch.randn(8, F, dtype=torch.float64)
    targets = torch.randint(V, (8,))
    parameters = list(made.parameters())
    wanted = torch.autograd.grad(expected(made, x, targets), parameters)
    found = [torch.zeros_like(p) for p in parameters]
    nats, times = 0.0, 3000
    for _ in range(times):
        loss = made.loss(x, targets)
        nats += loss.item() / times
        for total, gradient in zip(found, torch.autograd.grad(loss, parameters), strict=True):
            total += gradient / times
    assert nats == pytest.approx(expected(made, x, targets).item(), rel=0.01)
    for ours, exact in zip(found, wanted, strict=True):
        assert float((ours - exact).norm() / exact.norm()) < 0.05


def test_the_least_value_is_at_the_normalised_logarithms() -> None:
    """With each word as target as often as p says, only s = ln p has no gradient."""
    made = layer()
    p = torch.softmax(torch.randn(V, dtype=torch.float64), dim=0)
    x = torch.zeros(V, F, dtype=torch.float64)
    for shift in (0.0, 0.7):
        with torch.no_grad():
            made.bias.copy_(p.log() + shift)
        loss = sum(p[v] * expected(made, x[:1], torch.tensor([v])) for v in range(V))
        gradient = torch.autograd.grad(loss, made.bias)[0]  # type: ignore[arg-type]
        if shift:
            assert float(gradient.sum()) > 0.01  # back to where the scores are normalised
        else:
            assert torch.allclose(gradient, torch.zeros(V).double(), atol=1e-12)


def test_scoring_is_the_exact_softmax_of_the_same_weights() -> None:
    made = layer().eval()
    exact = SoftmaxOutput(F, V).double()
    exact.load_state_dict(made.state_dict())
    x, targets = torch.randn(9, F, dtype=torch.float64), torch.randint(V, (9,))
    assert torch.equal(made.log_probs(x), exact.log_probs(x))
    assert made.loss(x, targets).item() == exact.loss(x, targets).item()
    assert made.train().loss(x, targets).item() != pytest.approx(exact.loss(x, targets).item())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"sample": 100}, "draws its own sample: leave output.sample out or at 0"),
        ({"smoothing": 0.1}, "no target distribution to smooth: leave output.smoothing out"),
        ({"bias": "zero"}, "begins at the unigram distribution: leave output.bias out"),
        ({"noise": 0}, "output.noise"),
    ],
)
def test_senseless_settings_say_the_mend(output: dict[str, object], message: str) -> None:
    with pytest.raises(WordlabError, match=message):
        validate(RunSettings, {"output": {"type": "nce", **output}}, source="--set")
