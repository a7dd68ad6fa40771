"""The number of threads: kept to where it is set or the run began with it, else measured."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

import wordlab
from wordlab.runs import threads as threads_of_runs
from wordlab.runs.environment import read_environment
from wordlab.runs.files import read_tensors
from wordlab.runs.model_files import MODEL
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_training import TaggerTraining
from wordlab.runs.training_run import TrainingRun
from wordlab.training.pace import Pace, _chosen, candidates

MEASURED: list[Sequence[int]] = []


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on an idle machine with two cores; what is measured is made up: one is quickest."""

    def measured(task: object, settings: object, tried: Sequence[int]) -> Pace:
        MEASURED.append(tuple(tried))
        torch.set_num_threads(1)
        return Pace(1, 100.0, 300.0, {1: 0.5, 2: 0.75}, {1: 0.1, 2: 0.1}, 5)

    monkeypatch.setattr(threads_of_runs, "measured_pace", measured)
    monkeypatch.setattr(threads_of_runs, "_reduced", None)
    MEASURED.clear()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def start(texts: Path, folder: Path, **training: object) -> TrainingRun:
    settings = {
        "model": {"n": 3, "embedding": 8, "hidden": [24]},
        "training": {"batch": 16, "epochs": 2, **training},
    }
    return TrainingRun.start(
        RunSettings.model_validate(settings),
        folder,
        train=wordlab.read_text(texts / "train.txt"),
        validation=wordlab.read_text(texts / "validation.txt"),
    )


def test_it_is_measured_at_the_start_and_written_down(texts: Path, tmp_path: Path) -> None:
    made = start(texts, tmp_path / "run")
    line = "threads: 1 of 2; a step took 500.0 ms with 1, 750.0 ms with 2 (medians of 5)"
    assert line in made.notes
    kept = read_environment(tmp_path / "run")
    assert (kept["threads"], torch.get_num_threads()) == (1, 1)
    assert kept["threads_chosen_by"] == line.split("; ")[1]
    assert MEASURED == [(1, 2)]
    start(texts, tmp_path / "next")  # in a process whose last run chose one
    assert MEASURED == [(1, 2)] * 2


def test_a_number_that_is_set_is_kept_to(texts: Path, tmp_path: Path) -> None:
    for number in (2, 1):
        folder = tmp_path / str(number)
        made = start(texts, folder, threads=number)
        assert torch.get_num_threads() == number
        assert read_environment(folder)["threads"] == number
        assert not made.notes
    assert not MEASURED


def test_a_run_that_goes_on_keeps_the_number_it_began_with(texts: Path, tmp_path: Path) -> None:
    start(texts, tmp_path / "run")
    for begun in (1, 2):
        path = tmp_path / "run" / "environment.json"
        path.write_text(json.dumps({**read_environment(path.parent), "threads": begun}))
        torch.set_num_threads(2)
        resumed = TrainingRun.resume(tmp_path / "run")
        assert torch.get_num_threads() == begun
        assert f"threads: {begun} of 2, as the run began" in resumed.notes
    assert len(MEASURED) == 1


def test_where_so_many_are_no_longer_offered_it_is_chosen_anew(texts: Path, tmp_path: Path) -> None:
    start(texts, tmp_path / "run")
    path = tmp_path / "run" / "environment.json"
    path.write_text(json.dumps({**read_environment(path.parent), "threads": 8}))
    torch.set_num_threads(2)
    TrainingRun.resume(tmp_path / "run")
    assert MEASURED == [(1, 2)] * 2
    assert read_environment(path.parent)["threads"] == 1


def test_with_one_thread_there_is_nothing_to_choose(texts: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    made = start(texts, tmp_path / "run")
    assert not made.notes
    assert not MEASURED
    assert read_environment(tmp_path / "run")["threads"] == 1


def test_taggers_choose_theirs_too(sample: Path, tmp_path: Path) -> None:
    from wordlab.runs.tagger_settings import TaggerRunSettings

    data = {"data": {"train": [str(sample)]}, "training": {"epochs": 1}}
    made = TaggerTraining.start(TaggerRunSettings.model_validate(data), tmp_path / "run")
    assert MEASURED == [(1, 2)]
    assert read_environment(made.path)["threads"] == 1


def test_the_result_depends_on_the_threads_by_rounding_alone(texts: Path, tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        list(start(texts, tmp_path / str(number), threads=number).epochs())
        found.append(read_tensors(tmp_path / str(number) / MODEL)[0])
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], rtol=1e-4, atol=1e-5), name


def test_more_threads_must_be_worth_it() -> None:
    assert candidates(1) == (1,)
    assert candidates(2) == (1, 2)
    assert candidates(16) == (1, 8, 16)
    assert _chosen({1: 1.0, 2: 0.6}) == 2
    assert _chosen({1: 1.0, 2: 0.97}) == 1
    assert _chosen({1: 1.0, 2: 9.0}) == 1
    assert _chosen({1: 1.0, 8: 0.2, 16: 0.19}) == 8
