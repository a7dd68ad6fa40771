"""Runs with every registered output layer: trained, resumed, opened, scored, shown."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

import wordlab
from wordlab.inspection.units.effects import model_effects
from wordlab.inspection.units.layers import count_of_units
from wordlab.inspection.units.texts import model_text
from wordlab.models.language_model import OUTPUT_LAYERS
from wordlab.reports.formats import REPORT_FORMATS
from wordlab.reports.gathering import report_of
from wordlab.runs.files import read_tensors
from wordlab.runs.model_files import MODEL
from wordlab.runs.run import Run
from wordlab.runs.settings import RunSettings
from wordlab.runs.training_run import TrainingRun
from wordlab.server.app import build_app
from wordlab.server.limits import Limits
from wordlab.server.served import Shelf

OPTIONS = {"adaptive": {"cuts": [4, 9]}, "nce": {"noise": 20}}


def start(texts: Path, folder: Path, output: dict[str, object]) -> TrainingRun:
    settings = {
        "model": {"type": "gru", "embedding": 6, "hidden": [7]},
        "output": output,
        "training": {"batch": 16, "epochs": 3, "optimizer": {"type": "adam", "rate": 0.02}},
    }
    return TrainingRun.start(
        RunSettings.model_validate(settings),
        folder,
        train=wordlab.read_text(texts / "train.txt"),
        validation=wordlab.read_text(texts / "validation.txt"),
    )


@pytest.fixture(scope="module", params=list(OUTPUT_LAYERS))
def trained(
    request: pytest.FixtureRequest, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    training = start(
        texts,
        tmp_path_factory.mktemp("run") / "run",
        {"type": request.param, **OPTIONS.get(request.param, {})},
    )
    list(training.epochs())
    return training.finish()


def test_training_beats_a_guess_and_resumes_to_the_bit(
    trained: Run, texts: Path, tmp_path: Path
) -> None:
    first, *_, last = trained.history
    assert last.train_nats < first.train_nats < np.log(len(trained.vocabulary))
    broken = start(texts, tmp_path / "broken", trained.settings.output.model_dump())

    def stop(step: object) -> None:
        if broken.trainer.progress.epoch == 1 and broken.trainer.progress.batch == 3:
            broken.trainer.stop()

    list(broken.epochs(stop))
    list(TrainingRun.resume(tmp_path / "broken").epochs())
    one, two = (read_tensors(path / MODEL)[0] for path in (trained.path, tmp_path / "broken"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_training_scored_is_what_the_opened_run_scores(trained: Run, texts: Path) -> None:
    best = min(trained.history, key=lambda epoch: epoch.validation_nats)
    score = trained.evaluate(texts / "validation.txt").overall
    assert score.nats_per_token == pytest.approx(best.validation_nats, rel=1e-6)


def test_it_is_reported_served_and_looked_into(trained: Run) -> None:
    report = report_of(trained)
    for name, written in REPORT_FORMATS.items():
        assert written(report), name
    assert len(trained.generate("the", words=4, count=2, seed=1)) == 2
    app = build_app(Shelf([trained.path]), Limits())
    with TestClient(app) as client:
        for view, question in (("score", {"text": "the cat sat ."}), ("neurons", {"units": [1]})):
            assert client.post(f"/v1/{view}", json=question).status_code == 200, view
    text = model_text(trained)
    effects = model_effects(trained, text)
    assert effects.changes.shape == (count_of_units(trained.network), len(effects.classes))


def test_effects_of_units_are_those_of_features_that_are_held(trained: Run) -> None:
    text = model_text(trained)
    effects = model_effects(trained, text, units=[2], at="zero")
    total = count = 0.0
    for _, part in text.store.parts():
        for batch in trained.network.reading.batches(part, 100):
            with torch.no_grad():
                features = trained.network.encoder(batch).features
                features[:, 2] = 0
                log_probs = trained.network.output.log_probs(features)
            total -= float(log_probs.gather(1, batch.targets[:, None]).sum())
            count += len(batch.targets)
    assert effects.whole[-1] + effects.changes[0, -1] == pytest.approx(total / count, abs=1e-5)


def test_cuts_that_are_chosen_stand_in_the_run(texts: Path, tmp_path: Path) -> None:
    run = start(texts, tmp_path / "run", {"type": "adaptive"}).run
    kept = json.loads((tmp_path / "run" / "settings.json").read_text())["output"]
    assert kept["cuts"] == []  # so few words need no clusters
    assert run.settings.output.model_dump(mode="json") == kept
