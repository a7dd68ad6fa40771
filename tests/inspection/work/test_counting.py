"""Operations and bytes: what formulas say is what a real forward and backward pass does."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.work.counting import Product, count
from wordlab.inspection.work.parts import (
    Workload,
    language_workload,
    recurrent_workload,
    tagger_parts,
)
from wordlab.inspection.work.passes import counted_parts
from wordlab.inspection.work.report import meaning
from wordlab.models.cost import LETTERS, evaluate
from wordlab.models.language_model import MODELS, OUTPUT_LAYERS, NetworkSettings, build_model
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, build_tagger
from wordlab.runs.settings import FAMILIES
from wordlab.runs.tagger_settings import FAMILIES as TAGGER_FAMILIES

assert FAMILIES
assert TAGGER_FAMILIES

NETWORKS = sorted(name for name in MODELS if issubclass(MODELS[name], NetworkSettings))
OPTIONS: dict[str, list[dict[str, object]]] = {
    "feedforward": [{"n": 2}, {"n": 5, "direct": True}, {"sparse": True}],
    "elman": [{"biases": 0}, {"direct": True}, {"truncation": 2}],
    "gru": [{"reset": "before"}, {"reset": "after", "biases": 2}],
    "lstm": [{"layer_norm": True}, {"reads": "stream", "length": 7}],
}
OF_OUTPUT: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "softmax": {"tied": st.booleans(), "sample": st.sampled_from([0, 5])},
    "adaptive": {
        "cuts": st.sampled_from([[1], [2, 3], [1, 2, 4], []]),
        "narrowing": st.integers(1, 3),
    },
    "nce": {"noise": st.integers(1, 9), "tied": st.booleans()},
}
WORDS = ("Mara", "left", "Turin", "for", "a", "unhurriedly", "B-52", "12/10/99")


def vocabulary(size: int) -> Vocabulary:
    words = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(size - 3)))
    return Vocabulary(words, np.arange(size, 0, -1), 0, 1, 2)


def assert_agree(workload: Workload) -> None:
    for part in counted_parts(workload):
        assert part.forward.flops == part.forward_flops, part.name
        assert part.backward.flops == part.backward_flops, part.name
        assert part.forward.bytes == part.forward_bytes, part.name
        assert part.backward.bytes == part.backward_bytes, part.name
        assert part.agrees


@settings(max_examples=40, deadline=None)
@given(data=st.data(), kind=st.sampled_from(NETWORKS))
def test_language_models(data: st.DataObject, kind: str) -> None:
    sizes = st.integers(1, 9)
    hidden = data.draw(st.lists(sizes, min_size=1, max_size=3), "hidden")
    options = data.draw(st.sampled_from(OPTIONS[kind]), "options")
    embedding = data.draw(sizes, "embedding")
    if options.get("direct") and kind == "elman":
        hidden = [embedding] * len(hidden)
    if "truncation" in options:
        options = {**options, "hidden_dropout": 0.0}
    if kind != "feedforward":
        options = {**options, "precision": data.draw(st.sampled_from(["float32", "bfloat16"]))}
    types = data.draw(st.integers(5, 40), "types")
    layer = data.draw(st.sampled_from(list(OUTPUT_LAYERS)), "output")
    output = {
        "precision": data.draw(st.sampled_from(["float32", "bfloat16"]), "precision"),
        **{name: data.draw(values, name) for name, values in OF_OUTPUT[layer].items()},
    }
    if output.get("tied") and options.get("sparse"):
        output["tied"] = False
    model = build_model(
        MODELS[kind].model_validate({**options, "embedding": embedding, "hidden": hidden}),
        OUTPUT_LAYERS[layer].model_validate(output),
        types,
        seed=1,
    )
    assert_agree(language_workload(model, vocabulary(types), data.draw(st.integers(1, 99), "size")))


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(), kind=st.sampled_from(list(TAGGERS)), output=st.sampled_from(list(TAG_OUTPUTS))
)
def test_taggers(data: st.DataObject, kind: str, output: str) -> None:
    sizes = st.integers(1, 9)
    features = FeatureSettings(
        words=data.draw(sizes, "words"),
        train_words=data.draw(st.booleans(), "train"),
        letters=data.draw(st.integers(0, 4), "letters"),
        filters=data.draw(sizes, "filters"),
        filter_width=data.draw(st.integers(1, 4), "seen"),
        affix=data.draw(sizes, "affix"),
    )
    lexicon = Lexicon.of_words(
        WORDS,
        form=features.form,
        features=list(features.names),
        letters=bool(features.letters),
        min_feature_count=1,
    )
    tags = TagSet("BIOES", tuple("ABCD"[: data.draw(st.integers(1, 4), "types")]))
    model = build_tagger(
        features,
        TAGGERS[kind].model_validate(
            {"hidden": data.draw(st.lists(sizes, min_size=1, max_size=2), "hidden")}
        ),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon,
        tags,
        seed=1,
    ).train()
    sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7)
    sentences = data.draw(st.lists(sentence, min_size=1, max_size=4), "sentences")
    store = TagStore.of(sentences, lexicon, [[0] * len(row) for row in sentences])
    assert_agree(tagger_parts(model, next(iter(store.batches(20)))))


def test_the_output_layer_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordlab.models.softmax_nats.CHUNK_LOGITS", 100)
    model = build_model(MODELS["lstm"](), OUTPUT_LAYERS["softmax"](), 20, seed=1)
    workload = language_workload(model, vocabulary(20), 50)
    assert workload.batch["K"] > 1
    assert_agree(workload)


def test_a_cell_without_an_input_matrix_multiplies_in_its_precision() -> None:
    cell = MODELS["elman"].model_validate(
        {"embedding": 3, "hidden": [3], "direct": True, "precision": "bfloat16"}
    )
    model = build_model(cell, OUTPUT_LAYERS["softmax"](), 20, seed=1)
    _, hidden, _ = counted_parts(language_workload(model, vocabulary(20), 9))
    assert {product.dtype for product in hidden.forward.products} == {torch.bfloat16}


@pytest.mark.parametrize("kind", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("steps_back", [0, 1, 5])
def test_each_step_back_in_time_costs_the_same(kind: str, steps_back: int) -> None:
    model = build_model(MODELS[kind](), OUTPUT_LAYERS["softmax"](), 20, seed=1)
    workload = recurrent_workload(model, steps_back, targets=3)
    _, hidden, output = counted_parts(workload)
    (layer,) = (layer for layer in workload.layers if layer.part == "hidden")
    assert hidden.backward.flops == 3 * (steps_back + 1) * (layer.backward_flops or 0)
    assert output.backward.flops == 3 * 4 * 256 * 20
    assert_agree(workload)


def test_counting_is_that_of_pytorch() -> None:
    """Of the kernels that PyTorch counts too."""
    x, w = torch.randn(7, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    signal, filters = torch.randn(2, 4, 9, requires_grad=True), torch.randn(6, 4, 3)
    filters.requires_grad_()

    def computation() -> None:
        functional.linear(x, w, torch.zeros(3)).sum().backward()
        (x @ w.t()).sum().backward()
        functional.conv1d(signal, filters, padding=2).sum().backward()

    with FlopCounterMode(display=False) as counter:
        computation()
    assert count(computation).flops == counter.get_total_flops() > 0


def test_counting_by_hand() -> None:
    a, b = torch.zeros(2, 3), torch.zeros(3, 5)
    work = count(lambda: (a @ b, a @ b))
    made = Product.of(2, 3, 5, torch.float32)
    assert work.products == {made: 2}
    assert (made.flops, made.bytes) == (60, 4 * (6 + 15 + 10))
    assert (work.flops, work.bytes) == (120, 248)
    table = torch.zeros(9, 4)
    assert count(lambda: functional.embedding(torch.tensor([1, 1]), table)).bytes == 4 * 2 * 8
    chain = torch.zeros(2, 3, dtype=torch.float64)
    assert count(lambda: chain.numpy() @ np.zeros((3, 4))).flops == 48


def test_formulas_by_hand() -> None:
    sizes = {"D": 3, "V": 10, "N": 4}
    assert evaluate("2 D V + 4 D / N - 8", sizes) == 60 + 3 - 8
    assert evaluate("D V / N / D", sizes) == Fraction(5, 2)
    assert evaluate("0", {}) == 0
    with pytest.raises(KeyError):
        evaluate("2 T", sizes)


def test_every_letter_has_a_meaning() -> None:
    layers = [("softmax", {}), ("adaptive", {"cuts": [5, 9]}), ("nce", {})]
    for kind, (name, output) in product(NETWORKS, layers):
        model = build_model(MODELS[kind](), OUTPUT_LAYERS[name].model_validate(output), 20, seed=1)
        for letter in language_workload(model, vocabulary(20), 9).sizes:
            assert meaning(letter)
    assert meaning("C1") == LETTERS["C"]
