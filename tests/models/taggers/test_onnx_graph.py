"""Networks as ONNX graphs: the same scores in onnxruntime, for sentences of any length."""

import itertools
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import END, Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.errors import WordlabError
from wordlab.models.activations import ACTIVATIONS
from wordlab.models.recurrent.cell import Cell
from wordlab.models.recurrent.gru import GruCell
from wordlab.models.taggers import outputs, recurrent, window
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.onnx_graph import onnx_graph
from wordlab.models.taggers.tagger import (
    TAG_OUTPUTS,
    TAGGERS,
    TagEncoder,
    Tagger,
    TagOutput,
    build_tagger,
)

assert outputs
assert recurrent
assert window

SENTENCES = [
    ["Mara", "Ellingsen", "left", "Turin", "for", "Bergen", ",", "they", "say", "."],
    ["Oslo"],
    ["it", "rained", "in", "1996", "."],
    ["Llanfairpwllgwyngyllgogerychwyrndrobwll", "Bo"],
]
TAGS = TagSet("BIOES", ("LOC", "PER"))
EVERY = list(itertools.product(TAGGERS, TAG_OUTPUTS))


def made(
    model: str = "window", output: str = "crf", features: Any = None, **settings: Any
) -> tuple[Tagger, Lexicon]:
    """A tagger with random weights, also where training begins at 0, and further vectors."""
    chosen = FeatureSettings.model_validate({"words": 5, "affix": 3, **(features or {})})
    words = [word for sentence in SENTENCES for word in sentence]
    lexicon = Lexicon.of_words(
        words[:-2],
        form=chosen.form,
        features=list(chosen.names),
        letters=bool(chosen.letters),
        min_feature_count=1,
        known=["oslo", "bergen", "bo"],
    )
    rows = len(lexicon.columns["word"]) + len(lexicon.further)
    draw = torch.Generator().manual_seed(1)
    tagger = build_tagger(
        chosen,
        TAGGERS[model].model_validate({"hidden": [6, 7], **settings}),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon,
        TAGS,
        seed=1,
        vectors=torch.randn(rows, 5, generator=draw),
    )
    with torch.no_grad():
        for parameter in tagger.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=draw)
        if tagger.words.filters is not None and tagger.words.filters.bias is not None:
            tagger.words.filters.bias -= 9  # whose largest values are far below 0
    return tagger.eval(), lexicon


def own_scores(tagger: Tagger, lexicon: Lexicon) -> list[NDArray[np.float32]]:
    """Of each sentence, by PyTorch. [N, L]"""
    found = []
    for sentence in SENTENCES:
        (batch,) = TagStore.of([sentence], lexicon).batches(100)
        assert isinstance(tagger.output, outputs.ScoredTags)
        found.append(tagger.output.scores(tagger.features(batch)).detach().numpy())
    return found


def padded_inputs(
    lexicon: Lexicon, sentences: list[list[str]], more: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Inputs of a batch, with further padding in words and characters; -7 where it is free."""
    longest = max(map(len, sentences)) + more
    features = np.full((len(sentences), longest, len(lexicon.columns)), END, dtype=np.int64)
    spelled = lexicon.spellings([word for sentence in sentences for word in sentence])
    letters = np.full((len(sentences), longest, spelled.shape[1] + more), -7, dtype=np.int64)
    at = 3
    for row, sentence in enumerate(sentences):
        features[row, : len(sentence)] = lexicon.rows(sentence)[3:]
        letters[row, : len(sentence), : spelled.shape[1]] = spelled[at : at + len(sentence)]
        at += len(sentence)
    return {"features": features, **({"letters": letters} if lexicon.letters else {})}


def session_of(tagger: Tagger) -> onnxruntime.InferenceSession:
    graph = onnx_graph(tagger)
    onnx.checker.check_model(graph, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options)


def assert_same_scores(tagger: Tagger, lexicon: Lexicon) -> None:
    session = session_of(tagger)
    expected = own_scores(tagger, lexicon)
    for sentence, own in zip(SENTENCES, expected, strict=True):
        (scores,) = session.run(["scores"], padded_inputs(lexicon, [sentence]))
        assert scores.dtype == np.float32
        assert np.abs(scores[0] - own).max() < 1e-5
    (together,) = session.run(["scores"], padded_inputs(lexicon, SENTENCES, more=3))
    for row, own in zip(together, expected, strict=True):
        assert np.abs(row[: len(own)] - own).max() < 1e-5


@pytest.mark.parametrize(("model", "output"), EVERY)
@pytest.mark.parametrize("letters", [0, 4])
def test_scores_are_those_of_pytorch(model: str, output: str, letters: int) -> None:
    assert_same_scores(*made(model, output, features={"letters": letters, "filters": 5}))


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_every_activation(activation: str) -> None:
    assert_same_scores(*made("window", activation=activation))


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_windows_of_any_width(radius: int) -> None:
    assert_same_scores(*made("window", radius=radius))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_filters_of_any_width(width: int) -> None:
    features = {"letters": 4, "filters": 5, "filter_width": width}
    assert_same_scores(*made("bilstm", features=features))


def test_word_forms_alone() -> None:
    bare = {"capitals": 0, "shape": 0, "prefixes": [], "suffixes": []}
    assert_same_scores(*made("window", features=bare))


def test_the_other_reset_gate() -> None:
    tagger, lexicon = made("bigru")
    assert isinstance(tagger.encoder, recurrent.BidirectionalEncoder)
    for cell in (*tagger.encoder.forwards, *tagger.encoder.backwards):
        assert isinstance(cell, GruCell)
        cell.reset = "after"
        cell.bias_hidden = torch.nn.Parameter(torch.linspace(-1, 1, 3 * cell.units))
    assert_same_scores(tagger, lexicon)


def test_parts_without_a_form() -> None:
    tagger, _ = made("window")
    tagger.encoder.settings = window.WindowSettings.model_construct(activation="sine")
    with pytest.raises(WordlabError, match="the activation 'sine' has no form in ONNX yet"):
        onnx_graph(tagger)
    tagger, _ = made("bilstm")
    encoder = tagger.encoder
    assert isinstance(encoder, recurrent.BidirectionalEncoder)

    class OwnCell(Cell):
        products = ("hidden",)

        def recur(self, *given: Any) -> Any: ...

    encoder.forwards[0] = OwnCell(encoder.forwards[0].inputs, 6)  # type: ignore[arg-type]
    with pytest.raises(WordlabError, match="a cell of type OwnCell has no form in ONNX yet"):
        onnx_graph(tagger)

    class Other(TagEncoder):
        def forward(self, *given: Any) -> Any: ...

        def costs(self) -> Any: ...

    class Strange(TagOutput):
        def loss(self, *given: Any) -> Any: ...

        def costs(self, width: str) -> Any: ...

        def nats(self, *given: Any) -> Any: ...

        def read(self, *given: Any) -> Any: ...

    tagger.encoder = Other()
    with pytest.raises(WordlabError, match="a network of type Other has no form in ONNX yet"):
        onnx_graph(tagger)
    tagger.output = Strange()
    with pytest.raises(WordlabError, match="an output of type Strange has no form in ONNX yet"):
        onnx_graph(tagger)
