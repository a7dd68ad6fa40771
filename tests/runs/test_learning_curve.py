"""A learning curve: what is trained on what, kept, resumed, and held against the run itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.errors import WordlabError
from wordlab.rendering.charts import CHART_RENDERERS
from wordlab.runs.learning_curve import LearningCurve, learning_curve
from wordlab.runs.tagger_run import CALIBRATION, TaggerRun
from wordlab.runs.tagger_training import TaggerTraining, train_tagger
from wordlab.samples import entities


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledSentence]:
    path = tmp_path_factory.mktemp("sample") / "entities.iob2"
    path.write_text(entities())
    return read_labelled([path])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, text: list[LabelledSentence]) -> TaggerRun:
    settings: dict[str, Any] = {
        "features": {"words": 32},
        "model": {"hidden": [48]},
        "training": {"epochs": 8, "batch": 64, "seed": 3},
    }
    return train_tagger(
        text[:400], text[400:460], run=tmp_path_factory.mktemp("run") / "run", settings=settings
    )


@pytest.fixture(scope="module")
def curve(trained: TaggerRun, text: list[LabelledSentence]) -> LearningCurve:
    return learning_curve(trained, text[460:], "the rest")


@pytest.fixture
def run(trained: TaggerRun, curve: LearningCurve, tmp_path: Path) -> TaggerRun:
    """A copy of the run, its curve done."""
    shutil.copytree(trained.path, tmp_path / "run")
    return TaggerRun.load(tmp_path / "run")


def test_parts_of_the_text_are_trained_on_with_the_same_settings(
    trained: TaggerRun, curve: LearningCurve
) -> None:
    quarter, half = (TaggerRun.load(point.run) for point in curve.points[:2])
    texts = [{s.line for s in each.sentences("train")} for each in (quarter, half, trained)]
    assert texts[0] < texts[1] < texts[2]
    assert len(texts[0]) == pytest.approx(100, abs=10)
    assert len(texts[1]) == pytest.approx(200, abs=10)
    for part in (quarter, half):
        assert part.settings == trained.settings
        assert part.sentences("validation") == trained.sentences("validation")
        documents = {s.document for s in part.sentences("train")}
        whole = [s for s in trained.sentences("train") if s.document in documents]
        assert part.sentences("train") == whole
        own = {word for sentence in whole for word in sentence.words}
        assert set(part.lexicon.columns["word"]) <= {word.lower() for word in own} | own
    assert curve.drawn == "document"
    assert curve.seed == 3


def test_more_text_is_better_and_all_is_the_run_itself(
    trained: TaggerRun, curve: LearningCurve, text: list[LabelledSentence]
) -> None:
    scores = [point.evaluation.total.f1 for point in curve.points]
    assert scores[0] < scores[2]
    direct = trained.evaluate_sentences(text[460:], "the rest")
    assert scores[2] == direct.total.f1
    for row, point in zip(curve.table().records(), curve.points, strict=True):
        assert (row["training text"], row["sentences"]) == (point.part, point.sentences)
        assert (row["F1"], row["from"]) == (
            point.evaluation.total.f1,
            point.evaluation.interval[0],
        )
        assert row["seconds"] > 0
    last = curve.as_json()["curve"][-1]
    assert (last["part"], last["run"]) == ("all", str(trained.path))
    assert last["entity_f1_high"] == direct.interval[1]
    assert last["entities"] == sum(len(s.spans) for s in text[:400])
    assert b"F1 of entities" in CHART_RENDERERS["svg"](curve.chart())


def test_what_is_finished_is_not_trained_again(
    run: TaggerRun, curve: LearningCurve, text: list[LabelledSentence]
) -> None:
    def train(training: TaggerTraining) -> TaggerRun:
        raise AssertionError(training.path)

    again = learning_curve(run, text[460:], "the rest", train=train)
    assert [p.seconds for p in again.points] == [p.seconds for p in curve.points]
    assert _scores(again) == _scores(curve)


def test_what_was_cut_off_goes_on_and_what_was_half_laid_out_begins_anew(
    run: TaggerRun, curve: LearningCurve, text: list[LabelledSentence]
) -> None:
    quarter, half = (run.path / "curve" / part for part in ("quarter", "half"))
    (quarter / "settings.json").unlink()
    shutil.rmtree(half)

    def stop(training: TaggerTraining) -> TaggerRun:
        if training.path == half:
            for number, _ in enumerate(training.epochs()):
                if number == 2:
                    raise KeyboardInterrupt
        return _finished(training)

    with pytest.raises(KeyboardInterrupt):
        learning_curve(run, text[460:], "the rest", train=stop)
    seen: dict[str, int] = {}

    def count(training: TaggerTraining) -> TaggerRun:
        seen[training.path.name] = len(list(training.epochs()))
        return training.finish()

    again = learning_curve(run, text[460:], "the rest", train=count)
    assert seen == {"half": 5}
    assert _scores(again) == _scores(curve)


def _finished(training: TaggerTraining) -> TaggerRun:
    list(training.epochs())
    return training.finish()


def _scores(curve: LearningCurve) -> list[float]:
    return [point.evaluation.total.f1 for point in curve.points]


def test_what_does_not_belong_together_is_refused(
    run: TaggerRun, text: list[LabelledSentence]
) -> None:
    settings = run.path / "curve" / "half" / "settings.json"
    data = json.loads(settings.read_text())
    data["training"]["batch"] = 65
    settings.write_text(json.dumps(data))
    with pytest.raises(WordlabError, match="curve/half: was trained with other settings or texts"):
        learning_curve(run, text[460:], "the rest")
    (run.path / CALIBRATION).unlink()
    with pytest.raises(WordlabError, match=r"its training is not finished.*wordlab resume"):
        learning_curve(run, text[460:], "the rest")
