"""Settings: every fault is named in full, with what is allowed."""

from pathlib import Path
from typing import Literal

import pytest

from wordlab.config import apply_overrides, read_json, read_toml, validate
from wordlab.errors import WordlabError
from wordlab.registry import Registry
from wordlab.runs.settings import RunSettings
from wordlab.training.schedules import SCHEDULES, ScheduleSettings


def fault(*overrides: str) -> str:
    with pytest.raises(WordlabError) as caught:
        validate(RunSettings, apply_overrides({}, overrides), source="--set")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("model.hiden=3", ["model.hiden: unknown setting", "did you mean 'hidden'", "activation"]),
        ("modle.n=3", ["modle: unknown setting", "did you mean 'model'", "vocabulary"]),
        ("model.n=1", ["model.n: input should be greater than or equal to 2", "not 1"]),
        ("model.n=four", ["model.n: input should be a valid integer", "not 'four'"]),
        ("model.activation=tahn", ["'tahn' is no activation", "did you mean 'tanh'", "relu"]),
        ("model.type=lstmm", ["model: 'lstmm' is no model", "feedforward"]),
        ("model.hidden=128,0", ["model.hidden.1: input should be greater"]),
        ("model.hidden=[]", ["model.hidden: needs at least one hidden layer"]),
        ("model.dropout=1.0", ["model.dropout: input should be less than 1"]),
        ("training.optimizer=adm", ["training.optimizer: 'adm' is no optimizer", "'adam'"]),
        ("training.optimizer.rat=1", ["training.optimizer.rat: unknown setting", "'rate'"]),
        ("training.optimizer=3", ["training.optimizer: needs a table, or a type by name"]),
        ("training.optimizer.rate=nan", ["training.optimizer.rate: input should be"]),
        ("training.curriculum=[{leave_out=1}]", ["training.curriculum.0.epochs: field required"]),
        ("training.minutes=0", ["training.minutes: input should be greater than 0"]),
        ("vocabulary.end=<s>", ["vocabulary: the markers unknown, start and end must differ"]),
        ("text.form=upper", ["text.form: 'upper' is no word form", "as-is, lower, cs224d"]),
        ("nothing", ["'nothing' is not of the form section.field=value"]),
        ("model.n.x=3", ["--set model.n.x"]),
    ],
)
def test_a_fault_is_named(override: str, parts: list[str]) -> None:
    message = fault("model.n=4", override) if override == "model.n.x=3" else fault(override)
    for part in parts:
        assert part in message, message


def test_several_faults_are_counted() -> None:
    message = fault("a=1", "b=1", "c=1", "d=1", "e=1")
    assert "(and 2 more)" in message


def test_settings_survive_json() -> None:
    data = apply_overrides(
        {},
        [
            "training.optimizer.type=sgd",
            "training.optimizer.momentum=0.9",
            "training.schedule=cosine",
            "model.hidden=12,7",
            "training.curriculum=[{leave_out=10, epochs=3}, {leave_out=2, epochs=1}]",
        ],
    )
    settings = validate(RunSettings, data, source="test")
    again = validate(RunSettings, settings.model_dump(mode="json"), source="test")
    assert again == settings
    assert again.model.hidden == (12, 7)  # type: ignore[attr-defined]
    assert again.training.optimizer.momentum == 0.9  # type: ignore[attr-defined]
    assert [again.training.left_out(e) for e in range(5)] == [10, 10, 10, 2, 0]


def test_one_hidden_layer_may_be_a_number() -> None:
    assert validate(RunSettings, {"model": {"hidden": 9}}, source="").model.hidden == (9,)  # type: ignore[attr-defined]


def test_another_part_replaces_the_settings_of_the_old_one() -> None:
    base = {"training": {"optimizer": {"type": "sgd", "momentum": 0.9}}}
    data = apply_overrides(base, ["training.optimizer=adam"])
    assert data["training"]["optimizer"] == {"type": "adam"}
    assert base["training"]["optimizer"]["type"] == "sgd"


def test_files_that_are_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[model]\nn = = 3\n")
    with pytest.raises(WordlabError, match=r"a\.toml: is not TOML: .*line 2, column 5"):
        read_toml(path)
    path.write_text('{"a": 1,}')
    with pytest.raises(WordlabError, match=r"a\.toml:1:9: is not JSON"):
        read_json(path)
    path.write_bytes(b"\xff")
    with pytest.raises(WordlabError, match="is not UTF-8"):
        read_toml(path)
    with pytest.raises(WordlabError, match="No such file"):
        read_json(tmp_path / "none")


def test_a_part_of_ones_own_is_accepted_by_name() -> None:
    @SCHEDULES.register("halved")
    class Halved(ScheduleSettings):
        type: Literal["halved"] = "halved"

        def after_warmup(self, progress: float, validation_nats: object) -> float:
            return 0.5

    try:
        settings = validate(RunSettings, {"training": {"schedule": "halved"}}, source="test")
        assert settings.training.schedule.factor(0.3, []) == 0.5
    finally:
        del SCHEDULES._parts["halved"]


def test_a_name_is_taken_once() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="registered already"):
        registry.register("one")(2)
    with pytest.raises(WordlabError, match="'on' is no number; did you mean 'one'"):
        _ = registry["on"]
