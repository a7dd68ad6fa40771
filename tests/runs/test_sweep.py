"""The grid of a sweep, and the folder that remembers what is done."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wordlab.config import apply_overrides, split_values
from wordlab.errors import WordlabError
from wordlab.runs import sweep
from wordlab.runs.sweep import Cell, SweepFolder, cells_of
from wordlab.runs.tagger_settings import TaggerRunSettings

BASE = {"data": {"train": ["t.txt"]}, "training": {"epochs": 2}}


def cells(*changes: str, seeds: int = 1, base: dict[str, Any] = BASE) -> list[Cell]:
    def settings_with(given: Sequence[str]) -> dict[str, Any]:
        return apply_overrides(base, given)

    return cells_of(settings_with, changes, seeds, source="test")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("128,256", ["128", "256"]),
        ("[128]", ["[128]"]),
        ("[128],[256, 64]", ["[128]", "[256, 64]"]),
        ("[[1,2],[3]],4", ["[[1,2],[3]]", "4"]),
        ("{type='sgd', rate=0.5},adam", ["{type='sgd', rate=0.5}", "adam"]),
        ("\"a,b\",'c,]'", ['"a,b"', "'c,]'"]),
        (" tanh , relu ", ["tanh", "relu"]),
    ],
)
def test_values_are_split_at_the_outer_commas(text: str, values: list[str]) -> None:
    assert split_values(text) == values


@pytest.mark.parametrize("text", ["", "1,,2", "1,", "[1,2", "1]", "'a,b"])
def test_values_that_cannot_be_split(text: str) -> None:
    with pytest.raises(WordlabError):
        split_values(text)


def test_the_grid_is_every_combination_with_every_seed() -> None:
    found = cells("model.hidden=[8],[16,8]", "model.n=3", "model.embedding=4,5", seeds=2)
    shapes = [
        (c.settings.model.hidden, c.settings.model.embedding, c.settings.training.seed)  # type: ignore[attr-defined]
        for c in found
    ]
    assert shapes == [
        (hidden, embedding, seed)
        for hidden in ((8,), (16, 8))
        for embedding in (4, 5)
        for seed in (1, 2)
    ]
    assert {c.settings.model.n for c in found} == {3}  # type: ignore[attr-defined]
    assert found[0].values == (("model.hidden", "[8]"), ("model.embedding", "4"))
    assert found[0].changes == ("model.hidden=[8]", "model.n=3", "model.embedding=4")
    assert found[0].label == "model.hidden=[8] model.embedding=4 seed 1"


def test_a_part_can_be_swept_with_its_settings() -> None:
    found = cells("training.optimizer=adam,{type='sgd', rate=0.5}")
    assert [c.settings.training.optimizer.type for c in found] == ["adam", "sgd"]


def test_the_cells_may_be_taggers() -> None:
    found = cells("model.radius=1,2", base={**BASE, "task": "tagger"})
    assert [type(c.settings) for c in found] == [TaggerRunSettings] * 2
    assert [c.settings.model.radius for c in found] == [1, 2]  # type: ignore[union-attr]
    assert len({c.name for c in found}) == 2


def test_the_same_settings_have_the_same_name_and_no_others() -> None:
    first, second = cells("model.hidden=8,9")
    assert first.name.startswith("hidden=8,seed=1-")
    assert first.name != second.name
    assert first.name.rsplit("-")[-1] == cells("model.hidden=[8]")[0].name.rsplit("-")[-1]
    changed = {**BASE, "training": {"epochs": 3}}
    assert cells("model.hidden=8,9", base=changed)[0].name != first.name
    odd = cells("vocabulary.unknown='a/b','../x'")
    assert all("/" not in cell.name and not cell.name.startswith(".") for cell in odd)


def test_without_a_value_to_vary_there_are_the_seeds() -> None:
    assert [c.label for c in cells(seeds=3)] == ["seed 1", "seed 2", "seed 3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.hidden"], "is not of the form section.field=value,value"),
        (["model.hidden=8,,9"], "--set model.hidden: a value of '8,,9' is empty"),
        (["model.hidden=[8,9"], "of '\\[8,9' has no partner; set lists in brackets"),
        (["model.hidden=8", "model.hidden=9"], "--set model.hidden: is given twice"),
        (["model.hidden=8,[8]"], "model.hidden=\\[8\\] seed 1 are the same training"),
        (["training.seed=1,2"], "the seeds run from 1 to --seeds"),
        (["task=tagger,language-model"], "--set task: no figure compares language models with"),
        (["task=tagger", "model.n=3,4"], "model.n: unknown setting; allowed: type, "),
        (["model.hiden=1,2"], "model.hiden: unknown setting; did you mean 'hidden'"),
        (["model.activation=tanh,tan"], "model.activation: 'tan' is no activation"),
        (
            ["training.optimizer.rate=0.1,0.2", "training.optimizer=sgd"],
            "the type of a part before the part's settings",
        ),
    ],
)
def test_grids_that_are_wrong_are_refused_before_anything_is_trained(
    changes: list[str], message: str
) -> None:
    with pytest.raises(WordlabError, match=message):
        cells(*changes)


def test_a_folder_is_held_by_one_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "LOCK_SECONDS", 0.0)
    place = SweepFolder(tmp_path / "sweep")
    with (
        place.held(),
        pytest.raises(WordlabError, match="another sweep is at work in it"),
        place.held(),
    ):
        pass
    with place.held():
        pass


def test_a_training_left_behind_holds_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LOCK_SECONDS", 0.0)
    place = SweepFolder(tmp_path / "sweep")
    with place.held() as lock:
        inherited = os.dup(lock)
    try:
        with pytest.raises(WordlabError, match="another sweep is at work in it"), place.held():
            pass
    finally:
        os.close(inherited)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WordlabError, match="is there already and is no sweep's folder"):
        SweepFolder(tmp_path).held().__enter__()
    with pytest.raises(WordlabError, match="is a file, not a folder"):
        SweepFolder(tmp_path / "mine.txt").held().__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
