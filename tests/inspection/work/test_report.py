"""What the report of a cost says, with the clock in it."""

import numpy as np
import pytest
import torch

from wordlab.batching.windows import Windows
from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.cost import cost_of
from wordlab.inspection.work.counting import Work, count
from wordlab.inspection.work.parts import language_workload, tagger_workload
from wordlab.inspection.work.predictors import predictor_cost
from wordlab.inspection.work.report import CostReport, meaning, measure
from wordlab.inspection.work.timing import Seconds
from wordlab.models.counts.yardsticks import Unigram
from wordlab.models.language_model import build_model
from wordlab.models.mixture import Buckets, Mixture
from wordlab.models.recurrent.elman import ElmanSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.outputs import CrfSettings
from wordlab.models.taggers.recurrent import BilstmSettings
from wordlab.models.taggers.tagger import build_tagger
from wordlab.runs.preflight import needed_bytes
from wordlab.runs.settings import RunSettings
from wordlab.training.settings import TrainingSettings

TYPES, UNITS = 30, 10
WORDS = ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(TYPES - 3)))
VOCABULARY = Vocabulary(WORDS, np.arange(TYPES, 0, -1), 0, 1, 2)


@pytest.fixture(scope="module")
def report() -> CostReport:
    """Of CS224d's network, two rounds."""
    settings = ElmanSettings(embedding=UNITS, hidden=(UNITS,), direct=True, biases=0)
    model = build_model(settings, SoftmaxSettings(bias="none"), TYPES, seed=1)
    return measure(language_workload(model, VOCABULARY, 50), TrainingSettings(), rounds=2)


def test_going_back_costs_what_the_assignment_says(report: CostReport) -> None:
    back = report.back
    assert back is not None
    assert [row.steps for row in back.rows] == [0, 1, 3, 10, 35]
    for row in back.rows:
        assert row.claim == UNITS * TYPES + row.steps * UNITS**2
        assert row.counted == row.formula == 4 * UNITS * TYPES + (row.steps + 1) * 4 * UNITS**2
        assert row.of_steps == pytest.approx((row.steps + 1) / (row.steps + 1 + TYPES / UNITS))
    # Without an input matrix a step is one product, forward and in each gradient.
    assert back.even_by_claim == back.even_by_operations == TYPES / UNITS


def test_the_shares_are_of_one_step(report: CostReport) -> None:
    assert len(report.step.rounds) == 2
    total = sum(np.array(x.seconds.rounds) for x in report.directions)
    assert report.step.rounds == pytest.approx(total + np.array(report.update.rounds))
    assert all(seconds > 0 for seconds in report.step.rounds)
    for direction in report.directions:
        assert direction.flops == direction.work.flops
        assert direction.bytes == direction.work.bytes


def test_the_limit_is_of_the_products_that_were_counted(report: CostReport) -> None:
    limits = report.limits
    works = [x.work for x in report.directions]
    assert set(limits.products) == {p for work in works for p in work.products}
    assert limits.seconds(Work()) == 0
    work = count(lambda: torch.zeros(50, UNITS))
    work.looked_up = 1000
    assert limits.seconds(work) == pytest.approx(1000 / limits.copied)


def test_a_tagger_has_no_way_back_in_time() -> None:
    features = FeatureSettings(words=5)
    lexicon = Lexicon.of_words(
        ["Mara", "left"], form="lower", features=list(features.names), min_feature_count=1
    )
    model = build_tagger(
        features,
        BilstmSettings(hidden=(4,)),
        CrfSettings(),
        lexicon,
        TagSet("BIOES", ("A",)),
        seed=1,
    )
    found = measure(tagger_workload(model, lexicon, 30), TrainingSettings(), rounds=1)
    assert found.back is None
    assert all(part.agrees for part in found.counted)
    titles = [table.title for table in found.tables()]
    assert titles[0] == "Sizes"
    assert not any("back in time" in title for title in titles)
    layers = {row["layer"]: row["forward"] for row in found.as_json()["tables"][titles[1]]}
    assert layers["forwards"] == "8 I D + 8 D D"
    assert layers["chain"] == "6 L L - 6 L L S / N + 2 L S / N"


def test_predictions_of_a_mixture_and_its_members() -> None:
    counts = torch.arange(1, TYPES + 1).numpy()
    members = {"one": Unigram(Windows(2), counts), "two": Unigram(Windows(2), counts)}
    mixture = Mixture(
        members,
        torch.full((1, 2), 0.5),
        Buckets(np.zeros(TYPES, dtype=np.int64), ("all",)),
        start=1,
        end=2,
    )
    rounds = []
    table = predictor_cost(mixture, VOCABULARY, 2, on_round=lambda: rounds.append(1))
    assert [row["model"] for row in table.records()] == ["whole", "one", "two"]
    assert len(rounds) == 3  # one more to warm up
    assert "neither formulas of products nor a way back apply" in table.note


def test_letters_with_numbers() -> None:
    assert meaning("D2") == meaning("D")
    assert meaning("(2D1)") == meaning("(2D)") != meaning("D")
    assert meaning("(n-1)") == "words of the context"


def test_rounds_are_taken_one_by_one() -> None:
    slow, quick = Seconds((3.0, 1.0, 2.0)), Seconds((1.0, 2.0, 1.0))
    assert (slow.median, slow.least, slow.most) == (2.0, 1.0, 3.0)
    assert slow.less(quick).rounds == (2.0, 0.0, 1.0)
    assert slow.plus(quick).rounds == (4.0, 3.0, 3.0)


def test_memory_has_one_formula() -> None:
    settings = RunSettings()
    model = build_model(settings.model, settings.output, 50, seed=1)  # type: ignore[arg-type]
    needed = needed_bytes(settings, 50)
    assert cost_of(model, settings.training).training_bytes == needed
    parameters = sum(p.numel() for p in model.parameters())
    # Of each: weight, best so far, average, gradient, two moments of Adam; and thrice what resuming
    # needs. Of a batch: logits and probabilities, 3 vectors of 64 with their masks, 128 units.
    kept = 2 * 3 * 64 + 2 * 128
    largest = 3 * 128 * 3 * 64
    assert needed == 4 * ((6 + 3 * 4) * parameters + 2 * 256 * (50 + kept) + largest)
