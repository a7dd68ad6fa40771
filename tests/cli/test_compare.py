"""`wordlab compare` through a real process."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from commands import refusal, wordlab
from wordlab.runs.comparison import compare_runs
from wordlab.runs.run import Run
from wordlab.runs.training_run import train

TEXT = "the cat sat on the rug .\na bird saw the mouse .\nthe dog is on the mat .\n" * 8
SENTENCES = 24


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compared") / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def others(
    tmp_path_factory: pytest.TempPathFactory, texts: Path, tiny_settings: dict[str, Any]
) -> dict[str, Run]:
    """Runs that differ from `run` in one thing each."""
    changes: dict[str, dict[str, Any]] = {
        "untrained": {"training": {"epochs": 1, "optimizer": {"type": "sgd", "rate": 1e-9}}},
        "single": {"model": {**tiny_settings["model"], "n": 4, "padding": "single"}},
        "fewer words": {"vocabulary": {"min_count": 5}},
        "lower": {"text": {"form": "lower"}},
        "running": {"text": {"layout": "running"}},
    }
    folder = tmp_path_factory.mktemp("others")
    return {
        name: train(
            texts / "train.txt",
            texts / "validation.txt",
            run=folder / name,
            settings={**tiny_settings, **change},
        )
        for name, change in changes.items()
    }


def output(*arguments: str | Path, **options: Any) -> str:
    done = wordlab("compare", *arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(*arguments: str | Path, **options: Any) -> Any:
    return json.loads(output(*arguments, "--json", **options))


def test_a_trained_run_beats_an_untrained_one(run: Run, others: dict[str, Run], text: Path) -> None:
    found = figures(run.path, others["untrained"].path, text, "--sentences", "2")
    assert found["difference"] < 0
    assert found["interval_95"][0] <= found["difference"] <= found["interval_95"][1] < 0
    assert found["p_value"] == 1 / 10_000
    assert found["difference"] == pytest.approx(
        found["a"]["nats_per_token"] - found["b"]["nats_per_token"]
    )
    assert found["perplexity_ratio"] == pytest.approx(
        found["a"]["perplexity"] / found["b"]["perplexity"]
    )
    assert found["a"]["perplexity"] == pytest.approx(
        run.evaluate(text, yardsticks=False).overall.perplexity
    )
    parts = [band["difference"] * band["targets"] for band in found["bands"].values()]
    assert sum(parts) / found["targets"] == pytest.approx(found["difference"])
    first, second = found["most_different"]
    assert abs(first["difference"]) >= abs(second["difference"])
    assert TEXT.splitlines()[first["line"] - 1] == first["sentence"]
    shown = output(run.path, others["untrained"].path, text)
    for part in ("Comparison", "95 % interval", "p, two-sided", "unknown word", "the dog is on"):
        assert part in shown
    assert "Left out: no target." in shown


def test_a_run_beside_itself(run: Run, text: Path) -> None:
    found = figures(run.path, run.path, text)
    assert found["difference"] == 0
    assert found["interval_95"] == [0, 0]
    assert found["p_value"] == 1


def test_a_text_of_few_sentences_has_no_interval(run: Run, others: dict[str, Run]) -> None:
    other = others["untrained"].path
    found = figures(run.path, other, "-", stdin=b"the cat\nthe dog sat .\n")
    assert found["interval_95"] == [None, None]
    assert found["p_value"] is None
    shown = output(run.path, other, "-", stdin=b"the cat\n", cwd=None)
    assert "not given: fewer than 20 sentences" in shown


def test_readings_with_other_targets_share_the_common_ones(
    run: Run, others: dict[str, Run], text: Path
) -> None:
    found = figures(run.path, others["single"].path, text)
    assert found["a"]["left_out_not_predicted_by_the_other"] == 2 * SENTENCES
    assert found["b"]["left_out_not_predicted_by_the_other"] == 0
    assert found["targets"] == len(TEXT.split()) + SENTENCES - 2 * SENTENCES
    assert "Left out: 48 that only A predicts." in found["note"]


def test_no_common_target_is_a_fault(run: Run, others: dict[str, Run]) -> None:
    # One start marker and 4-grams: of a sentence of one word not even the end is predicted.
    line = refusal("compare", run.path, others["single"].path, "-", stdin=b"cat\ndog\n")
    assert "no target of the text is predicted by both runs" in line


def test_different_vocabularies_are_refused(run: Run, others: dict[str, Run], text: Path) -> None:
    fewer = others["fewer words"]
    line = refusal("compare", run.path, fewer.path, text)
    assert run.vocabulary.hash in line
    assert fewer.vocabulary.hash in line
    assert "--vocabulary shared" in line
    assert "--vocabulary union" in line


def test_over_the_words_that_both_know(run: Run, others: dict[str, Run], text: Path) -> None:
    fewer = others["fewer words"]
    found = figures(run.path, fewer.path, text, "--vocabulary", "shared")
    shared = [word for word in TEXT.split() if word in fewer.vocabulary.ids]
    assert found["targets"] == len(shared) + SENTENCES
    assert found["left_out_not_shared"] == len(TEXT.split()) - len(shared) > 0
    # With the same words on both sides nothing but the two markers' mass is taken away.
    same = compare_runs(run, run, text, rule="shared")
    assert same.figures.overall.nats_per_token == 0
    assert same.figures.not_kept == 8, "bird is unknown"


def test_with_the_unknown_words_charged(run: Run, others: dict[str, Run], text: Path) -> None:
    fewer = others["fewer words"]
    found = figures(run.path, fewer.path, text, "--vocabulary", "union")
    assert found["targets"] == len(TEXT.split()) + SENTENCES
    words = set(TEXT.split()) | set(run.vocabulary.ids) - {"<unk>"}
    assert f"a closed list of {len(words)} words" in found["note"]
    plain = compare_runs(fewer, fewer, text).figures.overall.a.nats
    unknown = sum(word not in fewer.vocabulary.ids for word in TEXT.split())
    outside = len(words - set(fewer.vocabulary.ids))
    charged = found["b"]["nats_per_token"] * found["targets"]
    assert charged == pytest.approx(plain + unknown * math.log(outside))


def test_word_forms_may_differ_where_the_text_does_not_show_it(
    run: Run, others: dict[str, Run], text: Path
) -> None:
    lower = others["lower"]
    assert figures(run.path, lower.path, text)["targets"] == len(TEXT.split()) + SENTENCES
    line = refusal("compare", run.path, lower.path, "-", stdin=b"a cat\nThe cat\n")
    assert "-:2: the word 'The' is 'The' to A and 'the' to B" in line


def test_a_text_must_be_read_in_one_way(run: Run, others: dict[str, Run], text: Path) -> None:
    running = others["running"].path
    line = refusal("compare", run.path, running, text)
    assert "--layout: A was trained with 'lines' and B with 'running'" in line
    assert figures(run.path, running, text, "--layout", "lines")["sentences"] == SENTENCES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "none", "TEXT"], "none: there is no such folder"),
        (["RUN", "RUN"], "Missing argument 'texts'"),
        (["RUN", "RUN", "none.txt"], "none.txt: there is no such file"),
        (["RUN", "RUN", "TEXT", "--vocabulary", "mine"], "--vocabulary: 'mine' is no rule"),
        (["RUN", "RUN", "TEXT", "--sentences", "-1"], "--sentences"),
        (["RUN", "RUN", "TEXT", "--layout", "odd"], "'odd' is no layout"),
    ],
)
def test_bad_options(run: Run, text: Path, arguments: list[str], message: str) -> None:
    places = {"RUN": str(run.path), "TEXT": str(text)}
    assert message in refusal("compare", *[places.get(a, a) for a in arguments])
