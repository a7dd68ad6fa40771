"""The training loop: what it sees, what it reports, how it stops and recovers."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wordlab.corpus.preparation import prepare
from wordlab.corpus.text import text_of
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.feedforward import FeedforwardSettings
from wordlab.models.language_model import build_model
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.progress import Step
from wordlab.training.settings import TrainingSettings
from wordlab.training.trainer import Trainer

LINES = [f"the {a} saw the {b} ." for a in ("cat", "dog", "cow") for b in ("mouse", "bird")] * 5


def trainer(folder: Path, **settings: object) -> Trainer:
    corpus = prepare(
        text_of(LINES), {"validation": text_of(LINES[::4])}, VocabularySettings(), folder
    )
    types = len(corpus.vocabulary)
    model = build_model(
        FeedforwardSettings(n=3, embedding=5, hidden=(6,), dropout=0.2),
        SoftmaxSettings(),
        types,
        seed=1,
    )
    given = {"batch": 32, "epochs": 3, "optimizer": {"type": "adam", "rate": 0.02}}
    given |= {"patience": 0, "averaging": 0.0, **settings}
    checked = TrainingSettings.model_validate(given)
    texts = corpus.stores["train"], corpus.stores["validation"]
    return Trainer(LanguageModelling(model, *texts, checked, types), checked)


def test_it_learns_and_reports(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    steps: list[Step] = []
    epochs = list(made.epochs(steps.append))
    assert [e.epoch for e in epochs] == [1, 2, 3]
    assert epochs[-1].validation_nats < epochs[0].validation_nats < math.log(11)
    targets = made.task.train.header.tokens
    assert len(steps) == 3 * math.ceil(targets / 32)
    assert steps[-1].share == 1.0
    assert all(e.seconds > 0 and e.tokens_per_second > 0 for e in epochs)


def test_the_reported_nats_are_those_of_the_best_weights(tmp_path: Path) -> None:
    made = trainer(tmp_path, averaging=0.9)
    epochs = list(made.epochs())
    best = min(epochs, key=lambda e: e.validation_nats)
    made.model.load_state_dict(made.best_weights())
    made.model.eval()
    score = score_tokens(made.model, made.task.validation, vocabulary=made.task.vocabulary).score()
    assert score.nats_per_token == pytest.approx(best.validation_nats, rel=1e-9)
    everything = score_tokens(made.model, made.task.train, vocabulary=made.task.vocabulary).score()
    assert best.train_targets == everything.targets
    assert everything.nats_per_token == pytest.approx(best.train_nats, rel=1e-9)


def test_each_batch_trains_on_each_target_once(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=1, batch=7)
    seen = 0

    def count(step: Step) -> None:
        nonlocal seen
        seen = made.progress.seen_targets

    list(made.epochs(count))
    assert seen == made.task.train.header.tokens


def test_the_curriculum_leaves_out_the_commonest_targets(tmp_path: Path) -> None:
    stages = [{"leave_out": 2, "epochs": 1}, {"leave_out": 1, "epochs": 1}]
    made = trainer(tmp_path, curriculum=stages, epochs=3)
    seen: list[int] = []
    epochs = [
        (epoch.left_out, seen[-1], epoch.train_targets)
        for epoch in made.epochs(lambda step: seen.append(made.progress.seen_targets))
    ]
    whole = made.task.train.header.tokens
    counts = sorted(made.model.reading.target_counts(made.task.train, made.task.vocabulary))[::-1]
    wanted = [whole - counts[0] - counts[1], whole - counts[0], whole]
    # The scores are always of all targets.
    assert epochs == [(2, wanted[0], whole), (1, wanted[1], whole), (0, wanted[2], whole)]


def test_a_stage_without_targets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="without the 99 most frequent targets there is none"):
        trainer(tmp_path, curriculum=[{"leave_out": 99, "epochs": 1}])


def test_it_stops_when_validation_no_longer_improves(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=60, patience=2, optimizer={"type": "adam", "rate": 0.3})
    epochs = list(made.epochs())
    best = min(epochs, key=lambda e: e.validation_nats)
    assert len(epochs) == best.epoch + 2 < 60


def test_patience_does_not_count_the_epochs_of_the_curriculum(tmp_path: Path) -> None:
    stages = [{"leave_out": 6, "epochs": 5}]
    made = trainer(tmp_path, curriculum=stages, epochs=8, patience=1)
    assert len(list(made.epochs())) >= 6


def test_a_few_impossible_words_are_no_divergence(tmp_path: Path) -> None:
    lines = ["a b c d"] * 300 + ["a b d c"] * 3
    corpus = prepare(
        text_of(lines), {"validation": text_of(lines[:50])}, VocabularySettings(), tmp_path
    )
    model = build_model(
        FeedforwardSettings(n=3, embedding=4, hidden=(4,), dropout=0, embedding_dropout=0),
        SoftmaxSettings(),
        7,
        seed=1,
    )
    settings = TrainingSettings.model_validate(
        {"batch": 1, "epochs": 3, "averaging": 0, "optimizer": {"type": "adam", "rate": 0.01}}
    )
    texts = corpus.stores["train"], corpus.stores["validation"]
    made = Trainer(LanguageModelling(model, *texts, settings, 7), settings)
    assert all(not e.event for e in made.epochs())


def test_weights_that_score_no_number_are_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(tmp_path, epochs=2)
    judge = made.task.judge
    monkeypatch.setattr(
        made.task, "judge", lambda most: replace(judge(most), validation_nats=math.nan)
    )
    with pytest.raises(WordlabError, match="diverged"):
        list(made.epochs())
    assert not made.progress.history


def test_train_nats_are_of_the_whole_text(tmp_path: Path) -> None:
    easy, hard = (
        ["a b c d e f"] * 300,
        [f"w{i % 40} w{i * 7 % 40} w{i * 3 % 40}" for i in range(900)],
    )
    corpus = prepare(
        text_of(easy + hard), {"validation": text_of(hard[:50])}, VocabularySettings(), tmp_path
    )
    types = len(corpus.vocabulary)
    model = build_model(FeedforwardSettings(), SoftmaxSettings(), types, seed=1)
    settings = TrainingSettings(epochs=1, score_targets=1000, averaging=0)
    texts = corpus.stores["train"], corpus.stores["validation"]
    made = Trainer(LanguageModelling(model, *texts, settings, types), settings)
    (epoch,) = made.epochs()
    made.model.eval()
    whole = score_tokens(made.model, made.task.train, vocabulary=types).score()
    assert 800 <= epoch.train_targets <= 1300
    assert epoch.train_nats == pytest.approx(whole.nats_per_token, rel=0.1)


def test_it_stops_when_the_time_is_up(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=100_000, minutes=0.02)
    epochs = list(made.epochs())
    assert 1 <= len(epochs) < 100_000
    assert made.progress.seconds >= 1.2


def test_a_diverging_loss_rolls_back_and_lowers_the_rate(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=4, optimizer={"type": "sgd", "rate": 1500.0})
    epochs = list(made.epochs())
    assert len(epochs) == 4
    assert made.progress.rollbacks > 0
    events = [e.event for e in epochs if e.event]
    assert "the loss diverged" in events[0]
    assert events[0].endswith(f"rate x {0.5**made.progress.rollbacks:g}") or len(events) > 1
    assert all(math.isfinite(e.validation_nats) for e in epochs)
    assert all(torch.isfinite(v).all() for v in made.best_weights().values())


def test_a_rollback_forgets_what_led_astray(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=1, averaging=0.9)
    list(made.epochs())
    best = made.best_weights()
    assert made._optimizer.tensors()
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.fill_(math.nan)
    made._roll_back()
    assert made._optimizer.tensors() == {}
    assert all(torch.equal(v, best[k]) for k, v in made.model.state_dict().items())
    with made._average.applied():
        assert all(torch.equal(v, best[k]) for k, v in made.model.state_dict().items())


def test_a_loss_that_always_diverges_is_an_error(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    with torch.no_grad():
        made.model.output.bias[3] = math.nan  # type: ignore[index, operator, union-attr]
    made._best = {k: v.clone() for k, v in made.model.state_dict().items()}
    with pytest.raises(WordlabError, match="diverged 9 times"):
        list(made.epochs())


@pytest.mark.parametrize("clip", [None, 1e-6])
def test_clipping_bounds_the_step(tmp_path: Path, clip: float | None) -> None:
    made = trainer(tmp_path, epochs=1, clip=clip, optimizer={"type": "sgd", "rate": 1.0})
    before = {k: v.clone() for k, v in made.model.state_dict().items()}
    list(made.epochs())
    moved = max(float((v - before[k]).abs().max()) for k, v in made.model.state_dict().items())
    assert (moved < 1e-4) == (clip is not None)


def test_training_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=1)
    state = torch.get_rng_state()
    list(made.epochs())
    assert torch.equal(state, torch.get_rng_state())


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    def weights(folder: str, seed: int) -> dict[str, torch.Tensor]:
        made = trainer(tmp_path / folder, seed=seed)
        list(made.epochs())
        return made.best_weights()

    one, two, other = weights("a", 1), weights("b", 1), weights("c", 2)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_a_text_without_a_target_is_refused(tmp_path: Path) -> None:
    corpus = prepare(text_of(["a"]), {}, VocabularySettings(), tmp_path)
    model = build_model(
        FeedforwardSettings(padding="single"), SoftmaxSettings(), len(corpus.vocabulary), seed=1
    )
    with pytest.raises(WordlabError, match="no sentence is long enough"):
        LanguageModelling(
            model, corpus.stores["train"], corpus.stores["train"], TrainingSettings(), 4
        )


def averaged(tmp_path: Path, **settings: object) -> tuple[list[int], Trainer]:
    """How many updates the average has taken in after each epoch."""
    made = trainer(tmp_path, epochs=4, **settings)
    return [made._average.updates for _ in made.epochs()], made


def test_the_average_begins_when_it_should(tmp_path: Path) -> None:
    at_once, made = averaged(tmp_path / "a", averaging=0.9)
    steps = made.progress.epoch and at_once[0]
    assert at_once == [steps, 2 * steps, 3 * steps, 4 * steps]
    late, _ = averaged(tmp_path / "b", averaging=0.9, averaging_start=0.5)
    assert late == [0, 0, steps, 2 * steps]
    never, _ = averaged(tmp_path / "c", averaging=1.0, averaging_stall=3)
    assert never == [0, 0, 0, 0]


def test_averaging_begins_when_validation_stalls(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=6, averaging=1.0, averaging_stall=1)
    updates = []
    for epoch in made.epochs():
        updates.append(made._average.updates)
        if epoch.epoch == 2:  # as if the second epoch had been no better
            better = made.progress.history[0].validation_nats - 1
            made.progress.history[0] = replace(made.progress.history[0], validation_nats=better)
    assert updates[:2] == [0, 0]
    assert updates[2] > 0


def test_a_decay_of_1_is_the_plain_mean(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=1, averaging=1.0)
    seen: list[torch.Tensor] = []
    list(made.epochs(lambda step: seen.append(next(made.model.parameters()).detach().clone())))
    with made._average.applied():
        mean = next(made.model.parameters()).detach().clone()
    assert torch.allclose(mean, torch.stack(seen).mean(dim=0), atol=1e-6)
