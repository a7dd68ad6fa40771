"""Explanations of a tagger's labels: exact, whatever the tagger."""

import numpy as np
import pytest
import torch

from wordlab.batching.tagging import TagBatch, TagStore, WordTable
from wordlab.corpus.labelled.lexicon import END, MARKERS, START, UNKNOWN, Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.text import Sentence
from wordlab.evaluation.tagging.reading import read_store
from wordlab.inspection.attribution.label_tables import label_summary, label_tables, shown_radius
from wordlab.inspection.attribution.labels import By, LabelExplainer, mean_vector, parts_of
from wordlab.models.taggers import outputs, recurrent, window
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, Tagger, build_tagger

assert outputs
assert recurrent
assert window

TEXT = [
    ["Mara", "Ellingsen", "left", "Turin", "."],
    ["Acme", "Corp", "left", "Mara", "in", "Port", "Avery", "."],
]
TAGS = TagSet("BIOES", ("LOC", "PER"))
SENTENCE = Sentence(["Mara", "left", "McCoy", "in", "Turin", ",", "U.S.", "."], 7)


def lexicon(settings: FeatureSettings) -> Lexicon:
    return Lexicon.of_words(
        [word for row in TEXT for word in row],
        form=settings.form,
        features=list(settings.names),
        letters=bool(settings.letters),
        min_feature_count=1,
    )


def tagger(model: str, output: str, settings: FeatureSettings) -> Tagger:
    built = build_tagger(
        settings,
        TAGGERS[model].model_validate({"hidden": [7]}),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon(settings),
        TAGS,
        seed=1,
    )
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.4)
    built.output.temperature = 1.3
    return built.eval()


def vectors(built: Tagger, words: list[str], known: Lexicon) -> torch.Tensor:
    table = WordTable.of(words, known)
    with torch.no_grad():
        return built.words(table, torch.arange(MARKERS + len(words)))


def marginals(built: Tagger, x: torch.Tensor, edges: torch.Tensor) -> np.ndarray:
    """One sentence given as vectors, in a call of its own."""
    size = len(x)
    nothing = torch.zeros(size, dtype=torch.int64)
    batch = TagBatch(
        WordTable(torch.empty(0, 0)), nothing, nothing, (1,) * size, np.zeros(1, dtype=np.int64)
    )
    with torch.no_grad():
        features = built.encoder(torch.cat([x, edges]), batch)
        return built.output.read(features, batch).marginals()


@pytest.mark.parametrize(
    ("model", "output", "by"),
    [(m, o, "unknown") for m in TAGGERS for o in TAG_OUTPUTS] + [("window", "crf", "mean")],
)
def test_ablation_is_what_a_loop_over_edited_sentences_finds(
    model: str, output: str, by: By
) -> None:
    settings = FeatureSettings(words=5, letters=3, filters=4, affix=3)
    built, known = tagger(model, output, settings), lexicon(settings)
    explainer = LabelExplainer(built, known, TAGS, by=by, training=TEXT)
    found = explainer.explain(SENTENCE, every=True)
    assert (found.line, found.words) == (7, tuple(SENTENCE.words))
    assert len(found.labels) == len(SENTENCE.words)
    whole = vectors(built, SENTENCE.words, known)
    x, edges = whole[MARKERS:], whole[[START, END]]
    blank = mean_vector(built, known, TEXT) if by == "mean" else whole[UNKNOWN]
    as_it_is = marginals(built, x, edges)
    for at, label in enumerate(found.labels):
        of_label = [kind == ("" if label.label == "O" else label.label) for kind in TAGS.kinds]
        assert label.tag in {tag for tag, own in zip(TAGS.tags, of_label, strict=True) if own}

        def nats(edited: torch.Tensor, at: int = at, of_label: list[bool] = of_label) -> float:
            return float(np.log(marginals(built, edited, edges)[at][of_label].sum()))

        assert label.probability == pytest.approx(as_it_is[at][of_label].sum(), abs=1e-6)
        for other in range(len(x)):
            edited = x.clone()
            edited[other] = blank
            change = label.itself if other == at else label.at(other - at)
            assert change == pytest.approx(nats(x) - nats(edited), abs=1e-5), (at, other)
        assert list(label.features) == [*known.columns, "characters"]
        for name, part in parts_of(built.words, known).items():
            edited = x.clone()
            edited[at, part] = blank[part]
            assert label.features[name] == pytest.approx(nats(x) - nats(edited), abs=1e-5), name
            nothing, only = x.clone(), x.clone()
            nothing[at] = only[at] = blank
            only[at, part] = x[at, part]
            assert label.alone[name] == pytest.approx(nats(only) - nats(nothing), abs=1e-5), name


