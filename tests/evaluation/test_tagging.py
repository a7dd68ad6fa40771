"""Scores of entities: by hand, against seqeval and scikit-learn, and their uncertainty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import precision_recall_fscore_support

from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.evaluation.tagging.errors import (
    FAMILIARITIES,
    confusion_table,
    entity_errors,
    familiarity,
    kinds_table,
    names_in,
)
from wordlab.evaluation.tagging.significance import bootstrap_f1, compare_f1
from wordlab.evaluation.tagging.tallies import (
    Tally,
    entity_counts,
    f1_of,
    label_counts,
    macro,
    micro,
    tally,
    weighted,
    word_labels,
)

TYPES = ("LOC", "ORG", "PER")
LABELS = ("O", *TYPES)


def spans_of(tags: str) -> list[Span]:
    return SCHEMES["IOB2"].spans(tags.split())


def test_tallies_by_hand() -> None:
    gold = [spans_of("B-PER I-PER O B-LOC"), spans_of("B-ORG O O O")]
    found = [spans_of("B-PER I-PER O B-ORG"), spans_of("B-ORG O B-LOC O")]
    counts = entity_counts(gold, found, TYPES).sum(axis=0)
    assert [tally(row) for row in counts] == [Tally(0, 1, 1), Tally(1, 2, 1), Tally(1, 1, 1)]
    total = micro(counts)
    assert (total.precision, total.recall, total.f1) == (2 / 4, 2 / 3, 4 / 7)
    assert macro(counts).f1 == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert weighted(counts).precision == pytest.approx((0 + 1 / 2 + 1) / 3)


def test_nothing_found_and_nothing_true() -> None:
    assert Tally(0, 0, 0).f1 == Tally(0, 0, 0).precision == Tally(0, 0, 0).recall == 0.0
    assert weighted(np.zeros((2, 3), dtype=np.int64)).f1 == 0.0


def test_a_span_that_ends_a_word_late_is_wrong() -> None:
    counts = entity_counts([[Span(0, 2, "PER")]], [[Span(0, 3, "PER")]], TYPES)
    assert tally(counts[0].sum(axis=0)) == Tally(0, 1, 1)


tags = st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BI" for kind in TYPES)])
pairs = st.lists(
    st.integers(1, 6).flatmap(lambda n: st.tuples(*[st.lists(tags, min_size=n, max_size=n)] * 2)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(pairs)
def test_entities_are_scored_as_seqeval_scores_them(sentences: list[tuple[list[str], ...]]) -> None:
    gold, found = [a for a, _ in sentences], [b for _, b in sentences]
    scheme = SCHEMES["IOB2"]
    counts = entity_counts(
        [scheme.spans(row) for row in gold], [scheme.spans(row) for row in found], TYPES
    ).sum(axis=0)
    if not counts.any():  # seqeval has no report for nothing
        return
    theirs = classification_report(
        gold, found, scheme=IOB2, mode="strict", output_dict=True, zero_division=0
    )
    ours = micro(counts)
    assert ours.f1 == pytest.approx(theirs["micro avg"]["f1-score"])
    assert ours.precision == pytest.approx(theirs["micro avg"]["precision"])
    assert ours.recall == pytest.approx(theirs["micro avg"]["recall"])
    for kind, row in zip(TYPES, counts, strict=True):
        if kind in theirs:
            assert tally(row).f1 == pytest.approx(theirs[kind]["f1-score"])
            assert tally(row).true == theirs[kind]["support"]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1))
def test_labels_are_scored_as_scikit_learn_scores_them(words: list[tuple[str, str]]) -> None:
    gold, found = [a for a, _ in words], [b for _, b in words]
    counts = label_counts(gold, found, TYPES if "O" not in gold + found else LABELS)
    labels = TYPES if len(counts) == 3 else LABELS
    for average, means in (("weighted", weighted), ("macro", macro), ("micro", micro)):
        p, r, f, _ = precision_recall_fscore_support(
            gold, found, labels=list(labels), average=average, zero_division=0
        )
        ours = means(counts)
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx((p, r, f))


def test_the_weighted_f1_is_not_that_of_the_weighted_means() -> None:
    """CS224d's P = 88.62, R = 70.59 and F1 = 78.30: 2PR / (P + R) would be 78.58."""
    counts = label_counts(["A"] * 3 + ["B"], ["A", "B", "B", "B"], ["A", "B"])
    means = weighted(counts)
    naive = 2 * means.precision * means.recall / (means.precision + means.recall)
    assert means.f1 == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    assert means.f1 != pytest.approx(naive)


def test_word_labels() -> None:
    assert word_labels([Span(1, 3, "PER")], 4) == ["O", "PER", "PER", "O"]


