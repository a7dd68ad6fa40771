"""Language models that are passed on: smaller, and scoring as the run does; and as ONNX."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from torch import Tensor

from wordlab.errors import WordlabError
from wordlab.models.narrow_weights import WEIGHTS, own_tensors
from wordlab.runs.export.language_model import export_model
from wordlab.runs.export.onnx_language_model import export_onnx_model
from wordlab.runs.mixing import mix
from wordlab.runs.opening import open_run
from wordlab.runs.run import Run
from wordlab.runs.starting import resume_run
from wordlab.runs.training_run import train

COST = {"float32": 1e-7, "bfloat16": 5e-3, "int8": 2e-2}
"""Nats a token that a run may lose; these have few units, whose rounding does not average out."""

SETTINGS = {
    "lstm": {"type": "lstm", "embedding": 12, "hidden": [16, 12], "layer_norm": True},
    "gru": {"type": "gru", "embedding": 12, "hidden": [16], "reads": "stream", "reset": "after"},
    "elman": {"type": "elman", "embedding": 12, "hidden": [12], "direct": True},
    "feedforward": {"n": 3, "embedding": 12, "hidden": [16]},
}


@pytest.fixture(scope="module", params=list(SETTINGS))
def trained(
    request: pytest.FixtureRequest, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    return train(
        texts / "train.txt",
        texts / "validation.txt",
        run=tmp_path_factory.mktemp("runs") / request.param,
        settings={
            "model": SETTINGS[request.param],
            "output": {"tied": request.param != "feedforward"},
            "training": {
                "batch": 32, "epochs": 3, "optimizer": {"type": "adam", "rate": 0.02}
            },
        },
    )  # fmt: skip


@pytest.fixture(params=WEIGHTS)
def weights(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_scores_and_generates_as_the_run_does(
    trained: Run, weights: str, texts: Path, tmp_path: Path
) -> None:
    made = export_model(trained, tmp_path / "made", weights=weights)
    other = open_run(tmp_path / "made")
    assert isinstance(other, Run)
    wanted, found = (run.evaluate(texts / "train.txt", yardsticks=True) for run in (trained, other))
    apart = found.overall.nats_per_token - wanted.overall.nats_per_token
    assert abs(apart) < COST[weights]
    assert (apart == 0) == (weights == "float32")
    assert found.as_json()["weights"] == weights
    assert ("kept as" in found.note) == (weights != "float32")
    assert not found.yardsticks
    assert made.cost is not None
    assert abs(made.cost) < COST[weights]
    assert made.targets > 0
    rows = list(other.score(["the cat sat on the mat ."]))
    assert [row.word for row in rows] == ["the", "cat", "sat", "on", "the", "mat", "."]
    assert other.generate("the", words=4, count=2)


def test_its_files_say_no_more_than_they_must(
    trained: Run, weights: str, texts: Path, tmp_path: Path
) -> None:
    made = export_model(trained, tmp_path / "made", weights=weights)
    names = sorted(path.name for path in made.run.path.iterdir())
    assert names == ["environment.json", "model.safetensors", "settings.json", "vocabulary.tsv"]
    for path in made.run.path.iterdir():
        assert str(texts).encode() not in path.read_bytes()
    about = json.loads((made.run.path / "environment.json").read_text())["exported"]
    assert about["weights"] == weights
    assert about["cost_nats_per_token"] == pytest.approx(made.cost)
    assert made.table().rows[1][0] == weights
    with pytest.raises(WordlabError, match="holds no training text to go on with; resume the run"):
        resume_run(made.run.path)


def test_the_weights_take_as_much_room_as_they_say(trained: Run, tmp_path: Path) -> None:
    bits = {}
    for kind in WEIGHTS:
        made = export_model(trained, tmp_path / kind, weights=kind)
        tensors = safetensors.torch.load_file(made.run.path / "model.safetensors")
        bits[kind] = sum(
            8 * value.numel() * value.element_size()
            for value in tensors.values()
            if value.dim() == 2
        )
        assert made.sizes[1] == (made.run.path / "model.safetensors").stat().st_size
    assert bits["float32"] == 2 * bits["bfloat16"] == 4 * bits["int8"]


def test_an_export_is_exported_no_narrower(trained: Run, tmp_path: Path) -> None:
    once = export_model(trained, tmp_path / "once", weights="int8").run
    again = export_model(once, tmp_path / "again", weights="int8")
    assert again.cost is None
    assert "not at hand" in again.table().note
    for name, value in own_tensors(once.network).items():
        assert torch.equal(value, own_tensors(again.run.network)[name])
    with pytest.raises(WordlabError, match="has weights of int8 already; export the run that it"):
        export_model(once, tmp_path / "wider", weights="bfloat16")


def changed(name: str, change: Callable[[Tensor], Tensor | None]) -> Callable[..., None]:
    def apply(tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        value = change(tensors.pop(name))
        if value is not None:
            tensors[name] = value

    return apply


def said(**metadata: str) -> Callable[..., None]:
    return lambda _, old: old.update(metadata)


TABLE = "encoder.embedding.weight"
HOSTILE: dict[str, tuple[Callable[..., None], str]] = {
    "no scale": (changed(TABLE + ":scale", lambda _: None), "no finite scale"),
    "a short scale": (changed(TABLE + ":scale", lambda s: s[1:].clone()), "no finite scale"),
    "a scale of NaN": (changed(TABLE + ":scale", lambda s: s * math.nan), "no finite scale"),
    "a scale below 0": (changed(TABLE + ":scale", lambda s: -s), "no finite scale"),
    "floats": (changed(TABLE, lambda v: v.float()), "is not of int8 numbers"),
    "too small a number": (
        changed(TABLE, lambda v: v.fill_(-128)), "not of int8 numbers from -127 to 127",
    ),
    "another shape": (changed(TABLE, lambda v: v[:, 1:].clone()), "missing or has another shape"),
    "nothing": (changed(TABLE, lambda _: None), "missing or has another shape"),
    "an infinite bias": (changed("output.bias", lambda b: b / 0), "not of finite torch.float32"),
    "a bias of integers": (changed("output.bias", lambda b: b.int()), "not of finite torch"),
    "something more": (
        lambda tensors, _: tensors.update(more=torch.ones(1)), "more is of no part of it",
    ),
    "another kind": (said(weights="int4"), "'int4' is no kind of weights; allowed: float32"),
    "a kind that it is not": (said(weights="bfloat16"), "not of finite torch.bfloat16"),
    "another vocabulary": (said(vocabulary="0"), "belongs to vocabulary 0"),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(HOSTILE))
def test_hostile_weights_are_refused(run: Run, tmp_path: Path, fault: str) -> None:
    export_model(run, tmp_path / "made", weights="int8")
    path = tmp_path / "made" / "model.safetensors"
    with safetensors.safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = safetensors.torch.load_file(path)
    change, message = HOSTILE[fault]
    change(tensors, metadata)
    safetensors.torch.save_file(tensors, path, metadata)
    with pytest.raises(WordlabError, match=message):
        _ = Run.load(tmp_path / "made").model


def test_exports_that_cannot_be(run: Run, texts: Path, tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="'int4' is no kind of weights; allowed: float32, bflo"):
        export_model(run, tmp_path / "made", weights="int4")
    with pytest.raises(WordlabError, match="is there already and is not empty"):
        export_model(run, run.path)
    broken = shutil.copytree(run.path, tmp_path / "broken")
    tensors = safetensors.torch.load_file(broken / "model.safetensors")
    tensors["encoder.embedding.weight"][3, 0] = math.nan
    metadata = {"wordlab": "1", "vocabulary": run.vocabulary.hash}
    safetensors.torch.save_file(tensors, broken / "model.safetensors", metadata)
    with pytest.raises(WordlabError, match="weight: holds weights that are no numbers"):
        export_model(Run.load(broken), tmp_path / "made", weights="int8")
    settings = {"model": {"type": "kneser-ney", "n": 3}}
    counted = train(
        texts / "train.txt", texts / "validation.txt", run=tmp_path / "kn", settings=settings
    )
    with pytest.raises(WordlabError, match="no weights to be kept as int8; export it without"):
        export_model(counted, tmp_path / "made", weights="int8")
    with pytest.raises(WordlabError, match="no form in ONNX; write it as ARPA"):
        export_onnx_model(counted, tmp_path / "net.onnx")
    mixed = mix([run], run.text(texts / "validation.txt"), tmp_path / "mixed")
    with pytest.raises(WordlabError, match="a mixture, which is not exported as one; export each"):
        export_model(mixed, tmp_path / "made")
    with pytest.raises(WordlabError, match="a mixture, which has no form in ONNX; export each net"):
        export_onnx_model(mixed, tmp_path / "net.onnx")
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "net.onnx").exists()
    # What can: counts without their text, to the bit.
    plain = export_model(counted, tmp_path / "counts")
    assert plain.cost == 0


def test_an_exported_run_is_mixed_as_any_other(run: Run, texts: Path, tmp_path: Path) -> None:
    small = export_model(run, tmp_path / "small", weights="int8").run
    mixed = mix([run, small], run.text(texts / "validation.txt"), tmp_path / "mixed")
    evaluation = mixed.evaluate(texts / "validation.txt", yardsticks=False)
    assert evaluation.weights == "float32, int8"


def test_an_onnx_file_and_its_json_say_all(trained: Run, texts: Path, tmp_path: Path) -> None:
    """A text is scored with nothing but the two files."""
    beside = export_onnx_model(trained, tmp_path / "new" / "net.onnx")
    about = json.loads(beside.read_text())
    network = beside.with_name(about["network"])
    inside = {entry.key: entry.value for entry in onnx.load(network).metadata_props}
    assert inside["use"] == about["use"]
    assert int(inside["opening"]) == about["opening"]
    session = onnxruntime.InferenceSession(network)
    number = {word: index for index, word in enumerate(about["words"])}
    text = [*(texts / "train.txt").read_text().splitlines()[:9], "a bird saw the mouse"]
    lines = [line.split() for line in text]
    ids = [[*(number.get(word, about["unknown"]) for word in line), about["end"]] for line in lines]
    parts = [part for part in session.get_inputs() if part.name != "words"]
    nats, state = [], {part.name: np.zeros((1, part.shape[1]), np.float32) for part in parts}
    zeros, before = dict(state), about["opening"]
    for row in ids:
        if "one stream" not in about["protocol"]:
            state, before = zeros, about["opening"]
        if parts:
            words = np.array([[before, *row[:-1]]])
            outputs = [output.name for output in session.get_outputs()]
            found = dict(zip(outputs, session.run(outputs, {"words": words, **state}), strict=True))
            state = {name: found[f"{name}_after"] for name in state}
            log_probs, before = found["log_probs"][0], row[-1]
        else:
            width = session.get_inputs()[0].shape[1]
            padded = [about["opening"]] * width + row
            words = np.array([padded[place : place + width] for place in range(len(row))])
            (log_probs,) = session.run(["log_probs"], {"words": words})
        nats += (-log_probs[range(len(row)), row]).tolist()
    own = [row.nats for row in trained.score(text, end=True)]
    assert nats == pytest.approx(own, abs=1e-5)