def test_taking_a_word_away_is_writing_an_unknown_one() -> None:
    settings = FeatureSettings(words=5, capitals=0, shape=0, prefixes=(), suffixes=())
    built, known = tagger("window", "crf", settings), lexicon(settings)
    found = LabelExplainer(built, known, TAGS).explain(SENTENCE, every=True)

    def read(words: list[str]) -> np.ndarray:
        return read_store(built, TagStore.of([words], known), TAGS, marginals=True).marginals

    edited = list(SENTENCE.words)
    edited[1] = "xyzzy"
    before, after = read(SENTENCE.words), read(edited)
    for at, label in enumerate(found.labels):
        own = [kind == ("" if label.label == "O" else label.label) for kind in TAGS.kinds]
        change = label.itself if at == 1 else label.at(1 - at)
        expected = np.log(before[at][own].sum()) - np.log(after[at][own].sum())
        assert change == pytest.approx(expected, abs=1e-5)
        for found_alike in (label.features, label.alone):
            assert found_alike == {"word": pytest.approx(label.itself)}


def test_without_a_chain_a_window_is_all_that_counts() -> None:
    settings = FeatureSettings(words=5)
    for output, reaches in (("softmax", False), ("crf", True)):
        built = tagger("window", output, settings)
        found = LabelExplainer(built, lexicon(settings), TAGS).explain(SENTENCE, every=True)
        beyond = [e.nats for label in found.labels for e in label.neighbours if abs(e.offset) > 2]
        assert any(abs(nats) > 1e-9 for nats in beyond) == reaches


def test_the_mean_weighs_each_word_as_often_as_it_occurs() -> None:
    settings = FeatureSettings(words=5, letters=3, filters=4)
    built, known = tagger("window", "crf", settings), lexicon(settings)
    words = [word for row in TEXT for word in row]
    expected = vectors(built, words, known)[MARKERS:].mean(dim=0)
    torch.testing.assert_close(mean_vector(built, known, TEXT), expected)


def test_only_words_with_a_label_unless_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = FeatureSettings(words=5)
    built, known = tagger("bilstm", "crf", settings), lexicon(settings)
    explainer = LabelExplainer(built, known, TAGS)
    every = explainer.explain(SENTENCE, every=True)
    monkeypatch.setattr("wordlab.inspection.attribution.labels.AT_ONCE", 1)
    labelled = explainer.explain(SENTENCE)
    assert 0 < len(labelled.labels) < len(every.labels)
    kept = [label for label in every.labels if label.label != "O"]
    for one, other in zip(labelled.labels, kept, strict=True):
        assert one.position == other.position
        assert one.itself == pytest.approx(other.itself, abs=1e-6)
        assert one.features == pytest.approx(other.features, abs=1e-6)
    radius = shown_radius(built)
    positions, features = label_tables(labelled, radius)
    assert len(positions.rows) == len(labelled.labels)
    assert len(features.rows) == 2 * len(labelled.labels)
    summary = {row[0]: row for row in label_summary([labelled, labelled], radius).rows}
    mean = np.mean([label.itself for label in labelled.labels])
    assert summary["the word itself"][1] == pytest.approx(mean)
    assert summary["the word itself"][3] == 2 * len(labelled.labels)
    assert "feature shape" in summary