def random_counts(sentences: int, right: float, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    true = draw.integers(0, 4, size=sentences)
    return np.stack([draw.binomial(true, right), true, true], axis=1)


def test_the_interval_covers_the_f1_and_narrows_with_the_text() -> None:
    small, large = random_counts(50, 0.8, 1), random_counts(5000, 0.8, 1)
    widths = []
    for counts in (small, large):
        ((low, high),) = bootstrap_f1(counts[:, None, :])
        assert low <= f1_of(counts.sum(axis=0).astype(float)) <= high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 10, rel=0.35)
    assert bootstrap_f1(small[:, None, :]) == bootstrap_f1(small[:, None, :])


def test_the_interval_is_right_as_often_as_it_says() -> None:
    """Of 200 texts drawn with a known F1, about 95 % have it in their interval."""
    hits = 0
    for seed in range(200):
        ((low, high),) = bootstrap_f1(random_counts(300, 0.8, seed)[:, None, :], draws=300)
        hits += low <= 0.8 <= high
    assert 180 <= hits <= 199


def test_taggers_that_are_alike_and_taggers_that_differ() -> None:
    a, b = random_counts(400, 0.8, 1), random_counts(400, 0.8, 1)
    b[:, 0] = np.random.default_rng(7).binomial(b[:, 2], 0.8)
    same = compare_f1(a, a)
    assert (same.difference, same.p_value) == (0.0, 1.0)
    alike = compare_f1(a, b)
    assert alike.p_value > 0.05
    assert alike.interval[0] < 0 < alike.interval[1]
    worse = a.copy()
    worse[::3, 0] = 0
    differ = compare_f1(a, worse)
    assert differ.p_value < 0.001
    assert differ.interval[0] > 0
    assert compare_f1(worse, a).difference == -differ.difference


def test_p_values_of_alike_taggers_are_uniform() -> None:
    """With nothing but chance between two taggers, p is below 0.2 about as often as it says."""
    below = 0
    for seed in range(200):
        draw = np.random.default_rng(1000 + seed)
        a, b = random_counts(60, 0.7, seed), random_counts(60, 0.7, seed)
        b[:, 0] = draw.binomial(b[:, 2], 0.7)
        below += compare_f1(a, b, swaps=199, draws=2).p_value < 0.2
    assert 22 <= below <= 60


def test_errors_are_paired_with_what_they_overlap() -> None:
    gold = [spans_of("B-PER I-PER O B-LOC O B-ORG I-ORG O B-LOC"), [], spans_of("B-PER")]
    found = [spans_of("B-PER O O B-ORG O I-LOC B-LOC O O"), spans_of("O B-PER"), spans_of("B-PER")]
    errors = entity_errors(gold, found, [[0.9, 0.8, 0.7], [0.6], [0.5]])
    assert [(e.kind, e.sentence, e.probability) for e in errors] == [
        ("wrong type", 0, 0.8),
        ("wrong ends", 0, 0.9),
        ("wrong type and ends", 0, 0.7),
        ("missed", 0, None),
        ("spurious", 1, 0.6),
    ]
    rows = confusion_table(gold, errors, TYPES).rows
    assert rows == (
        ("LOC", 0, 1, 0, 1),
        ("ORG", 1, 0, 0, 0),
        ("PER", 0, 0, 2, 0),
        ("none", 0, 0, 1, 0),
    )
    assert [row[1] for row in kinds_table(errors, 5, 5).rows] == [1, 1, 1, 1, 1]


@given(
    st.lists(st.lists(tags, min_size=1, max_size=6), min_size=1, max_size=3),
    st.lists(st.lists(tags, min_size=1, max_size=6), min_size=1, max_size=3),
)
def test_every_wrong_entity_is_one_error(gold: list[list[str]], found: list[list[str]]) -> None:
    scheme = SCHEMES["IOB2"]
    size = min(len(gold), len(found))
    true = [scheme.spans(row) for row in gold[:size]]
    guessed = [scheme.spans(row) for row in found[:size]]
    errors = entity_errors(true, guessed)
    for at in range(size):
        own = [e for e in errors if e.sentence == at]
        assert sorted(e.gold for e in own if e.gold) == sorted(set(true[at]) - set(guessed[at]))
        assert sorted(e.predicted for e in own if e.predicted) == sorted(
            set(guessed[at]) - set(true[at])
        )


def test_names_seen_ambiguous_and_unseen() -> None:
    train = [
        LabelledSentence(("Bo", "in", "Oslo"), (Span(0, 1, "PER"), Span(2, 3, "LOC"))),
        LabelledSentence(("Oslo", "won"), (Span(0, 1, "ORG"),)),
    ]
    known = names_in(train)
    assert [
        familiarity(*name, known) for name in (("Bo", "PER"), ("Oslo", "LOC"), ("Li", "PER"))
    ] == [*FAMILIARITIES]
    assert familiarity("Bo", "LOC", known) == "ambiguous"
