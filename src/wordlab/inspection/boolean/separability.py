"""Can a linear unit compute a Boolean function? Weights that do, or a proof that none can.

Both answers come from a linear programme in floating point and are then held against the
inequalities in fractions, so neither rests on rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from wordlab.errors import WordlabError

Vector = tuple[Fraction, ...]

MOST_INPUTS = 8
"""Of a truth table: 256 rows."""

_INFEASIBLE = 2
"""What linprog calls a programme without a solution."""
_LARGEST_DENOMINATOR = 10**6


@dataclass(frozen=True)
class TruthTable:
    """A Boolean function by its outputs.

    Attributes:
        outputs: one for each row of inputs, which count upwards: 00, 01, 10, 11.
    """

    outputs: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, where: str = "") -> "TruthTable":
        """Read outputs such as 0110.

        Raises:
            WordlabError: where they are no zeros and ones, or not 2, 4, 8 .. of them.

        >>> TruthTable.parse("0110").inputs
        2
        """
        most = 2**MOST_INPUTS
        if set(text) - {"0", "1"} or not 2 <= len(text) <= most or len(text) & (len(text) - 1):
            raise WordlabError(
                f"{text!r} is no truth table",
                where=where,
                mend=f"give 2, 4, 8 .. {most} zeros and ones, the outputs for 00, 01, 10, 11 ..",
            )
        return cls(tuple(map(int, text)))

    def __str__(self) -> str:
        return "".join(map(str, self.outputs))

    @property
    def inputs(self) -> int:
        """How many there are."""
        return len(self.outputs).bit_length() - 1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs: A, B, C .."""
        return tuple("ABCDEFGH"[: self.inputs])

    @property
    def rows(self) -> list[tuple[int, ...]]:
        """The inputs of each row."""
        return list(product((0, 1), repeat=self.inputs))

    @property
    def inequalities(self) -> list[tuple[int, ...]]:
        """What a linear unit must fulfil: of each row the numbers a with a . (w, b) >= 1.

        Class 1 needs w . x + b >= 1, class 0 needs -(w . x + b) >= 1. Weights that separate the
        classes by less do so by 1 when they are multiplied.
        """
        signs = (1 if output else -1 for output in self.outputs)
        return [
            tuple(sign * value for value in (*row, 1))
            for sign, row in zip(signs, self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Separability:
    """Weights of a linear unit that computes a function, or the proof that there are none.

    Attributes:
        weights: w and, last, b; None where there are none.
        multipliers: of each row's inequality, none negative; their sum adds the inequalities to
            0 >= 1. None where there are weights.
    """

    table: TruthTable
    weights: Vector | None
    multipliers: Vector | None

    @property
    def separable(self) -> bool:
        """Whether a linear unit computes the function."""
        return self.weights is not None

    def holds(self) -> bool:
        """Whether the weights, or the multipliers, do what is said of them, in fractions."""
        rows = self.table.inequalities
        if self.weights is not None:
            return all(dot(row, self.weights) > 0 for row in rows)
        if self.multipliers is None or any(value < 0 for value in self.multipliers):
            return False
        left, right = combined(rows, self.multipliers)
        return not any(left) and right == 1


def combined(rows: Sequence[Sequence[int]], multipliers: Vector) -> tuple[Vector, Fraction]:
    """Add inequalities a . (w, b) >= 1, each times its multiplier: both sides of the sum."""
    columns = zip(*rows, strict=True)
    return tuple(dot(column, multipliers) for column in columns), sum(multipliers, Fraction(0))


def separate(table: TruthTable) -> Separability:
    """Find weights of a linear unit that computes a function, or prove that there are none."""
    weights = _weights(table)
    found = Separability(table, weights, None if weights else _multipliers(table))
    if not found.holds():
        raise ArithmeticError(f"the answer for {table} does not hold in fractions")
    return found


def _weights(table: TruthTable) -> Vector | None:
    """The weights and bias of the least sum of magnitudes; None where linprog finds none."""
    from scipy.optimize import linprog

    rows = np.array(table.inequalities, dtype=np.float64)
    # w = positive part - negative part, so that their sum is what the programme makes small.
    both = np.concatenate([rows, -rows], axis=1)
    found = linprog(np.ones(both.shape[1]), A_ub=-both, b_ub=-np.ones(len(rows)), bounds=(0, None))
    if found.status == _INFEASIBLE:
        return None
    positive, negative = np.split(found.x, 2)
    return tuple(
        Fraction(float(value)).limit_denominator(_LARGEST_DENOMINATOR)
        for value in positive - negative
    )


def _multipliers(table: TruthTable) -> Vector:
    """Farkas' multipliers: at least 0, adding the left sides to 0 and the right ones to 1.

    The simplex method ends at a corner, where the rows with a multiplier have but one solution:
    that one is worked out anew in fractions.
    """
    from scipy.optimize import linprog

    rows = table.inequalities
    equations = [*zip(*rows, strict=True), (1,) * len(rows)]
    right = [0] * (len(equations) - 1) + [1]
    found = linprog(
        np.zeros(len(rows)), A_eq=equations, b_eq=right, bounds=(0, None), method="highs-ds"
    )
    used = np.flatnonzero(found.x > 1e-9).tolist()
    exact = solve([[Fraction(row[at]) for at in used] for row in equations], right)
    return tuple(exact[used.index(at)] if at in used else Fraction(0) for at in range(len(rows)))


def solve(equations: Sequence[Sequence[Fraction]], right: Sequence[int]) -> list[Fraction]:
    """Solve linear equations with one solution by elimination, in fractions.

    Raises:
        ArithmeticError: where there is none, or more than one.

    >>> solve([[Fraction(1), Fraction(2)], [Fraction(1), Fraction(-1)]], [1, 0])
    [Fraction(1, 3), Fraction(1, 3)]
    """
    rows = [[*row, Fraction(value)] for row, value in zip(equations, right, strict=True)]
    unknowns = len(equations[0])
    for column in range(unknowns):
        pivot = next((at for at in range(column, len(rows)) if rows[at][column]), None)
        if pivot is None:
            raise ArithmeticError("there is more than one solution")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for at, row in enumerate(rows):
            if at != column and row[column]:
                share = row[column]
                rows[at] = [a - share * b for a, b in zip(row, rows[column], strict=True)]
    if any(row[-1] for row in rows[unknowns:]):
        raise ArithmeticError("there is no solution")
    return [row[-1] for row in rows[:unknowns]]


def dot(left: Sequence[int], right: Vector) -> Fraction:
    """The sum of the products, in fractions."""
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))
