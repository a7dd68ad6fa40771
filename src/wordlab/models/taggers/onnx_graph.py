"""A tagger's network as an ONNX graph; see `wordlab.models.onnx_nodes`."""

from functools import singledispatch

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from wordlab.batching.tagging import WordTable
from wordlab.corpus.labelled.lexicon import END, MARKERS, START
from wordlab.errors import WordlabError
from wordlab.models.onnx_nodes import Graph, activation_node, recurrence
from wordlab.models.recurrent.cell import Cell
from wordlab.models.taggers.features import WordVectors
from wordlab.models.taggers.outputs import ScoredTags
from wordlab.models.taggers.recurrent import BidirectionalEncoder
from wordlab.models.taggers.tagger import TagEncoder, Tagger
from wordlab.models.taggers.window import WindowEncoder

FEATURES, LETTERS, SCORES = "features", "letters", "scores"
LAST = np.iinfo(np.int64).max
"""The end of a slice that goes to the end."""


def onnx_graph(model: Tagger) -> onnx.ModelProto:
    """The network from the numbers of a lexicon to the scores of tags, before any path is chosen.

    Inputs are padded sentences, `features` [S, N, F] and, where characters are read, `letters`
    [S, N, C]; all features of padding are the end marker. The output is `scores` [S, N, L]. S, N
    and C may be of any size from 1 on.

    Raises:
        WordlabError: for an encoder or an output that has no form in ONNX.
    """
    output = model.output
    if not isinstance(output, ScoredTags):
        raise WordlabError(f"an output of type {type(output).__name__} has no form in ONNX yet")
    graph = Graph()
    forms = graph.add("Gather", FEATURES, graph.keep(0), axis=2)
    is_padding = graph.add("Equal", forms, graph.keep(END))
    markers = _markers(model.words)
    x = _word_vectors(graph, model.words, is_padding, markers)
    h = _encoded(model.encoder, graph, x, is_padding, markers)
    scores = graph.linear(h, output.linear.weight, output.linear.bias)
    graph.nodes.append(helper.make_node("Identity", [scores], [SCORES]))
    columns = 1 + len(model.words.features)
    inputs = [_described(FEATURES, TensorProto.INT64, columns)]
    if model.words.letters is not None:
        inputs.append(_described(LETTERS, TensorProto.INT64, "letters"))
    outputs = [_described(SCORES, TensorProto.FLOAT, len(output.linear.weight))]
    return graph.model("tagger", inputs, outputs)


def _described(name: str, kind: int, width: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["sentences", "words", width])


@torch.no_grad()
def _markers(words: WordVectors) -> NDArray[np.float32]:
    """The vectors of the markers. [3, D]"""
    rows = torch.arange(MARKERS)
    columns = rows[:, None].expand(MARKERS, 1 + len(words.features))
    letters = None if words.letters is None else rows[:, None]
    vectors: NDArray[np.float32] = words(WordTable(columns, letters), rows).numpy()
    return vectors


def _word_vectors(
    graph: Graph, words: WordVectors, is_padding: str, markers: NDArray[np.float32]
) -> str:
    """The vectors of all words. [S, N, D]"""
    tables = [torch.cat([words.word.weight, words.further])]
    tables += [table.weight for table in words.features if isinstance(table, nn.Embedding)]
    parts = []
    for at, table in enumerate(tables):
        column = graph.add("Gather", FEATURES, graph.keep(at), axis=2)
        parts.append(graph.add("Gather", graph.keep(table), column))
    if words.letters is not None:
        spelled = _spelled(graph, words)
        behind = graph.add("Unsqueeze", is_padding, graph.keep([2]))
        end = graph.keep(markers[END, -words.settings.filters :])
        parts.append(graph.add("Where", behind, end, spelled))
    return graph.add("Concat", *parts, axis=2)


