"""What layers hold and do, as formulas that are read by people and worked out by `evaluate`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Part = Literal["embedding", "hidden", "output"]

FLOAT_BYTES = 4

LETTERS = {
    "V": "words of the vocabulary, or values of a feature",
    "E": "length of their vectors",
    "(n-1)": "words of the context",
    "D": "units of a hidden layer",
    "F": "features that the output layer reads",
    "H": "classes of the head: its words and the clusters",
    "R": "numbers of a cluster's vectors",
    "C": "words of a cluster",
    "Q": "words of noise",
    "I": "length of all vectors of a word, side by side",
    "P": "places of the window",
    "(2D)": "units of both directions",
    "L": "tags",
    "A": "characters",
    "W": "length of their vectors",
    "J": "filters over characters",
    "B": "characters that a filter sees",
    "M": "rows that are read: words, or windows of words",
    "N": "targets",
    "S": "sequences side by side",
    "T": "words of the longest sequence",
    "K": "pieces in which the output layer reads the batch",
    "U": "distinct words",
    "G": "characters of the longest word",
}
"""What formulas speak of; a digit behind a letter numbers layers, features or clusters. From M on,
of a batch."""


def evaluate(formula: str, sizes: Mapping[str, int]) -> Fraction:
    """Work out a formula: terms between " + " and " - ", factors between spaces, " / " divides.

    >>> evaluate("2 (n-1) E D + D / N - 1", {"(n-1)": 3, "E": 5, "D": 4, "N": 8})
    Fraction(239, 2)
    """
    total = Fraction(0)
    for term in formula.replace(" - ", " + -").split(" + "):
        above, *below = term.removeprefix("-").split(" / ")
        value = _product(above, sizes)
        for divisor in below:
            value /= _product(divisor, sizes)
        total += -value if term.startswith("-") else value
    return total


def _product(factors: str, sizes: Mapping[str, int]) -> Fraction:
    parts = factors.split(" ")
    return Fraction(math.prod(int(x) if x.isdecimal() else sizes[x] for x in parts))


@dataclass(frozen=True)
class LayerCost:
    """What a layer holds and does.

    Operations are floating-point operations a row that it reads (a target, in the output layer), a
    multiply-add counted as two, of matrix products only. Bytes are those of the numbers that
    products and look-ups take and give, each matrix once a product.

    Attributes:
        parameters: trained numbers.
        sizes: the letters of the formulas, but for those of the batch.
        expected: letters of the batch that operations depend on, as they are on average.
        kept: numbers that each row leaves for the way back.
        forward: operations.
        backward: the same for the gradients of its inputs and parameters.
        forward_bytes, backward_bytes: bytes.
        blocks: equal parts that it consists of, by name; `shape` is that of each; none: it is one.
    """

    part: Part
    name: str
    shape: str
    parameters: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    forward: str = "0"
    backward: str = "0"
    forward_bytes: str = "0"
    backward_bytes: str = "0"
    blocks: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    kept: int = 0

    @property
    def forward_flops(self) -> int | None:
        """The value of `forward`; None where it depends on the batch."""
        return self._value(self.forward)

    @property
    def backward_flops(self) -> int | None:
        """The value of `backward`; None where it depends on the batch."""
        return self._value(self.backward)

    def _value(self, formula: str) -> int | None:
        try:
            return int(evaluate(formula, {**self.sizes, **self.expected}))
        except KeyError:
            return None


def units_letter(number: int, hidden: tuple[int, ...]) -> str:
    """The letter of a hidden layer's units, the first layer being number 1."""
    return "D" if len(hidden) == 1 else f"D{number}"


def product_cost(
    part: Part,
    name: str,
    shape: str,
    parameters: int,
    sizes: Mapping[str, int],
    *,
    inputs: str,
    units: str,
    rows: str = "M",
    reads: str = "",
    share: str = "",
    expected: Mapping[str, int] | None = None,
    number_bytes: int = FLOAT_BYTES,
) -> LayerCost:
    """The cost of a matrix that every row, or a share of them, is multiplied with once.

    Its two gradients are products of the same three matrices, so they cost twice as much.

    Args:
        inputs, units: its two sides.
        rows: how many rows a batch has.
        reads: how often a batch reads it, if more than once.
        share: how many of the rows are multiplied with it, if not all.
        expected: letters of the batch, on average.
    """
    some = f" {share} / {rows}" if share else ""

    def moved(b: int) -> str:
        matrix = f"{inputs} {units} {reads}".strip()
        return f"{b} {inputs}{some} + {b} {units}{some} + {b} {matrix} / {rows}"

    return LayerCost(
        part,
        name,
        shape,
        parameters,
        sizes,
        forward=f"2 {inputs} {units}{some}",
        backward=f"4 {inputs} {units}{some}",
        forward_bytes=moved(number_bytes),
        backward_bytes=moved(2 * number_bytes),
        expected=expected or {},
        kept=0 if part == "output" else 2 * sizes[units],
    )


def lookup_cost(
    name: str,
    rows: tuple[str, int],
    width: tuple[str, int],
    *,
    each: tuple[str, int] | None = None,
    beside: int = 0,
    dense: bool = True,
) -> LayerCost:
    """The cost of a table that rows are looked up in.

    A dense gradient is as large as the table, a sparse one is what came back, without a copy.

    Args:
        rows, width: its sides, by letter and size.
        each: how many rows are looked up for each row of the batch, if more than one.
        beside: how many more in a batch.
        dense: whether it has a dense gradient.
    """
    times = () if each is None else (each,)
    letters = " ".join(letter for letter, _ in (*times, width))
    more = f" + {{}} {letters} / M" if beside else ""
    backward = f"4 {letters}{more.format(4 * beside)} + 4 {rows[0]} {width[0]} / M"
    return LayerCost(
        "embedding",
        name,
        f"{rows[1]} x {width[1]}",
        rows[1] * width[1],
        dict([*times, rows, width]),
        forward_bytes=f"8 {letters}{more.format(8 * beside)}",
        backward_bytes=backward if dense else "0",
        kept=2 * width[1] * (1 if each is None else each[1]),
    )
