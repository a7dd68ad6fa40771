"""The table and pictures of a sweep, by hand."""

import math
from typing import Any

import pytest

from wordlab.inspection.sweep import MODELLING, standard_of, sweep_charts, sweep_table
from wordlab.rendering.charts import CHART_RENDERERS, specification
from wordlab.rendering.tables import as_text
from wordlab.runs.settings import RunSettings
from wordlab.runs.sweep import Cell, Outcome
from wordlab.runs.tagger_settings import TaggerRunSettings

SETTINGS = RunSettings.model_validate({"data": {"train": ["t"], "validation": ["v"]}})
HELD_OUT = RunSettings.model_validate({"data": {"train": ["t"]}})


def outcome(
    values: dict[str, str],
    seed: int,
    perplexity: float | None,
    *,
    error: str = "",
    text: str = "x",
    settings: RunSettings = SETTINGS,
) -> Outcome:
    pairs = tuple(values.items())
    cell = Cell(pairs, tuple(f"{k}={v}" for k, v in pairs), seed, settings)
    figures: dict[str, Any] | None = None
    if perplexity is not None:
        figures = {
            "perplexity": perplexity,
            "accuracy": 0.2,
            "seconds": 10.0 * seed,
            "parameters": 1000,
            "validation_targets": 7,
            "validation_text": {"vocabulary": "v", "sha256": text},
        }
    return Outcome(cell, figures, error)


RATE, HIDDEN = "training.optimizer.rate", "model.hidden"
OUTCOMES = [
    outcome({HIDDEN: "[8]", RATE: "0.001"}, 1, 100.0),
    outcome({HIDDEN: "[8]", RATE: "0.001"}, 2, 104.0),
    outcome({HIDDEN: "[8]", RATE: "2e-2"}, 1, 90.0),
    outcome({HIDDEN: "[8]", RATE: "2e-2"}, 2, None, error="the disk is full"),
]


def test_each_row_is_mean_and_deviation_over_its_seeds() -> None:
    table = sweep_table(OUTCOMES, MODELLING)
    first, second = table.records()
    assert (first[HIDDEN], first[RATE], second[RATE]) == ("[8]", 0.001, 0.02)
    assert (first["seeds"], first["perplexity"]) == (2, 102.0)
    assert first["perplexity ±"] == pytest.approx(math.sqrt(8))
    assert (first["seconds"], first["top-1"], first["parameters"]) == (15.0, 0.2, 1000)
    assert (second["seeds"], second["perplexity"], second["perplexity ±"]) == (1, 90.0, None)
    assert (first["error"], second["error"]) == ("", "seed 2: the disk is full")
    assert "Lowest mean: hidden=[8] rate=2e-2." in table.note
    assert "not comparable" not in table.note
    assert "0.001" in as_text(table), "no decimal of a setting is lost"


def test_a_setting_of_which_nothing_came_is_a_row_too() -> None:
    failed = [outcome({HIDDEN: "8"}, seed, None, error="no") for seed in (1, 2)]
    row = sweep_table(failed, MODELLING).records()[0]
    assert (row["seeds"], row["perplexity"], row["error"]) == (0, None, "seed 1, 2: no")
    assert sweep_charts(failed, MODELLING) == {}
    assert "error" not in sweep_table(OUTCOMES[:2], MODELLING).names


def test_rows_of_different_tasks_are_told() -> None:
    other = outcome({HIDDEN: "[8]", RATE: "2e-2"}, 1, 90.0, text="y")
    assert (
        "The rows are not comparable as they stand"
        in sweep_table([OUTCOMES[0], other], MODELLING).note
    )


def test_other_held_out_sentences_for_each_seed_are_told() -> None:
    found = [
        outcome({HIDDEN: hidden}, seed, 9.0, text=str(seed), settings=HELD_OUT)
        for hidden in ("8", "9")
        for seed in (1, 2)
    ]
    note = sweep_table(found, MODELLING).note
    assert "Each seed held out other sentences" in note
    assert "not comparable" not in note


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["1e-3", "0.5"], ["0.001", "0.500"]),
        (["0.01", "1e30"], ["0.01", "1e30"]),
        (["1e-12", "0.5"], ["1e-12", "0.5"]),
        (["1000", "2_000"], ["1,000", "2,000"]),
        (["tanh", "relu"], ["tanh", "relu"]),
        (["true", "false"], ["true", "false"]),
    ],
)
def test_values_are_shown_without_loss(texts: list[str], shown: list[str]) -> None:
    table = sweep_table([outcome({"a.b": text}, 1, 9.0) for text in texts], MODELLING)
    assert [row[0] for row in table.shown()] == shown