def _spelled(graph: Graph, words: WordVectors) -> str:
    """The largest value of each filter anywhere in each word. [S, N, K]"""
    assert words.letters is not None
    assert words.filters is not None
    table, filters, reach = words.letters, words.filters, words.settings.filter_width - 1
    every_word = graph.add("Shape", FEATURES, start=0, end=2)
    letters = graph.add("Flatten", LETTERS, axis=2)  # [W, C] for the W words of all sentences
    is_letter = graph.add(
        "Cast", graph.add("GreaterOrEqual", letters, graph.keep(0)), to=TensorProto.FLOAT
    )
    rows = graph.add("Max", letters, graph.keep(0))
    vectors = graph.add("Gather", graph.keep(table.weight), rows)
    vectors = graph.add("Mul", vectors, graph.add("Unsqueeze", is_letter, graph.keep([2])))
    by_channel = graph.add("Transpose", vectors, perm=[0, 2, 1])
    assert filters.bias is not None
    weights = graph.keep(filters.weight), graph.keep(filters.bias)
    values = graph.add("Conv", by_channel, *weights, pads=[reach, reach])  # [W, K, C + reach]
    # Of a word of c letters, the filters reach over c + reach places.
    within = graph.add("Pad", is_letter, graph.keep([0, reach, 0, 0]), graph.keep(np.float32(1)))
    within = graph.add("Cast", graph.add("Unsqueeze", within, graph.keep([1])), to=TensorProto.BOOL)
    values = graph.add("Where", within, values, graph.keep(np.float32(-np.inf)))
    largest = graph.add("ReduceMax", values, graph.keep([2]), keepdims=0)
    filters_of = graph.keep([len(filters.bias)])
    return graph.add("Reshape", largest, graph.add("Concat", every_word, filters_of, axis=0))


@singledispatch
def _encoded(
    encoder: TagEncoder, graph: Graph, x: str, is_padding: str, markers: NDArray[np.float32]
) -> str:
    """The features of each word in its surroundings. [S, N, D] -> [S, N, F]"""
    raise WordlabError(f"a network of type {type(encoder).__name__} has no form in ONNX yet")


@_encoded.register
def _window(
    encoder: WindowEncoder, graph: Graph, x: str, is_padding: str, markers: NDArray[np.float32]
) -> str:
    radius, activation = encoder.settings.radius, activation_node(encoder.settings.activation)
    sentences = graph.add("Shape", x, start=0, end=1)
    edge_shape = graph.add("Concat", sentences, graph.keep([radius, markers.shape[1]]), axis=0)
    before, after = (
        graph.add("Expand", graph.keep(markers[marker]), edge_shape) for marker in (START, END)
    )
    padded = graph.add("Concat", before, x, after, axis=1)
    places = []
    for place in range(2 * radius + 1):
        end = place - 2 * radius or LAST
        bounds = graph.keep([place]), graph.keep([end])
        places.append(graph.add("Slice", padded, *bounds, graph.keep([1])))
    h = graph.add("Concat", *places, axis=2)
    for layer in encoder.layers:
        assert isinstance(layer, nn.Linear)
        h = graph.add(activation, graph.linear(h, layer.weight, layer.bias))
    return h


@_encoded.register
def _bidirectional(
    encoder: BidirectionalEncoder,
    graph: Graph,
    x: str,
    is_padding: str,
    markers: NDArray[np.float32],
) -> str:
    is_word = graph.add("Cast", graph.add("Not", is_padding), to=TensorProto.INT32)
    lengths = graph.add("ReduceSum", is_word, graph.keep([1]), keepdims=0)
    h = graph.add("Transpose", x, perm=[1, 0, 2])  # [N, S, D]
    for ahead, back in zip(encoder.forwards, encoder.backwards, strict=True):
        assert isinstance(ahead, Cell)
        assert isinstance(back, Cell)
        h = _both_ways(graph, h, lengths, (ahead, back))
    return graph.add("Transpose", h, perm=[1, 0, 2])


def _both_ways(graph: Graph, h: str, lengths: str, cells: tuple[Cell, Cell]) -> str:
    """One layer. [N, S, D] -> [N, S, 2 n]"""
    form = recurrence(cells[0])
    both = zip(*(form.weights(cell) for cell in cells), strict=True)
    weights = (graph.keep(np.stack(part)) for part in both)
    units = cells[0].units
    about = {"direction": "bidirectional", "hidden_size": units, **form.options}
    found = graph.add(form.operator, h, *weights, lengths, **about)  # [N, 2, S, n]
    beside = graph.add("Transpose", found, perm=[0, 2, 1, 3])
    return graph.add("Reshape", beside, graph.keep([0, 0, 2 * units]))
