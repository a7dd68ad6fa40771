"""A tagger's run folder: trained, opened, resumed to the bit, used from Python."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.errors import WordlabError
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS
from wordlab.runs.model_files import MODEL
from wordlab.runs.opening import open_run, open_tagger
from wordlab.runs.run import CHECKPOINT, Run
from wordlab.runs.starting import resume_run
from wordlab.runs.tagger_run import VECTORS, TaggerRun
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import TaggerTraining, train_tagger
from wordlab.samples import entities

SMALL: dict[str, Any] = {
    "features": {"words": 16, "letters": 4, "filters": 6},
    "model": {"hidden": [24]},
    "training": {"epochs": 3, "batch": 128},
}


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> TaggerRun:
    settings = {**SMALL, "data": {"train": [str(sample)]}, "training": {"epochs": 12, "batch": 128}}
    return train_tagger(run=tmp_path_factory.mktemp("tagger") / "run", settings=settings)


def settings_of(sample: Path, **changes: Any) -> TaggerRunSettings:
    data = {**SMALL, "data": {"train": [str(sample)]}, **changes}
    return TaggerRunSettings.model_validate(data)


def test_it_learns(tagger: TaggerRun) -> None:
    history = tagger.history
    best = max(history, key=lambda epoch: epoch.validation_f1 or 0)
    assert best.validation_f1 is not None
    assert best.validation_f1 > 0.35
    evaluation = tagger.evaluate_sentences(tagger.sentences("validation"), "validation")
    assert evaluation.total.f1 == pytest.approx(best.validation_f1)
    assert evaluation.interval[0] < evaluation.total.f1 < evaluation.interval[1]
    train = tagger.evaluate_sentences(tagger.sentences("train"), "train")
    assert train.total.f1 > 0.8
    assert train.unleaked == 0.0  # every sentence of it is one of training


def test_documents_are_not_cut_in_two(tagger: TaggerRun) -> None:
    train, validation = (
        {s.document for s in tagger.sentences(name)} for name in ("train", "validation")
    )
    assert not train & validation
    assert len(train | validation) == 66


def test_tagging_keeps_the_text_and_its_offsets(tagger: TaggerRun) -> None:
    text = "Mara Ellingsen left  Turin,\n\nand nobody knows why."
    first, second = tagger.tag(text)
    assert first.words == ("Mara", "Ellingsen", "left", "Turin", ",")
    for entity in (*first.entities, *second.entities):
        assert first.text[entity.start : entity.end] == entity.text
        assert 0 < entity.probability <= 1
    assert {(e.text, e.type) for e in first.entities} >= {("Turin", "LOC")}
    assert len(list(tagger.tag_lines(text.splitlines()))) == 3
    again = tagger.tag([["Mara", "Ellingsen", "left", "Turin", ","]])
    assert [e.first_word for e in again[0].entities] == [e.first_word for e in first.entities]
    assert first.tags("BIOES")[3] == "S-LOC"


def test_a_damaged_history_is_told(tagger: TaggerRun, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(tagger.path, tmp_path / "copied"))
    (copied / "history.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(WordlabError, match="is no training history"):
        _ = TaggerRun.load(copied).history


def test_a_stream_is_tagged_as_it_comes(tagger: TaggerRun) -> None:
    asked = []

    def lines() -> Any:
        for number in range(10_000):
            asked.append(number)
            yield "Mara left Turin ."

    found = tagger.tag_lines(lines(), at_once=5 * len("Mara left Turin . "))
    for _ in range(5):
        next(found)
    assert len(asked) == 5


def test_doubtful_sentences_have_a_second_reading(tagger: TaggerRun) -> None:
    words = [sentence.words for sentence in tagger.sentences("validation")]
    found = list(tagger.readings(words))
    assert [each.best for each in found] == tagger.tag(words)
    for each in found:
        assert each.second is not None
        assert each.second.text == each.best.text
        spans = [
            {(e.first_word, e.last_word, e.type) for e in reading.entities}
            for reading in (each.best, each.second)
        ]
        assert spans[0] != spans[1]
        assert 0 <= each.second_probability <= each.probability
        assert each.probability + each.second_probability <= 1 + 1e-12
        # A whole reading is no surer than any entity of it.
        for entity in each.best.entities:
            assert each.probability <= entity.probability + 1e-12
        for entity in each.second.entities:
            assert each.second_probability <= entity.probability + 1e-12
            assert each.second.text[entity.start : entity.end] == entity.text


def test_only_doubtful_sentences_have_one(tagger: TaggerRun) -> None:
    text = "\n".join(" ".join(s.words) for s in tagger.sentences("validation")) + "\n\n"
    every = list(tagger.readings(text, tokens="spaces"))
    sure = sorted(each.probability for each in every[:-1])
    below = sure[len(sure) // 3]
    found = list(tagger.readings(text, tokens="spaces", below=below, at_once=50))
    assert (found[-1].best.words, found[-1].probability, found[-1].second) == ((), 1.0, None)
    for each, before in zip(found, every, strict=True):
        assert each.probability == pytest.approx(before.probability)
        assert (each.second is not None) == (each.probability < below)
        if each.second is None:
            assert each.second_probability == 0
        else:
            assert before.second is not None
            assert each.second.tags() == before.second.tags()


@pytest.mark.parametrize("model", list(TAGGERS))
@pytest.mark.parametrize("output", list(TAG_OUTPUTS))
def test_a_stopped_training_goes_on_to_the_bit(
    sample: Path, tmp_path: Path, model: str, output: str
) -> None:
    settings = settings_of(
        sample,
        model={"type": model, "hidden": [8]},
        output={"type": output},
        training={"epochs": 2, "batch": 512},
    )
    whole = TaggerTraining.start(settings, tmp_path / "whole")
    assert len(list(whole.epochs())) == 2
    broken = TaggerTraining.start(settings, tmp_path / "broken")
    steps = []

    def stop(step: object) -> None:
        steps.append(step)
        if len(steps) == 18:
            broken.trainer.stop()

    assert len(list(broken.epochs(stop))) == 1
    resumed = resume_run(tmp_path / "broken")
    assert len(list(resumed.epochs())) == 1
    for name, value in whole.finish().model.state_dict().items():
        assert torch.equal(value, TaggerRun.load(tmp_path / "broken").model.state_dict()[name])


def test_pretrained_vectors_are_kept_in_the_folder(sample: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    words = ["mara", "turin", "bergen", "the", "."]
    rows = (f"{word} {' '.join(f'{x:.3f}' for x in draw.normal(size=16))}\n" for word in words)
    (tmp_path / "vectors.txt").write_text("".join(rows))
    settings = settings_of(
        sample, features={"vectors": str(tmp_path / "vectors.txt"), "train_words": False}
    )
    training = TaggerTraining.start(settings, tmp_path / "run")
    assert any("has vectors for" in line for line in training.notes)
    list(training.epochs())
    (tmp_path / "vectors.txt").unlink()
    run = TaggerRun.load(tmp_path / "run")
    assert run.lexicon.further == ("bergen",)
    assert run.tag("Bergen .")[0].words == ("Bergen", ".")
    shutil.copytree(tmp_path / "run", tmp_path / "moved")
    (tmp_path / "moved" / VECTORS).unlink()
    with pytest.raises(WordlabError, match="there is no such file"):
        _ = TaggerRun.load(tmp_path / "moved").model


def test_vectors_of_a_language_model(run: Run, sample: Path, tmp_path: Path) -> None:
    settings = settings_of(sample, features={"vectors": str(run.path)})
    training = TaggerTraining.start(settings, tmp_path / "run")
    words = training.trainer.model.words
    own = training.run.lexicon.columns["word"].index("the") + 3
    expected = run.word_vectors()[run.vocabulary.ids["the"]]
    assert words.word.weight[own].detach().numpy() == pytest.approx(expected)


def test_a_type_never_seen_in_training(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.iob2").write_text("Bo\tB-PER\nate\tO\nnatto\tB-FOOD\n\n")
    settings = settings_of(
        sample, data={"train": [str(sample)], "validation": [str(tmp_path / "dev.iob2")]}
    )
    training = TaggerTraining.start(settings, tmp_path / "run")
    assert "types never seen in training cannot be found: FOOD" in training.notes[0]
    list(training.epochs())
    evaluation = training.finish().evaluate(tmp_path / "dev.iob2")
    assert evaluation.total.true == 2
    assert evaluation.types[-1] == "FOOD"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "".join(f"just O\nwords{n} O\n\n" for n in range(9)),
            "there is no entity in the training text",
        ),
        ("one B-PER\n\n", "cannot be dealt out"),
    ],
)
def test_texts_that_cannot_be_learned_from(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.iob2").write_text(text)
    with pytest.raises(WordlabError, match=message):
        TaggerTraining.start(settings_of(tmp_path / "t.iob2"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_class_only(tmp_path: Path) -> None:
    (tmp_path / "t.iob2").write_text("Bo B-PER\n\nLi B-PER\n\nAda B-PER\n\n" * 5)
    done = train_tagger(run=tmp_path / "run", settings=settings_of(tmp_path / "t.iob2"))
    assert done.history[-1].validation_f1 is not None


def test_runs_of_either_kind_are_told_apart(run: Run, tagger: TaggerRun, tmp_path: Path) -> None:
    assert isinstance(open_run(run.path), Run)
    assert isinstance(open_run(tagger.path), TaggerRun)
    with pytest.raises(WordlabError, match="is the run of a language model, not of a tagger"):
        open_tagger(run.path)
    with pytest.raises(WordlabError, match="is the run of a tagger, not of a language model"):
        Run.load(tagger.path)


def test_damaged_folders(tagger: TaggerRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tagger.path, folder)
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:-40])
    with pytest.raises(WordlabError, match="is cut short"):
        _ = TaggerRun.load(folder).model
    (folder / MODEL).unlink()
    with pytest.raises(WordlabError, match="has no finished epoch yet"):
        _ = TaggerRun.load(folder).model
    data = json.loads((folder / "lexicon.json").read_text())
    (folder / "lexicon.json").write_text(json.dumps({**data, "types": ["PER"]}))
    with pytest.raises(WordlabError, match="lacks types of the run's own text"):
        TaggerTraining.resume(folder)
    (folder / "lexicon.json").write_text(json.dumps({**data, "more": "of it"}))
    with pytest.raises(WordlabError, match=f"{CHECKPOINT}: belongs to another lexicon"):
        TaggerTraining.resume(folder)
    (folder / "lexicon.json").write_text("[]")
    with pytest.raises(WordlabError, match="names no types of entities"):
        TaggerRun.load(folder)


def test_files_with_faults_are_refused(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.iob2").write_text(entities().replace("Mara\tB-PER", "Mara\tB-PRE", 1))
    with pytest.raises(WordlabError, match=r"bad.iob2:8:6: .*wordlab check"):
        TaggerTraining.start(settings_of(tmp_path / "bad.iob2"), tmp_path / "run")
    assert read_labelled([sample])