def test_the_pictures_have_a_bar_of_one_deviation_through_each_mean() -> None:
    charts = sweep_charts(OUTCOMES, MODELLING)
    assert set(charts) == {"perplexity-seconds", "perplexity-parameters"}
    rows = charts["perplexity-seconds"].data.records()
    assert [(row["seconds"], row["perplexity"]) for row in rows] == [(15.0, 102.0), (10.0, 90.0)]
    assert rows[0]["high"] - rows[0]["low"] == pytest.approx(2 * math.sqrt(8))
    assert rows[1]["high"] == rows[1]["low"] == 90.0
    for chart in charts.values():
        spec = specification(chart)
        points, bars = spec["layer"]
        assert points["mark"]["type"] == "point"
        assert bars["encoding"]["y"]["field"] == "low"
        assert bars["encoding"]["y2"]["field"] == "high"
        for render in CHART_RENDERERS:
            assert len(CHART_RENDERERS[render](chart)) > 1000


def test_many_settings_are_coloured_by_the_first() -> None:
    many = [
        outcome({HIDDEN: str(hidden), RATE: f"0.0{rate}"}, 1, 9.0 + rate)
        for hidden in (8, 9)
        for rate in range(1, 10)
    ]
    rows = sweep_charts(many, MODELLING)["perplexity-seconds"].data.records()
    assert {row["series"] for row in rows} == {"model.hidden=8", "model.hidden=9"}


TAGGER = TaggerRunSettings.model_validate({"data": {"train": ["t"], "validation": ["v"]}})


def tagger_outcome(hidden: str, seed: int, entity_f1: float, word_f1: float) -> Outcome:
    cell = Cell(((HIDDEN, hidden),), (f"{HIDDEN}={hidden}",), seed, TAGGER)
    figures = {
        "entity_f1": entity_f1,
        "token_f1_weighted": word_f1,
        "seconds": 10.0 * seed,
        "parameters": 1000 * int(hidden),
        "validation_text": {"vocabulary": None, "sha256": "x"},
    }
    return Outcome(cell, figures)


TAGGERS = [
    tagger_outcome("4", 1, 0.70, 0.90),
    tagger_outcome("4", 2, 0.74, 0.92),
    tagger_outcome("8", 1, 0.80, 0.60),
    tagger_outcome("8", 2, 0.80, 0.60),
]


def test_taggers_are_held_against_each_other_by_f1_the_higher_the_better() -> None:
    standard = standard_of([outcome.cell for outcome in TAGGERS])
    table = sweep_table(TAGGERS, standard)
    assert table.names[2:6] == ("entity F1", "entity F1 ±", "word F1", "word F1 ±")
    first, second = table.records()
    assert first["entity F1"] == pytest.approx(0.72)
    assert first["entity F1 ±"] == pytest.approx(math.sqrt(0.0008))
    assert (first["word F1"], second["word F1 ±"]) == (pytest.approx(0.91), 0.0)
    assert "72.00 %" in as_text(table)
    assert "best epoch by the F1 of entities" in table.note
    assert "Highest mean: hidden=8." in table.note
    assert "not comparable" not in table.note
    charts = sweep_charts(TAGGERS, standard)
    assert set(charts) == {"entity-f1-seconds", "entity-f1-parameters"}
    rows = charts["entity-f1-parameters"].data.records()
    assert [(row["parameters"], row["entity F1"]) for row in rows] == [
        (4000, pytest.approx(0.72)),
        (8000, 0.8),
    ]
    assert b"validation entity F1" in CHART_RENDERERS["svg"](charts["entity-f1-seconds"])


def test_a_recipe_says_which_figure_decides() -> None:
    cells = [outcome.cell for outcome in TAGGERS]
    standard = standard_of(cells, "word F1")
    assert [figure.name for figure in standard.figures] == ["word F1", "entity F1"]
    assert "Highest mean: hidden=4." in sweep_table(TAGGERS, standard).note
    assert set(sweep_charts(TAGGERS, standard)) == {"word-f1-seconds", "word-f1-parameters"}
    assert standard_of([OUTCOMES[0].cell], "perplexity") == MODELLING
