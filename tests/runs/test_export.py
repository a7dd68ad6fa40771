"""Taggers that are passed on: they find what they found, and keep their text to themselves."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.hashing import METHOD, Hashing
from wordlab.corpus.labelled.lexicon import MARKERS, Lexicon
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.reading import read_store
from wordlab.models.taggers.chains import Chains, best_paths
from wordlab.runs.export import onnx_file
from wordlab.runs.export.folder import export_folder
from wordlab.runs.export.onnx_file import export_onnx
from wordlab.runs.export.release import PLAIN, WORDS
from wordlab.runs.starting import resume_run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import train_tagger

SETTINGS: dict[str, Any] = {
    "features": {"form": "cs224d", "words": 16, "letters": 4, "filters": 6},
    "model": {"hidden": [24]},
    "training": {"epochs": 3, "batch": 128},
}


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> TaggerRun:
    """A tagger with all that a folder can hold: further words with vectors, a form that asks."""
    folder = tmp_path_factory.mktemp("tagger")
    draw = np.random.default_rng(1)
    words = ["mara", "turin", "bergenhus", "quezal", "1814", "the", "."]
    rows = (f"{word} {' '.join(f'{x:.3f}' for x in draw.normal(size=16))}\n" for word in words)
    (folder / "vectors.txt").write_text("".join(rows))
    features = {**SETTINGS["features"], "vectors": str(folder / "vectors.txt")}
    settings = {**SETTINGS, "data": {"train": [str(sample)]}, "features": features}
    return train_tagger(run=folder / "run", settings=settings)


@pytest.fixture(scope="module", params=WORDS)
def exported(
    request: pytest.FixtureRequest, tagger: TaggerRun, tmp_path_factory: pytest.TempPathFactory
) -> TaggerRun:
    folder = tmp_path_factory.mktemp("exported") / request.param
    return export_folder(tagger, folder, words=request.param)


def marginals(run: TaggerRun, lines: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    store = TagStore.of(lines, run.lexicon)
    return read_store(run.model, store, run.tag_set, marginals=True).marginals


def test_it_finds_the_same_with_the_same_probabilities(
    tagger: TaggerRun, exported: TaggerRun, sample: Path
) -> None:
    lines = [sentence.words for sentence in read_labelled([sample])]
    lines += [["Quezal", "and", "Bergenhus", "in", "1814", "or", "1,815", "."], ["Ünseen"]]
    assert list(exported.tag_lines(lines)) == list(tagger.tag_lines(lines))
    assert any(sentence.entities for sentence in tagger.tag_lines(lines))
    assert np.array_equal(marginals(exported, lines), marginals(tagger, lines))
    assert exported.temperature == tagger.temperature != 1.0
    assert exported.tag_set == tagger.tag_set


def test_it_is_evaluated_without_the_training_text(exported: TaggerRun, sample: Path) -> None:
    evaluation = exported.evaluate(sample)
    assert evaluation.total.f1 > 0
    assert evaluation.unleaked is None
    assert evaluation.tables()


def test_it_cannot_be_resumed(exported: TaggerRun) -> None:
    with pytest.raises(WordlabError, match="holds no training text to go on with; resume the"):
        resume_run(exported.path)


def test_the_folder_holds_what_tagging_needs(exported: TaggerRun, sample: Path) -> None:
    assert sorted(path.name for path in exported.path.iterdir()) == [
        "calibration.json",
        "lexicon.json",
        "model.safetensors",
        "settings.json",
        "vectors.safetensors",
    ]
    for path in exported.path.iterdir():
        assert str(sample.parent).encode() not in path.read_bytes()
    assert exported.settings.features.vectors == "vectors.txt"


def header_and_numbers(path: Path) -> tuple[bytes, bytes]:
    """A file's text, and what are numbers of a safetensors file."""
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data, b""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def test_no_word_stands_in_a_hashed_folder(tagger: TaggerRun, sample: Path, tmp_path: Path) -> None:
    run = export_folder(tagger, tmp_path / "hashed", words="hashed")
    # What every such folder says, whatever it was trained on; hashes are words of a to f.
    names = [*run.model.state_dict(), *run.lexicon.as_json(), *run.lexicon.columns]
    names += [*Hashing(b"", 8).as_json(), METHOD, "source", "data_offsets", "temperature"]
    own = " ".join([json.dumps(TaggerRunSettings().model_dump()), *names])
    spelled = {word for sentence in read_labelled([sample]) for word in sentence.words}
    words = {w for w in spelled | {"bergenhus", "quezal"} if len(w) >= 4}
    words = {w for w in words if w.lower() not in own.lower() and not re.fullmatch("[0-9a-f]+", w)}
    assert len(words) > 900
    for path in run.path.iterdir():
        text, numbers = header_and_numbers(path)
        for word in words:
            assert word.lower().encode() not in text.lower(), (path.name, word)
            # Four bytes of a number spell some short word now and then.
            assert len(word) < 6 or word.encode() not in numbers, (path.name, word)
    plain = export_folder(tagger, tmp_path / "plain").path / "lexicon.json"
    assert sum(word.lower() in plain.read_text() for word in words) > 700


