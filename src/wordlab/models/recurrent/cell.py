"""The contract of recurrent cells, and the walk through packed sequences that they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor, nn

from wordlab.models.cost import FLOAT_BYTES, LayerCost
from wordlab.models.operands import Matrix, operand
from wordlab.models.products import Precision, product, product_type

Biases = Literal[0, 1, 2]
State = tuple[Tensor, ...]


class CellOptions(TypedDict):
    """Arguments that cells of all kinds take."""

    precision: Precision
    weight_dropout: float
    orthogonal: bool


class Cell(nn.Module, ABC):
    """One recurrent layer over sequences packed by time.

    Args:
        inputs: m, width of what it reads; units: n, width of its hidden state.
        blocks: matrices of the kind [n, m] and [n, n], one for each gate and candidate.
        biases: none, the textbook's one, or torch's two (one beside each matrix).
        precision: of the products' operands in training.
        weight_dropout: of the recurrent matrix, drawn once a batch (Merity et al. 2018).
        orthogonal: begin each recurrent block orthogonal (Saxe et al. 2014).
        direct: read the inputs as they are, without the matrix [n, m]; they must be n wide.

    Other matrices begin uniform in +-sqrt(6 / (m + n)) (Glorot and Bengio 2010, eq. 16), biases at
    0.
    """

    parts: int
    """Tensors of the state: 1, h; or 2, h and c."""
    products: tuple[str, ...]
    """What each block computes, in their order."""

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        biases: Biases = 1,
        precision: Precision = "float32",
        weight_dropout: float = 0.0,
        orthogonal: bool = True,
        direct: bool = False,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.units = units
        self.precision: Precision = precision
        self.weight_dropout = weight_dropout
        rows = len(self.products) * units
        self.weight_inputs = None if direct else nn.Parameter(torch.empty(rows, inputs))
        self.weight_hidden = nn.Parameter(torch.empty(rows, units))
        self.bias = nn.Parameter(torch.zeros(rows)) if biases >= 1 else None
        self.bias_hidden = nn.Parameter(torch.zeros(rows)) if biases == 2 else None
        begin = nn.init.orthogonal_ if orthogonal else nn.init.xavier_uniform_
        for block in self.weight_hidden.detach().chunk(len(self.products)):
            if block.device.type != "meta":  # where there is no orthogonal matrix
                begin(block)
        if self.weight_inputs is not None:
            for block in self.weight_inputs.detach().chunk(len(self.products)):
                nn.init.xavier_uniform_(block)

    def forward(self, x: Tensor, steps: Sequence[int], state: State) -> State:
        """Read packed inputs [M, m] and return each part of the state after each token, [M, n].

        Args:
            state: parts of the state before the first tokens, each [steps[0], n].
        """
        precision: Precision = self.precision if self.training else "float32"
        if self.weight_inputs is None:
            inputs = x if self.bias is None else x + self.bias
            a = inputs.to(product_type(x, precision), copy=True)
        else:
            a = product(x, operand(self.weight_inputs, x), self.bias, precision)
        hidden = operand(self.weight_hidden, x)
        if self.training and self.weight_dropout:
            hidden = self.weight_hidden * _kept(self.weight_hidden, self.weight_dropout)
        return self.recur(a, hidden, steps, state)

    @abstractmethod
    def recur(self, a: Tensor, hidden: Matrix, steps: Sequence[int], state: State) -> State:
        """The states after each token.

        Args:
            a: what the inputs add to each block, [M, blocks n], in the type that products are to
                have; it may be overwritten.
            hidden: the recurrent matrix, [blocks n, n].
        """

    @property
    def recurrent_products(self) -> tuple[int, ...]:
        """Blocks of each product of a state and the recurrent matrix, in a time."""
        return (len(self.products),)

    def cost(self, name: str, m: str, n: str) -> LayerCost:
        """What the layer holds and does.

        The recurrent matrix is read anew for each time, going forward and going back; its gradient
        is one product.

        Args:
            m, n: letters of the widths.
        """
        blocks, products = len(self.products), len(self.recurrent_products)
        biases = (self.bias is not None) + (self.bias_hidden is not None)
        sides = [] if self.weight_inputs is None else [f"{self.inputs} x {self.units}"]
        sides += [f"{self.units} x {self.units}", *[str(self.units)] * biases]
        b = 2 if self.precision == "bfloat16" else FLOAT_BYTES
        gb, kb = b * blocks, b * (products + blocks)
        forward, backward = f"{2 * blocks} {n} {n}", f"{4 * blocks} {n} {n}"
        forward_bytes = f"{kb} {n} + {gb} {n} {n} T / M"
        backward_bytes = f"{forward_bytes} + {kb} {n} + {gb} {n} {n} / M"
        if self.weight_inputs is not None:
            forward = f"{2 * blocks} {m} {n} + {forward}"
            backward = f"{4 * blocks} {m} {n} + {backward}"
            forward_bytes = f"{b} {m} + {gb} {n} + {gb} {m} {n} / M + {forward_bytes}"
            backward_bytes = f"{2 * b} {m} + {2 * gb} {n} + {2 * gb} {m} {n} / M + {backward_bytes}"
        return LayerCost(
            "hidden",
            name,
            " + ".join(sides),
            sum(p.numel() for p in self.parameters()),
            {m: self.inputs, n: self.units},
            forward=forward,
            backward=backward,
            forward_bytes=forward_bytes,
            backward_bytes=backward_bytes,
            blocks=self.products,
            kept=(2 * blocks + 4) * self.units,  # blocks as added up and as found, the state, masks
        )

    def zero_state(self, sequences: int) -> State:
        """The state before a text."""
        return tuple(self.weight_hidden.new_zeros(sequences, self.units) for _ in range(self.parts))


def _kept(like: Tensor, share: float) -> Tensor:
    """Zero for a share of the elements and 1 / (1 - share) for others, drawn anew.

    Four elements come of each draw of 64 bits, so that shares are multiples of 2^-16; a draw an
    element took four times as long, a seventh of a training step.
    """
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    draws = bits.random_(-(2**63), None).view(torch.int16)[: like.numel()].view(like.shape)
    dropped = round(share * 2**16)
    return (draws >= dropped - 2**15) * like.new_tensor(1 / (1 - dropped / 2**16))


def wide(a: Tensor) -> Tensor:
    """`a` itself, or a float32 copy of narrower numbers, to compute in."""
    return a.detach().to(torch.promote_types(a.dtype, torch.float32))


def rows_of_steps(steps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first packed row of each time and how many there are."""
    first = 0
    for count in steps:
        yield first, count
        first += count
