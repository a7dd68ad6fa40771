"""Threshold units that compute Boolean functions: by given weights, or trained.

A unit with weights w and bias b puts out 1 where w . x + b > 0, else 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wordlab.inspection.boolean.separability import TruthTable

RATE = 0.5
"""Of the gradient steps, each on all rows of a table."""
MOST_STEPS = 5000
ENOUGH_NATS = 0.05
"""Training ends when the mean -ln p of the right outputs is below."""
LEAST = 1e-6
"""The sum of a logistic unit that is more than rounding."""

AND, OR = TruthTable((0, 0, 0, 1)), TruthTable((0, 1, 1, 1))
NOT, XOR = TruthTable((1, 0)), TruthTable((0, 1, 1, 0))


@dataclass(frozen=True)
class Unit:
    """A threshold unit.

    Attributes:
        name: of what it computes.
        weights: of its inputs and, last, its bias.
    """

    name: str
    weights: tuple[float, ...]

    def sum(self, x: Sequence[float]) -> float:
        """W . x + b."""
        return sum(w * value for w, value in zip(self.weights, (*x, 1), strict=True))

    def output(self, x: Sequence[float]) -> int:
        """1 where the sum is above 0."""
        return int(self.sum(x) > 0)

    def formula(self, names: Sequence[str]) -> str:
        """The sum as it is written, for example A + B - 1.5."""
        return written_sum(self.weights, (*names, ""))


def written_sum(values: Sequence[float | Fraction], names: Sequence[str]) -> str:
    """Write a sum of named numbers; an empty name is a number alone.

    >>> written_sum((1, -1, -0.5), ("A", "B", ""))
    'A - B - 0.5'
    """
    shown = ""
    for value, name in zip(values, names, strict=True):
        if value:
            size = f"{abs(float(value)):g}"
            term = size if not name else name if size == "1" else f"{size} {name}"
            sign = "-" if value < 0 else "+"
            shown += f" {sign} {term}" if shown else f"{'-' if value < 0 else ''}{term}"
    return shown or "0"


DOCUMENT_UNITS = {
    "AND": (Unit("A and B", (1, 1, -1.5)), AND),
    "OR": (Unit("A or B", (1, 1, -0.5)), OR),
    "NOT": (Unit("not A", (-1, 0.5)), NOT),
}
"""With the weights of CS224d's assignment 2, section 0, and what they are to compute."""


@dataclass(frozen=True)
class HiddenLayer:
    """Threshold units, and one that reads what they put out."""

    hidden: tuple[Unit, ...]
    above: Unit

    def features(self, x: Sequence[float]) -> tuple[int, ...]:
        """What the hidden units put out."""
        return tuple(unit.output(x) for unit in self.hidden)

    def output(self, x: Sequence[float]) -> int:
        """What the unit above them puts out."""
        return self.above.output(self.features(x))


XOR_LAYER = HiddenLayer(
    (DOCUMENT_UNITS["OR"][0], DOCUMENT_UNITS["AND"][0]),
    Unit("(A or B) and not (A and B)", (1, -1, -0.5)),
)
"""XOR = (A or B) and not (A and B)."""


def layer_of_rows(table: TruthTable) -> HiddenLayer:
    """A hidden unit for each row of class 1, which it alone lights up for, and their OR."""
    hidden = []
    for row, output in zip(table.rows, table.outputs, strict=True):
        if output:
            name = " and ".join(
                n if value else f"not {n}" for n, value in zip(table.names, row, strict=True)
            )
            weights = [1.0 if value else -1.0 for value in row]
            hidden.append(Unit(name, (*weights, 0.5 - sum(row))))
    return HiddenLayer(tuple(hidden), Unit("any of them", (*[1.0] * len(hidden), -0.5)))


@dataclass(frozen=True)
class Trained:
    """What gradient descent on the mean -ln p of the right outputs came to.

    Attributes:
        hidden: tanh units below the logistic one; 0: none.
        steps: until the nats were few enough, or MOST_STEPS.
        nats: mean -ln p of the right output; ln 2 = 0.693 is a coin's.
        right: rows whose right output is the more probable one, by more than rounding.
        weights: of the logistic unit, the bias last.
    """

    hidden: int
    steps: int
    nats: float
    right: int
    weights: tuple[float, ...]

    def formula(self, inputs: Sequence[str]) -> str:
        """What the logistic unit compares with 0, in rounded numbers."""
        names = [f"h{at}" for at in range(1, self.hidden + 1)] or inputs
        return f"{written_sum([round(w, 2) for w in self.weights], (*names, ''))} > 0"


def train(table: TruthTable, *, hidden: int = 0, seed: int = 1) -> Trained:
    """Train a logistic unit on a truth table, over tanh units or over the inputs themselves."""
    x = np.array(table.rows, dtype=np.float64)
    y = np.array(table.outputs, dtype=np.float64)
    draw = np.random.default_rng(seed)
    below = draw.normal(size=(x.shape[1] + 1, hidden))
    above = draw.normal(size=(hidden or x.shape[1]) + 1)
    inputs = _with_ones(x)
    steps = 0
    while True:
        units = np.tanh(inputs @ below) if hidden else x
        features = _with_ones(units)
        z = features @ above
        nats = float(np.logaddexp(0, np.where(y > 0, -z, z)).mean())
        if nats < ENOUGH_NATS or steps == MOST_STEPS:
            right = int((np.where(y > 0, z, -z) > LEAST).sum())
            return Trained(hidden, steps, nats, right, tuple(above.tolist()))
        delta = (1 / (1 + np.exp(-z)) - y) / len(y)
        if hidden:
            below -= RATE * inputs.T @ (np.outer(delta, above[:-1]) * (1 - units**2))
        above -= RATE * delta @ features
        steps += 1


def _with_ones(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
