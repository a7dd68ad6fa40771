"""A language model's network as an ONNX graph; see `wordlab.models.onnx_nodes`."""

from functools import singledispatch
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from wordlab.errors import WordlabError
from wordlab.models.feedforward import FeedforwardEncoder
from wordlab.models.language_model import Encoder, LanguageModel, OutputLayer
from wordlab.models.onnx_nodes import Graph, activation_node, recurrence
from wordlab.models.recurrent.cell import Cell
from wordlab.models.recurrent.encoder import RecurrentEncoder
from wordlab.models.softmax_output import SoftmaxOutput

WORDS, LOG_PROBS = "words", "log_probs"
AFTER = "_after"
"""Ends the name of a part of the state as it is after the words."""


class Tables(NamedTuple):
    """A graph, and the table of word vectors, which the output may share."""

    graph: Graph
    embedding: nn.Parameter
    kept: str


class Described(NamedTuple):
    """What an encoder was given in a graph.

    Attributes:
        features: the name of the features, a row for each prediction. [N, F]
        shape: of the words, as named or fixed sizes.
        state: of each part of the state, its name and width.
    """

    features: str
    shape: tuple[int | str, ...]
    state: tuple[tuple[str, int], ...] = ()


def onnx_graph(model: LanguageModel) -> onnx.ModelProto:
    """The network from words' numbers to log-probabilities of the next word.

    The input `words` is a window of n - 1 words a row; or sequences [S, T] with each part of the
    state before them, [S, n], as an input, and after them as an output. S and T may be of any size
    from 1 on.

    Raises:
        WordlabError: for an encoder or an output that has no form in ONNX.
    """
    graph, table = Graph(), model.encoder.word_vectors()
    assert isinstance(table, nn.Parameter)
    tables = Tables(graph, table, graph.keep(table))
    found = _features(model.encoder, tables)
    scores = _logits(model.output, tables, found.features)
    log_probs = graph.add("LogSoftmax", scores, axis=-1)
    types = len(table)
    shape: tuple[int | str, ...] = (found.shape[0], types)
    if found.state:
        leading = graph.add("Shape", WORDS)
        wide = graph.add("Concat", leading, graph.keep([types]), axis=0)
        log_probs = graph.add("Reshape", log_probs, wide)
        shape = (*found.shape, types)
    graph.nodes.append(helper.make_node("Identity", [log_probs], [LOG_PROBS]))
    inputs = [helper.make_tensor_value_info(WORDS, TensorProto.INT64, found.shape)]
    outputs = [helper.make_tensor_value_info(LOG_PROBS, TensorProto.FLOAT, shape)]
    for name, width in found.state:
        for values, ending in ((inputs, ""), (outputs, AFTER)):
            part = [found.shape[0], width]
            values.append(helper.make_tensor_value_info(name + ending, TensorProto.FLOAT, part))
    return graph.model("language model", inputs, outputs)


@singledispatch
def _features(encoder: Encoder, tables: Tables) -> Described:
    """What the output layer reads."""
    raise WordlabError(f"a network of type {type(encoder).__name__} has no form in ONNX yet")


@_features.register
def _feedforward(encoder: FeedforwardEncoder, tables: Tables) -> Described:
    graph, settings = tables.graph, encoder.settings
    vectors = graph.add("Gather", tables.kept, WORDS)
    window = graph.add("Flatten", vectors, axis=1)
    activation, units = activation_node(settings.activation), window
    for layer in encoder.hidden:
        assert isinstance(layer, nn.Linear)
        units = graph.add(activation, graph.linear(units, layer.weight, layer.bias))
    if settings.direct:
        units = graph.add("Concat", units, window, axis=1)
    return Described(units, ("windows", settings.n - 1))


@_features.register
def _recurrent(encoder: RecurrentEncoder, tables: Tables) -> Described:
    graph, state = tables.graph, []
    by_time = graph.add("Transpose", WORDS, perm=[1, 0])
    h = graph.add("Gather", tables.kept, by_time)  # [T, S, E]
    for number, cell in enumerate(encoder.cells):
        assert isinstance(cell, Cell)
        parts = [f"{part}{number + 1}" for part in ("h", "c")[: cell.parts]]
        h = _layer(graph, h, cell, parts)
        state += [(part, cell.units) for part in parts]
        if encoder.settings.layer_norm:
            norm = encoder.norms[number]
            assert isinstance(norm, nn.LayerNorm)
            weights = graph.keep(norm.weight), graph.keep(norm.bias)
            h = graph.add("LayerNormalization", h, *weights, axis=-1, epsilon=norm.eps)
    by_sequence = graph.add("Transpose", h, perm=[1, 0, 2])
    rows = graph.add("Reshape", by_sequence, graph.keep([-1, encoder.features]))
    return Described(rows, ("sequences", "length"), tuple(state))


def _layer(graph: Graph, x: str, cell: Cell, parts: list[str]) -> str:
    """One layer with its state before and after. [T, S, m] -> [T, S, n]"""
    form, axis = recurrence(cell), graph.keep([0])
    weights = [graph.keep(part[None]) for part in form.weights(cell)]
    before = [graph.add("Unsqueeze", part, axis) for part in parts]
    names = [f"{part}_of_layer" for part in ("y", *parts)]
    made = [f"{name}_{len(graph.nodes)}" for name in names]
    graph.nodes.append(
        helper.make_node(
            form.operator, [x, *weights, "", *before], made, hidden_size=cell.units, **form.options
        )
    )
    for part, after in zip(parts, made[1:], strict=True):
        graph.nodes.append(helper.make_node("Squeeze", [after, axis], [part + AFTER]))
    return graph.add("Squeeze", made[0], graph.keep([1]))


@singledispatch
def _logits(output: OutputLayer, tables: Tables, features: str) -> str:
    """Scores whose softmax the probabilities are. [N, F] -> [N, V]"""
    raise WordlabError(f"an output of type {type(output).__name__} has no form in ONNX yet")


@_logits.register
def _softmax(output: SoftmaxOutput, tables: Tables, features: str) -> str:
    graph = tables.graph
    if output.projection is not None:
        across = graph.keep(np.ascontiguousarray(output.projection.weight.detach().t().numpy()))
        features = graph.add("MatMul", features, across)
    shared = output.weight is tables.embedding
    weight = tables.kept if shared else graph.keep(output.weight)
    # With the matrix as it stands, so that one that is shared is in the file once.
    return graph.add("Gemm", features, weight, graph.keep(output.bias), transB=1)
