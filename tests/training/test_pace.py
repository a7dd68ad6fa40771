"""What is measured before training: it leaves no trace, and knows stalled threads."""

from pathlib import Path

import pytest
import torch

from wordlab.corpus.preparation import prepare
from wordlab.corpus.text import text_of
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.models.language_model import MODELS, OUTPUT_LAYERS, NetworkSettings, build_model
from wordlab.training import pace
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.pace import measured_pace
from wordlab.training.settings import TrainingSettings
from wordlab.training.trainer import Trainer

LINES = ["the cat sat on the mat", "a dog saw the cat", "the dog sat"] * 20
SETTINGS = TrainingSettings(batch=16, epochs=2)
NETWORKS = sorted(name for name in MODELS if issubclass(MODELS[name], NetworkSettings))


def task(folder: Path, kind: str, output: dict[str, object]) -> LanguageModelling:
    corpus = prepare(text_of(LINES), {}, VocabularySettings(), folder)
    types, store = len(corpus.vocabulary), corpus.stores["train"]
    made = build_model(
        MODELS[kind].model_validate({"embedding": 8, "hidden": [8]}),
        OUTPUT_LAYERS[str(output["type"])].model_validate(output),
        types,
        seed=1,
    )
    return LanguageModelling(made, store, store, SETTINGS, types)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("output", list(OUTPUT_LAYERS))
def test_measuring_leaves_no_trace(tmp_path: Path, kind: str, output: str) -> None:
    def trained(folder: str, *, measure: bool) -> dict[str, torch.Tensor]:
        made = task(tmp_path / folder, kind, {"type": output})
        trainer = Trainer(made, SETTINGS)
        state = torch.get_rng_state()
        if measure:
            found = measured_pace(made, SETTINGS, [1])
            assert min(found.targets_per_second, found.scored_per_second) > 0
            assert torch.equal(state, torch.get_rng_state())
        list(trainer.epochs())
        return trainer.best_weights()

    plain, measured = trained("a", measure=False), trained("b", measure=True)
    assert all(torch.equal(plain[name], measured[name]) for name in plain)


def test_threads_that_wait_for_one_another_are_not_tried_on_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = task(tmp_path, "feedforward", {"type": "softmax"})
    monkeypatch.setattr(pace, "_products", lambda model, threads: {1: 1.0, 2: 9.0})
    found = measured_pace(made, SETTINGS, [1, 2])
    assert found.threads == torch.get_num_threads() == 1
    assert set(found.step_seconds) == {1}
    assert found.product_seconds == {1: 1.0, 2: 9.0}
