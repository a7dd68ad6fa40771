"""ONNX graphs node by node: what the graphs of taggers and of language models share.

Exporters that trace PyTorch cannot follow the networks: their products and recurrent layers are
functions with gradients of their own, and sentences are packed. The graphs are small, and these
operators are as old as the format.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from wordlab.errors import WordlabError
from wordlab.models.recurrent.cell import Cell
from wordlab.models.recurrent.elman import ElmanCell
from wordlab.models.recurrent.gru import GruCell
from wordlab.models.recurrent.lstm import LstmCell

OPERATORS, FORMAT = 20, 9
"""Versions of ONNX's operators and of its files, both of 2023."""

ACTIVATIONS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "gelu": "Gelu",
    "identity": "Identity",
}
"""The operators of those of `wordlab.models.activations`."""


class Recurrence(NamedTuple):
    """A recurrent operator.

    Attributes:
        blocks: of each of its blocks, which one of the cell it is.
        signs: by which that is multiplied.
        options: attributes of the operator.
    """

    operator: str
    blocks: tuple[int, ...]
    signs: tuple[int, ...]
    options: dict[str, Any]

    def arranged(self, value: torch.Tensor) -> NDArray[np.float32]:
        """A cell's weights or biases, each block in its place and with its sign."""
        parts = value.detach().numpy().reshape(len(self.blocks), -1, *value.shape[1:])
        signs = np.array(self.signs, dtype=np.float32).reshape(-1, *[1] * value.dim())
        found: NDArray[np.float32] = (signs * parts[list(self.blocks)]).reshape(value.shape)
        return found

    def weights(self, cell: Cell) -> tuple[NDArray[np.float32], ...]:
        """A cell's matrices of inputs and of hidden units, and its biases one after the other."""
        hidden = cell.weight_hidden
        # A cell that reads its inputs as they are has the identity for a matrix.
        inputs = hidden.new_ones(cell.units).diag()
        if cell.weight_inputs is not None:
            inputs = cell.weight_inputs
        none = hidden.new_zeros(len(hidden))
        pair = (none if bias is None else bias for bias in (cell.bias, cell.bias_hidden))
        biases = np.concatenate([self.arranged(bias) for bias in pair])
        return self.arranged(inputs), self.arranged(hidden), biases


class Graph:
    """Nodes and constants as they are added; each value has a name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its first output."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def keep(self, value: Any) -> str:
        """Add a constant and return its name."""
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def model(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> onnx.ModelProto:
        """All that was added, as a file's content."""
        made = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        versions = [helper.make_opsetid("", OPERATORS)]
        return helper.make_model(
            made, opset_imports=versions, ir_version=FORMAT, producer_name="wordlab"
        )

    def linear(self, x: str, weight: torch.Tensor, bias: torch.Tensor) -> str:
        """X W' + b over the last dimension."""
        return self.add("Add", self.add("MatMul", x, self.keep(weight.t())), self.keep(bias))


def activation_node(name: str) -> str:
    """The operator of an activation.

    Raises:
        WordlabError: where it has none.
    """
    if name not in ACTIVATIONS:
        raise WordlabError(f"the activation {name!r} has no form in ONNX yet")
    return ACTIVATIONS[name]


def recurrence(cell: Cell) -> Recurrence:
    """The operator that does what a cell does.

    Raises:
        WordlabError: where there is none.
    """
    if isinstance(cell, LstmCell):
        return Recurrence("LSTM", (0, 2, 1, 3), (1, 1, 1, 1), {})
    if isinstance(cell, GruCell):
        # ONNX's update gate is 1 - z: that of the negative sum.
        after = int(cell.reset == "after")
        return Recurrence("GRU", (0, 1, 2), (-1, 1, 1), {"linear_before_reset": after})
    if isinstance(cell, ElmanCell):
        return Recurrence("RNN", (0,), (1,), {"activations": [activation_node(cell.activation)]})
    raise WordlabError(f"a cell of type {type(cell).__name__} has no form in ONNX yet")
