"""Probabilities of entities: errors by hand, temperatures found again, thresholds."""

import numpy as np
import pytest
import torch

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.evaluation.tagging.calibration import Calibration, fit_temperature
from wordlab.evaluation.tagging.reading import read_store
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.outputs import CrfSettings, SoftmaxTagsSettings
from wordlab.models.taggers.tagger import Tagger, TagOutputSettings, build_tagger
from wordlab.models.taggers.window import WindowSettings

TAGS = TagSet("BIOES", ("A",))


def test_by_hand() -> None:
    a, b, c = Span(0, 1, "A"), Span(1, 2, "A"), Span(2, 3, "A")
    made = Calibration.of([[a, b], [c]], [[a], [b, c]], [[0.95], [0.45, 0.85]])
    assert made.right.tolist() == [True, False, True]
    assert made.expected_error == pytest.approx((0.05 + 0.45 + 0.15) / 3)
    assert [row[:2] for row in made.reliability_table().rows] == [
        ("0.4 to 0.5", 1),
        ("0.8 to 0.9", 1),
        ("0.9 to 1.0", 1),
    ]
    rows = {row[0]: row[1:] for row in made.threshold_table().rows}
    assert rows[0.0] == (1.0, 2 / 3, 2 / 3)
    assert rows[0.5] == (2 / 3, 1.0, 2 / 3)
    assert rows[0.9] == (1 / 3, 1.0, 1 / 3)
    assert rows[0.99] == (0.0, None, 0.0)
    assert len(made.reliability_chart().data.rows) == 3


def test_nothing_predicted() -> None:
    made = Calibration.of([[Span(0, 1, "A")]], [[]], [[]])
    assert made.expected_error == 0.0
    assert made.reliability_table().rows == ()
    assert made.threshold_table().rows[0] == (0.0, 0.0, None, 0.0)


def test_probabilities_that_are_true_have_a_small_error() -> None:
    draw = np.random.default_rng(1)
    p = draw.random(50_000)
    right = draw.random(50_000) < p
    assert Calibration(p, right, 1).expected_error < 0.01
    assert Calibration(p**0.3, right, 1).expected_error > 0.1


def tagger(output: TagOutputSettings) -> tuple[Tagger, Lexicon]:
    words = [f"w{number}" for number in range(60)]
    lexicon = Lexicon.of_words(words, form="as-is")
    features = FeatureSettings(
        words=8, capitals=0, shape=0, prefixes=(), suffixes=(), word_dropout=0, dropout=0
    )
    made = build_tagger(features, WindowSettings(hidden=(8,)), output, lexicon, TAGS, seed=1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made.eval(), lexicon


@pytest.mark.parametrize("output", [SoftmaxTagsSettings(legal=False), CrfSettings()])
@pytest.mark.parametrize("true", [0.5, 2.0])
def test_the_temperature_of_a_text_is_found_again(output: TagOutputSettings, true: float) -> None:
    """Tags drawn from the tagger at a temperature are most probable at that one."""
    made, lexicon = tagger(output)
    draw = np.random.default_rng(1)
    sentences = [[f"w{draw.integers(60)}"] for _ in range(6000)]  # one word: no chain to draw
    store = TagStore.of(sentences, lexicon)
    made.output.temperature = true
    marginals = read_store(made, store, TAGS, marginals=True).marginals
    made.output.temperature = 1.0
    drawn = [[int(draw.choice(5, p=row / row.sum()))] for row in marginals]
    labelled = TagStore.of(sentences, lexicon, drawn)
    assert fit_temperature(made, labelled) == pytest.approx(true, rel=0.1)
    assert made.output.temperature == 1.0


@pytest.mark.parametrize("output", [SoftmaxTagsSettings(), CrfSettings()])
def test_a_temperature_changes_probabilities_and_no_tag(output: TagOutputSettings) -> None:
    made, lexicon = tagger(output)
    store = TagStore.of([[f"w{n}" for n in range(30)]], lexicon)
    plain = read_store(made, store, TAGS, marginals=True)
    made.output.temperature = 3.0
    flat = read_store(made, store, TAGS, marginals=True)
    assert (flat.tags == plain.tags).all()
    assert flat.marginals.max(axis=1).mean() < plain.marginals.max(axis=1).mean()
    assert flat.marginals.sum(axis=1) == pytest.approx(1)
