"""The equations of docs/derivations.md: its own lines of NumPy against autograd and differences."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.batching.tagging import TagBatch, WordTable
from wordlab.corpus.labelled.lexicon import MARKERS
from wordlab.inspection.gradients import Parameters, closed_form
from wordlab.models.language_model import build_model
from wordlab.models.recurrent.elman import ElmanSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.models.taggers.window import WindowSettings

PAGE = Path(__file__).parents[1] / "docs" / "derivations.md"
Array = NDArray[np.float64]
Space = dict[str, Any]


@pytest.fixture(scope="module")
def sections() -> dict[str, Space]:
    """The names of each section, its blocks run in order; all go on from the first section's."""
    found: dict[str, Space] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        space = dict(next(iter(found.values()), {}))
        for block in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL):
            exec(compile(block, PAGE.name, "exec"), space)
        found[section.split("\n")[0]] = space
    return found


def test_every_section_names_its_test() -> None:
    for section in PAGE.read_text().split("\n## ")[1:]:
        named = re.findall(r"`(test_\w+)`", section)
        assert named
        assert set(named) <= set(globals()), named


def leaf(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def assert_close(ours: Sequence[Array], theirs: Sequence[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == tuple(other.shape)
        assert np.abs(mine - other.detach().numpy()).max() < 1e-10
        assert np.abs(mine).max() > 1e-3  # nothing agrees by being nothing


def assert_differences(
    nats: Callable[..., float], at: Sequence[Array], gradients: Sequence[Array]
) -> None:
    """Central differences, of each number of each parameter."""
    step = 1e-5
    for number, (values, gradient) in enumerate(zip(at, gradients, strict=True)):
        for index in np.ndindex(values.shape):
            low, high = ([x.copy() for x in at] for _ in range(2))
            low[number][index] -= step
            high[number][index] += step
            assert (nats(*high) - nats(*low)) / (2 * step) == pytest.approx(
                gradient[index], rel=1e-6, abs=1e-8
            )


def test_softmax_and_cross_entropy(sections: dict[str, Space]) -> None:
    s = sections["Softmax and cross-entropy"]
    o = leaf(s["o"])
    nats = functional.cross_entropy(o, torch.tensor(s["v"]))
    assert_close([s["d_o"]], torch.autograd.grad(nats, [o]))
    jacobian = torch.autograd.functional.jacobian(lambda x: x.softmax(0), o)
    assert_close([s["jacobian"]], [jacobian])
    assert_differences(lambda x: -np.log(s["softmax"](x)[s["v"]]), [s["o"]], [s["d_o"]])


def test_the_feed_forward_network(sections: dict[str, Space]) -> None:
    s = sections["The feed-forward n-gram network"]
    names = ("theta", "delta", "a", "beta", "b")
    at, ours = [s[name] for name in names], [s[f"d_{name}"] for name in names]
    theta, delta, a, beta, b = leaves = [leaf(x) for x in at]
    units = torch.tanh(delta @ theta[s["x"]].flatten() + a)
    nats = functional.cross_entropy(beta @ units + b, torch.tensor(s["v"]))
    assert nats.item() == pytest.approx(s["J"], abs=1e-12)
    assert_close(ours, torch.autograd.grad(nats, leaves))
    assert_differences(lambda *p: float(s["feedforward"](*p)[-1]), at, ours)
    exact = closed_form(Parameters(*at), np.array([s["x"]]), np.array([s["v"]]), "tanh")
    assert_close(ours, [torch.from_numpy(getattr(exact, name)) for name in names])


def test_the_window_tagger(sections: dict[str, Space]) -> None:
    s = sections["The window tagger with its penalty"]
    names = ("L", "W", "b1", "U", "b2")
    at, ours = [s[name] for name in names], [s[f"d_{name}"] for name in names]
    vectors, w, b1, u, b2 = leaves = [leaf(x) for x in at]
    h = torch.tanh(w @ vectors[s["window"]].flatten() + b1)
    nats = functional.cross_entropy(u @ h + b2, torch.tensor(s["c"]))
    penalised = nats + s["penalty"] / 2 * (w.square().sum() + u.square().sum())
    assert penalised.item() == pytest.approx(s["J"], abs=1e-12)
    assert_close(ours, torch.autograd.grad(penalised, leaves))
    assert_differences(lambda *p: float(s["tagger"](*p)[-1]), at, ours)


def test_the_window_of_the_library(sections: dict[str, Space]) -> None:
    """The features that the library's tagger makes of the window are the page's hidden units."""
    s = sections["The window tagger with its penalty"]
    settings = WindowSettings(radius=1, hidden=(s["units"],), dropout=0.0)
    encoder = settings.build(s["d"]).double()
    with torch.no_grad():
        encoder.get_parameter("layers.0.weight").copy_(torch.from_numpy(s["W"]))
        encoder.get_parameter("layers.0.bias").copy_(torch.from_numpy(s["b1"]))
    table = WordTable(torch.zeros(MARKERS, 1, dtype=torch.int64))
    words = torch.arange(3)
    batch = TagBatch(table, words, words, (1, 1, 1), np.zeros(1, dtype=np.int64))
    x = leaf(np.concatenate([s["L"][s["window"]], np.zeros((2, s["d"]))]))
    middle = encoder(x, batch)[1]
    assert_close([s["h"]], [middle])
    (d_x,) = torch.autograd.grad(middle @ torch.from_numpy(s["U"].T @ s["delta3"]), [x])
    assert_close([s["d_x"]], [d_x[:3].flatten()])


def test_perplexity(sections: dict[str, Space]) -> None:
    s = sections["Perplexity and 2 to the J"]
    nats = functional.cross_entropy(torch.tensor(np.log(s["y_hat"])), torch.tensor(s["v"])).item()
    assert s["J_bits"] == pytest.approx(nats / math.log(2), abs=1e-12)
    assert 2 ** s["J_bits"] == pytest.approx(math.exp(nats))
    assert s["of_mean_bits"] == pytest.approx(s["geometric_mean"])
    assert s["bits_of_uniform"] == pytest.approx([10.9657842847, 13.2877123795], abs=1e-10)


def states_and_nats(
    vectors: Tensor, h: Tensor, u: Tensor, words: Sequence[int], target: int
) -> Tensor:
    """Nats of the last word's target alone, from a zero state. Columns are words."""
    state = torch.zeros(len(h), dtype=torch.float64)
    for word in words:
        state = torch.sigmoid(h @ state + vectors[:, word])
    return functional.cross_entropy(u @ state, torch.tensor(target))


def test_the_recurrent_network_in_full(sections: dict[str, Space]) -> None:
    s = sections["The recurrent network, and going back in time"]
    at = [s["L"], s["H"], s["U"]]
    leaves = [leaf(x) for x in at]
    words, targets = s["words"], s["targets"]
    parts = [states_and_nats(*leaves, words[: t + 1], v) for t, v in enumerate(targets)]
    nats = torch.stack(parts).sum()
    assert nats.item() == pytest.approx(s["J"], abs=1e-12)
    ours = s["gradients"](*at, len(words))
    assert_close(ours, torch.autograd.grad(nats, leaves))
    assert_differences(lambda *p: float(s["recurrent"](*p)[-1]), at, ours)


@pytest.mark.parametrize("tau", [0, 1, 2, 3, 10])
def test_the_recurrent_network_truncated(sections: dict[str, Space], tau: int) -> None:
    s = sections["The recurrent network, and going back in time"]
    at = [s["L"], s["H"], s["U"]]
    ours = s["gradients"](*at, tau)
    vectors, h, u = leaves = [leaf(x) for x in at]
    nats = torch.zeros((), dtype=torch.float64)
    for t, target in enumerate(s["targets"]):
        state = torch.from_numpy(s["states"][max(t - tau, 0)])  # no gradient goes beyond it
        for word in s["words"][max(t - tau, 0) : t + 1]:
            state = torch.sigmoid(h @ state + vectors[:, word])
        nats = nats + functional.cross_entropy(u @ state, torch.tensor(target))
    assert_close(ours, torch.autograd.grad(nats, leaves))
    assert_close(ours, of_the_library(s, tau))
    if tau == s["tau"]:
        assert_close([s["d_L"], s["d_H"], s["d_U"]], [torch.from_numpy(x) for x in ours])


def of_the_library(s: Space, tau: int) -> list[Tensor]:
    """Gradients of the library's network with the page's weights."""
    size = len(s["H"])
    settings = ElmanSettings(
        embedding=size, hidden=(size,), direct=True, biases=0, activation="sigmoid",
        truncation=tau, embedding_dropout=0.0, dropout=0.0,
    )  # fmt: skip
    model = build_model(settings, SoftmaxSettings(bias="none"), s["V"], seed=1).double().train()
    named = ("encoder.embedding.weight", "encoder.cells.0.weight_hidden", "output.weight")
    parameters = [model.get_parameter(name) for name in named]
    with torch.no_grad():
        for parameter, values in zip(parameters, (s["L"].T, s["H"], s["U"]), strict=True):
            parameter.copy_(torch.from_numpy(values.copy()))
    places = np.arange(len(s["words"]))
    words, targets = torch.tensor(s["words"]), torch.tensor(s["targets"])
    batch = Batch(words, targets, places, places, steps=(1,) * len(places))
    of_vectors, *others = torch.autograd.grad(model(batch).nats, parameters)
    return [of_vectors.t(), *others]
