"""The gradients of CMU 10-707, homework 3, Problem 1, in closed form, held against autograd."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordlab.batching.batch import Batch
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import build_model
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.table import Table

Array = NDArray[np.float64]

ACTIVATION_SLOPES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda h: h, np.ones_like),
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2),
    "sigmoid": (lambda h: 1 / (1 + np.exp(-h)), lambda h: np.exp(-h) / (1 + np.exp(-h)) ** 2),
    "relu": (lambda h: np.maximum(h, 0), lambda h: (h > 0).astype(np.float64)),
}
"""Each activation f with its derivative, as functions of the input h."""


@dataclass(frozen=True)
class Parameters:
    """The network's parameters, or gradients with respect to them, under the seed's letters.

    Attributes:
        theta: embeddings, [V, D].
        delta: hidden weights, [H, (n - 1) D].
        a: hidden bias, [H].
        beta: softmax weights, [V, H].
        b: softmax bias, [V].
    """

    theta: Array
    delta: Array
    a: Array
    beta: Array
    b: Array


def closed_form(p: Parameters, x: NDArray[np.int64], v: NDArray[np.int64], f: str) -> Parameters:
    """Return dJ / dparameters, where J is the sum over the batch of -ln y_v.

    Forward, for each row (Problem 1):

        Z = [theta_x1, .., theta_x(n-1)]        h = delta Z + a        H = f(h)
        o = beta H + b                          y = exp(o) / sum exp(o)

    Backward, with the one-hot target t:

        dJ/do = y - t           since dJ/dy = -t / y and dy_i/do_j = y_i ([i = j] - y_j)
        dJ/dbeta = (y - t) H'                   dJ/db = y - t
        dJ/dh = f'(h) * (beta' (y - t))         dJ/ddelta = (dJ/dh) Z'          dJ/da = dJ/dh
        dJ/dZ = delta' (dJ/dh)                  dJ/dtheta_k = sum of dJ/dZ's blocks whose word is k

    Args:
        x: context ids, [B, n - 1]; v: target ids, [B]; f: name of the activation.
    """
    value, slope = ACTIVATION_SLOPES[f]
    rows = np.arange(len(v))
    z = p.theta[x].reshape(len(v), -1)
    h = z @ p.delta.T + p.a
    units = value(h)
    logits = units @ p.beta.T + p.b
    y = np.exp(logits - logits.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    d_logits = y
    d_logits[rows, v] -= 1
    d_h = (d_logits @ p.beta) * slope(h)
    d_z = (d_h @ p.delta).reshape(*x.shape, -1)
    d_theta = np.zeros_like(p.theta)
    np.add.at(d_theta, x, d_z)
    return Parameters(d_theta, d_h.T @ z, d_h.sum(0), d_logits.T @ units, d_logits.sum(0))


@dataclass(frozen=True)
class Agreement:
    """Largest difference of a gradient from the closed form, relative to its largest entry."""

    activation: str
    parameter: str
    autograd: float
    """Of PyTorch's own cross-entropy."""
    fused: float
    """Of the fused output layer that training uses."""


def compare_gradients(
    *, vocabulary: int = 50, embedding: int = 5, hidden: int = 7, batch: int = 64, seed: int = 1
) -> list[Agreement]:
    """Hold autograd and the fused output layer against the closed form, in float64."""
    found = []
    for activation in ACTIVATION_SLOPES:
        model = build_model(
            FeedforwardSettings(embedding=embedding, hidden=(hidden,), activation=activation),
            SoftmaxSettings(),
            vocabulary,
            seed=seed,
        )
        model = model.double().eval()
        draw = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():  # all of one size, so that nothing hides in zeros
            parameter.data.normal_(std=0.5, generator=draw)
        x = torch.randint(vocabulary, (batch, 3), generator=draw)
        v = torch.randint(vocabulary, (batch,), generator=draw)
        named = {
            "theta": model.get_parameter("encoder.embedding.weight"),
            "delta": model.get_parameter("encoder.hidden.0.weight"),
            "a": model.get_parameter("encoder.hidden.0.bias"),
            "beta": model.get_parameter("output.weight"),
            "b": model.get_parameter("output.bias"),
        }
        exact = closed_form(
            Parameters(**{k: t.detach().numpy() for k, t in named.items()}),
            x.numpy(),
            v.numpy(),
            activation,
        )
        batch_of = Batch(x, v, np.arange(batch), v.numpy())
        features = model.encoder(batch_of).features
        logits = functional.linear(features, named["beta"], named["b"])
        plain = functional.cross_entropy(logits, v, reduction="sum")
        fused = model(batch_of).nats
        plain_gradients = torch.autograd.grad(plain, list(named.values()))
        fused_gradients = torch.autograd.grad(fused, list(named.values()))
        for name, of_plain, of_fused in zip(named, plain_gradients, fused_gradients, strict=True):
            wanted = getattr(exact, name)
            found.append(
                Agreement(
                    activation, name, _difference(of_plain, wanted), _difference(of_fused, wanted)
                )
            )
    return found


def _difference(gradient: Tensor, wanted: Array) -> float:
    return float(np.abs(gradient.numpy() - wanted).max() / np.abs(wanted).max())


def agreement_table(found: list[Agreement]) -> Table:
    """Differences by activation and parameter."""
    return Table.of(
        "Gradients against the closed form, float64",
        ("activation", "parameter", "autograd", "fused output layer"),
        [(x.activation, x.parameter, f"{x.autograd:.1e}", f"{x.fused:.1e}") for x in found],
        note="Largest difference, relative to the gradient's largest entry.",
    )