def test_a_run_whose_folder_is_gone_is_exported_too(tagger: TaggerRun, tmp_path: Path) -> None:
    shutil.copytree(tagger.path, tmp_path / "run")
    run = TaggerRun.load(tmp_path / "run")
    expected = run.tag("Mara left Turin .")
    shutil.rmtree(tmp_path / "run")
    assert (
        export_folder(run, tmp_path / "made", words="hashed").tag("Mara left Turin .") == expected
    )


def test_an_export_of_an_export(tagger: TaggerRun, tmp_path: Path) -> None:
    once = export_folder(tagger, tmp_path / "once", words="hashed")
    again = export_folder(once, tmp_path / "again")
    assert again.lexicon == once.lexicon
    lines = ["Mara Ellingsen left Turin for Quezal .", "In 1814 , not 1815 ."]
    assert again.tag(lines) == once.tag(lines)


def test_exports_that_cannot_be(tagger: TaggerRun, tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="'secret' is no way to write words; allowed: plain"):
        export_folder(tagger, tmp_path / "made", words="secret")
    assert not (tmp_path / "made").exists()
    with pytest.raises(WordlabError, match="is there already and is not empty"):
        export_folder(tagger, tagger.path)
    shutil.copytree(tagger.path, tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(WordlabError, match="has no finished epoch yet"):
        export_folder(TaggerRun.load(tmp_path / "run"), tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("words", WORDS)
def test_an_onnx_file_and_its_json_say_all(
    tagger: TaggerRun, sample: Path, tmp_path: Path, words: str
) -> None:
    about_path = export_onnx(tagger, tmp_path / "new" / "net.onnx", words=words)
    assert about_path == tmp_path / "new" / "net.json"
    about = json.loads(about_path.read_text())
    session = onnxruntime.InferenceSession(about_path.with_name(about["network"]))
    assert set(about["inputs"]) == {given.name for given in session.get_inputs()}
    assert set(about["outputs"]) == {made.name for made in session.get_outputs()}
    columns = {name: tuple(values) for name, values in about["columns"].items()}
    hashing = None if words == PLAIN else Hashing.from_json(about["hashing"])
    lexicon = Lexicon(about["form"], columns, (), about["letters"], hashing=hashing)
    steps = ["links", "begins", "ends"]
    transitions = [np.array(about[name]) for name in steps]
    for name, values in zip(steps, transitions, strict=True):
        assert np.array_equal(np.array(about["legal"][name]), values > -5000)
    lines = [sentence.words for sentence in read_labelled([sample])]
    lines += [("Quezal", "in", "1814", "or", "1,815", "."), ("Bergenhus",)]
    for line in lines[-40:]:
        own = read_store(
            tagger.model, TagStore.of([line], tagger.lexicon), tagger.tag_set, marginals=True
        )
        features = lexicon.rows(line)[None, MARKERS:].astype(np.int64)
        letters = lexicon.spellings(line)[None, MARKERS:].astype(np.int64)
        (scores,) = session.run(None, {"features": features, "letters": letters})
        arrays = (scores[0].astype(np.float64), *transitions)
        path = best_paths(*arrays, [1] * len(line))
        assert path.tolist() == own.tags.tolist()
        chains = Chains.of(*(array / about["temperature"] for array in arrays), [1] * len(line))
        assert chains.marginals() == pytest.approx(own.marginals, abs=1e-5)
    assert about["tags"] == list(tagger.tag_set.tags)


def test_onnx_files_that_cannot_be(
    tagger: TaggerRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WordlabError, match=r"net\.onnx: File exists"):
        export_onnx(tagger, tmp_path / "file" / "net.onnx")
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 1000)
    with pytest.raises(WordlabError, match="GiB, and a file of ONNX holds 2; train with"):
        export_onnx(tagger, tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WordlabError, match=r"the package onnx; pip install 'wordlab\[onnx\]'"):
        export_onnx(tagger, tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
