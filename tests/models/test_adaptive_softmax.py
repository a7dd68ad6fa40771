"""The adaptive softmax: where it is cut, where it begins, what it refuses."""

import numpy as np
import pytest
import torch

from wordlab.config import validate
from wordlab.errors import WordlabError
from wordlab.models.adaptive_softmax import (
    HEAD_SHARE,
    AdaptiveSettings,
    AdaptiveSoftmax,
    best_cuts,
)
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import build_model
from wordlab.runs.settings import RunSettings

V, F = 12, 8
COUNTS = torch.tensor([3, 900, 40, 0, 500, 7, 7, 300, 20, 1, 100, 2])


def layer(cuts: tuple[int, ...] = (3, 7), **options: object) -> AdaptiveSoftmax:
    torch.manual_seed(1)
    made = AdaptiveSoftmax(F, V, cuts, narrowing=2, deviation=0.5, **options).double()  # type: ignore[arg-type]
    made.start_from_counts(COUNTS)
    return made.eval()


def test_it_begins_at_the_unigram_distribution() -> None:
    for cuts in ((), (3,), (3, 7), (1, 2, 11)):
        log_probs = layer(cuts).log_probs(torch.zeros(1, F, dtype=torch.float64))[0]
        assert log_probs.exp().tolist() == pytest.approx(
            ((COUNTS + 1) / (COUNTS.sum() + V)).tolist()
        )


def test_the_head_holds_the_most_frequent_words_whatever_their_numbers() -> None:
    assert layer().order.tolist() == [1, 4, 7, 10, 2, 8, 5, 6, 0, 11, 9, 3]


@torch.no_grad()
def test_probabilities_are_those_of_the_definition() -> None:
    made = layer()
    x = torch.randn(5, F, dtype=torch.float64)
    found = made.log_probs(x).exp()
    head = torch.softmax(x @ made.weight.T + made.bias + made.spread, dim=1)
    for row in range(5):
        for place, word in enumerate(made.order.tolist()):
            if place < 3:
                wanted = head[row, place]
            else:
                number, begin = (0, 3) if place < 7 else (1, 7)
                cluster = made._clusters()[number]
                inner = x[row] @ cluster.projection.T
                inside = torch.softmax(inner @ cluster.weight.T + cluster.bias, dim=0)
                wanted = head[row, 3 + number] * inside[place - begin]
            assert float(found[row, word]) == pytest.approx(float(wanted))


def test_clusters_without_a_target_cost_next_to_nothing_and_have_a_gradient_of_zero() -> None:
    made = layer().train()
    x = torch.randn(4, F, dtype=torch.float64)
    nats = made.loss(x, torch.tensor([1, 4, 7, 1]))
    assert nats.item() == pytest.approx(
        -made.log_probs(x)[torch.arange(4), [1, 4, 7, 1]].sum().item()
    )
    head, bias, *behind = torch.autograd.grad(nats, list(made.parameters()))
    assert head.abs().sum() > 0
    assert bias.abs().sum() > 0
    assert all(not gradient.any() for gradient in behind)
    assert made.batch_sizes(torch.tensor([1, 4, 7, 1])) == {
        "K": 1, "N1": 1, "K1": 1, "N2": 1, "K2": 1,
    }  # fmt: skip
    assert made.loss(x[:0], torch.tensor([], dtype=torch.int64)).item() == 0


def test_cuts_chosen_from_counts_save_most() -> None:
    zipf = 1e6 / np.arange(1, 10_001)
    cuts = best_cuts(zipf, 4)
    share = np.cumsum(zipf) / zipf.sum()
    assert share[cuts[0] - 1] >= HEAD_SHARE
    assert 500 < cuts[0] < 2500

    def words(cuts: tuple[int, ...], narrowing: int) -> float:
        """By hand: words that a target has worked out, shorter ones counted as less."""
        total = cuts[0] + len(cuts)
        for number, (a, b) in enumerate(zip(cuts, [*cuts[1:], 10_000], strict=True), start=1):
            total += (share[b - 1] - share[a - 1]) * (b - a) / narrowing**number
        return float(total)

    assert words(cuts, 4) < 10_000 / 3
    for other in ((5000,), (2000, 4000), (4000, 8000)):
        assert words(cuts, 4) <= words(other, 4)
    assert best_cuts(np.random.default_rng(1).permutation(zipf), 4) == cuts
    assert best_cuts(np.ones(30), 4) == ()
    assert best_cuts(np.zeros(2), 4) == ()


def test_what_describe_expects_is_what_the_counts_say() -> None:
    _, narrowing, cluster, *_ = layer().costs("D")
    share = (COUNTS.sort(descending=True).values + 1)[3:7].sum() / (COUNTS.sum() + V)
    assert cluster.forward == "2 R1 C1 N1 / N"
    assert cluster.forward_flops == pytest.approx(2 * 4 * 4 * float(share), abs=1)
    assert narrowing.forward_flops == pytest.approx(2 * F * 4 * float(share), abs=1)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"tied": True}, "output vectors of an adaptive softmax are of several widths: set "
         "output.tied=false, or output.type=softmax"),
        ({"sample": 100}, "few classes as it is: set output.sample=0"),
        ({"smoothing": 0.1}, "cannot smooth targets .* set output.smoothing=0"),
        ({"cuts": [10, 10]}, "cuts must rise"),
        ({"cut": [10]}, "unknown setting; did you mean 'cuts'"),
    ],
)  # fmt: skip
def test_senseless_settings_say_the_mend(output: dict[str, object], message: str) -> None:
    with pytest.raises(WordlabError, match=message):
        validate(RunSettings, {"output": {"type": "adaptive", **output}}, source="--set")
    off = {"type": "adaptive", "tied": False, "sample": 0, "smoothing": 0.0}
    assert validate(RunSettings, {"output": off}, source="--set").output == AdaptiveSettings()


def test_a_cluster_behind_the_last_word_is_refused() -> None:
    with pytest.raises(WordlabError, match="cannot begin behind 20 words: there are 20"):
        build_model(FeedforwardSettings(), AdaptiveSettings(cuts=(5, 20)), 20, seed=1)
