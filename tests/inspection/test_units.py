"""Hidden units: every figure against a slow and plain way to find it."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.word_forms import cs224d
from wordlab.errors import WordlabError
from wordlab.evaluation.bands import score_bands
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.evaluation.tagging.tallies import tally
from wordlab.inspection.units.carriers import carriers, carriers_of, carriers_table
from wordlab.inspection.units.contexts import extreme_contexts, group_units, groups_table
from wordlab.inspection.units.effects import (
    ENTITIES,
    NATS,
    WORDS,
    Effects,
    model_effects,
    tagger_effects,
    tagger_log_odds,
)
from wordlab.inspection.units.layers import (
    count_of_units,
    first_layer,
    largest,
    outgoing_weights,
    over_windows,
)
from wordlab.inspection.units.log_odds import PRIOR, ClassCounts
from wordlab.inspection.units.prototypes import prototypes
from wordlab.inspection.units.switching import (
    changes_table,
    hold,
    score_changes,
    tag_changes,
    with_units_held,
)
from wordlab.inspection.units.texts import (
    UnitValues,
    mean_values,
    model_text,
    tagger_text,
    unit_values,
)
from wordlab.inspection.units.transitions import BEGIN, END, transition_table
from wordlab.inspection.units.views import view_of
from wordlab.inspection.units.words import dealt_anew, training_words, unit_words, words_of
from wordlab.models.taggers.outputs import Crf
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import train

SETTINGS = {
    "bare": {
        "scheme": "bare",
        "features": {"form": "cs224d", "words": 6, "capitals": 0, "shape": 0, "prefixes": []}
        | {"suffixes": [], "word_dropout": 0.0},
        "model": {"radius": 1, "hidden": [9]},
        "output": {"type": "softmax", "legal": False},
    },
    "chain": {
        "features": {"words": 6, "affix": 3, "shape": 4, "capitals": 2, "letters": 3, "filters": 4},
        "model": {"radius": 2, "hidden": [8, 7]},
        "output": {"type": "crf"},
    },
    "bilstm": {
        "features": {"words": 6, "affix": 3},
        "model": {"type": "bilstm", "hidden": [5]},
        "output": {"type": "crf"},
    },
}


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> dict[str, TaggerRun]:
    """A small tagger of each kind."""
    folder = tmp_path_factory.mktemp("taggers")
    common = {
        "data": {"train": [str(sample)]},
        "training": {"epochs": 2, "batch": 64, "optimizer": {"type": "adam", "rate": 0.01}},
    }
    return {
        name: train_tagger(run=folder / name, settings={**common, **own})
        for name, own in SETTINGS.items()
    }


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Run:
    """A small recurrent model with output vectors of another width than its units."""
    settings = {
        "model": {"type": "lstm", "embedding": 5, "hidden": [6]},
        "output": {"tied": True},
        "training": {"batch": 32, "epochs": 3, "optimizer": {"type": "adam", "rate": 0.02}},
    }
    folder = tmp_path_factory.mktemp("lstm") / "run"
    return train(texts / "train.txt", texts / "validation.txt", run=folder, settings=settings)


def naive(weights: np.ndarray, vector: Sequence[float], unit: int, place: int) -> float:
    total = 0.0
    for at in range(len(vector)):
        total += float(weights[unit, place, at]) * float(vector[at])
    return total


@pytest.mark.parametrize("name", ["bare", "chain", "model"])
def test_top_words_are_those_of_a_plain_double_loop(
    name: str, taggers: dict[str, TaggerRun], run: Run
) -> None:
    opened = run if name == "model" else taggers[name]
    network = run.network if name == "model" else taggers[name].model
    layer, words = first_layer(network), words_of(opened)
    units = [0, 5, 3]
    found = unit_words(layer, words, units=units, positions=layer.positions, top=4)
    assert [(f.position, f.unit) for f in found] == [(p, u) for p in layer.positions for u in units]
    for item in found:
        place = layer.positions.index(item.position)
        scores = [naive(layer.weights, v, item.unit, place) for v in words.vectors]
        by_score = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
        assert [w.word for w in item.top] == [words.words[at] for at in by_score[:4]]
        assert [w.score for w in item.top] == pytest.approx([scores[at] for at in by_score[:4]])
        assert item.bottom[0].score == pytest.approx(min(scores))
        assert item.top[0].count == words.counts[by_score[0]]
    with pytest.raises(WordlabError, match="7 is no position of the window"):
        layer.places([7])


@pytest.mark.parametrize("name", ["bare", "chain"])
def test_words_are_those_of_training_each_with_its_vector(
    name: str, taggers: dict[str, TaggerRun]
) -> None:
    tagger = taggers[name]
    training = training_words(tagger)
    spelled = [word for s in training.sentences for word in s.words]
    assert len(training.rows) == len(spelled) == training.words.counts.sum()
    store = TagStore.of([spelled], tagger.lexicon)
    with torch.no_grad():
        vectors = tagger.model.words(store.table, torch.from_numpy(store.words)).double().numpy()
    assert np.allclose(training.words.vectors[training.rows], vectors)
    assert np.allclose(training.words.mean, vectors.mean(axis=0))
    names = [training.words.words[row] for row in training.rows]
    if name == "bare":
        assert {n for n in names if n != n.lower() and "DG" not in n} == set()
    else:
        assert sum(n != word for n, word in zip(names, spelled, strict=True)) < len(names) / 20
    with pytest.raises(WordlabError, match="no word occurs 99,999 times"):
        training.words.at_least(99_999)


@torch.no_grad()
def test_a_window_of_vectors_goes_through_the_network_as_its_words_do(
    taggers: dict[str, TaggerRun], run: Run
) -> None:
    for name in ("bare", "chain"):
        tagger = taggers[name].model
        sentence = taggers[name].sentences("train")[0].words
        batch = next(TagStore.of([sentence], taggers[name].lexicon).batches(99))
        vectors = tagger.words(batch.table, batch.padded())
        radius = (len(first_layer(tagger).positions) - 1) // 2
        own = over_windows(tagger, batch.around(vectors, radius))
        assert torch.allclose(own, tagger.features(batch), atol=1e-6)
    batch = next(run.network.reading.batches(run.store("train"), 8))
    windows = run.network.encoder.word_vectors()[batch.inputs].flatten(1)
    features = run.network.encoder(batch, ()).features
    assert torch.allclose(over_windows(run.network, windows), features, atol=1e-6)


def without(tagger: TaggerRun, unit: int, value: float) -> TaggerRun:
    """The tagger with a unit's outgoing weights at 0, and what it always adds in the bias."""
    model = copy.deepcopy(tagger.model)
    linear = model.output.linear
    with torch.no_grad():
        linear.bias += value * linear.weight[:, unit]
        linear.weight[:, unit] = 0
    return tagger.with_model(model)


@pytest.mark.parametrize("name", list(SETTINGS))
@pytest.mark.parametrize("at", ["zero", "mean", "-0.8"])
def test_effects_on_a_tagger_are_those_of_weights_set_to_nothing(
    name: str, at: str, taggers: dict[str, TaggerRun]
) -> None:
    tagger = taggers[name]
    text = tagger_text(tagger)
    units = list(range(count_of_units(tagger.model)))
    words, entities = tagger_effects(tagger, text, units=units, at=at)
    assert (words.figure, entities.figure) == (WORDS, ENTITIES)
    means = mean_values(tagger)
    moved = 0
    for row, unit in [(-1, -1), *enumerate(units)]:
        value = {"zero": 0.0, "mean": float(means[unit]), "-0.8": -0.8}[at]
        other = tagger if unit < 0 else without(tagger, unit, value)
        expected = other.evaluate_sentences(text.sentences, "")
        of_words = [tally(counts).f1 for counts in expected.labels[:-1]]
        of_words.append(expected.token_weighted.f1)
        of_entities = [tally(counts).f1 for counts in expected.by_type] + [expected.total.f1]
        for effects, right in ((words, of_words), (entities, of_entities)):
            found = effects.whole if unit < 0 else effects.whole + effects.changes[row]
            assert found == pytest.approx(right)
            moved += unit >= 0 and bool(np.any(effects.changes[row]))
        assert words.counts[:-1].tolist() == expected.labels[:-1, 2].tolist()
        assert entities.counts.tolist() == [*expected.by_type[:, 2], expected.total.true]
    assert moved
    table = words.table(3)
    assert table.rows[0][0] == "all on"
    assert len(table.rows) == 4
    assert len(words.records()) == len(units) * 5


def test_log_odds_are_those_of_each_word(taggers: dict[str, TaggerRun]) -> None:
    tagger = taggers["bare"]
    text = tagger_text(tagger, most=300)
    effects = tagger_log_odds(tagger, text, units=[4], at=0.3)
    labels = [
        next((s.type for s in sentence.spans if s.start <= at < s.end), OUTSIDE)
        for sentence in text.sentences
        for at in range(len(sentence.words))
    ]
    for other, found in (
        (tagger, effects.whole),
        (without(tagger, 4, 0.3), effects.whole + effects.changes[0]),
    ):
        marginals = unit_marginals(other, text.sentences)
        for name, value in zip(effects.classes[:-1], found, strict=False):
            p = marginals[:, other.tag_set.numbers[name]]
            own = p[[at for at, label in enumerate(labels) if label == name]]
            assert value == pytest.approx(np.mean(np.log(own / (1 - own))), abs=1e-4)


def unit_marginals(tagger: TaggerRun, sentences: Sequence[object]) -> np.ndarray:
    from wordlab.evaluation.tagging.reading import read_store

    store = TagStore.of([s.words for s in sentences], tagger.lexicon)  # type: ignore[attr-defined]
    return read_store(tagger.model, store, tagger.tag_set, marginals=True).marginals


@pytest.mark.parametrize("at", ["zero", "mean"])
def test_effects_on_a_language_model_are_those_of_weights_set_to_nothing(
    at: str, run: Run, lstm: Run
) -> None:
    for opened in (run, lstm):
        text = model_text(opened)
        effects = model_effects(opened, text, at=at)
        assert effects.figure == NATS
        means = mean_values(opened)
        for unit in range(count_of_units(opened.network)):
            held = with_units_held(opened, hold(opened, [unit], at))
            if at == "zero" and opened is run:
                model = copy.deepcopy(opened.network)
                model.output.weight.data[:, unit] = 0  # type: ignore[union-attr]
                held = opened.with_model(model)
            scores = score_tokens(held.model, text.store, vocabulary=len(opened.vocabulary))
            expected = {n: s.nats_per_token for n, s in score_bands(scores, opened.vocabulary)}
            expected["all"] = scores.score().nats_per_token
            found = effects.whole + effects.changes[unit]
            assert dict(zip(effects.classes, found, strict=True)) == pytest.approx(
                expected, rel=1e-6, abs=1e-6
            )
        assert means.shape == (count_of_units(opened.network),)
    only = model_effects(run, model_text(run), units=[1], words=["cat", "the"])
    assert only.classes == ("cat", "the", "all")
    with pytest.raises(WordlabError, match="'dragon' is not in the vocabulary"):
        model_effects(run, model_text(run), words=["dragon"])


def test_values_stand_where_their_words_do(
    run: Run, lstm: Run, taggers: dict[str, TaggerRun], texts: Path
) -> None:
    for opened in (run, lstm):
        text = model_text(opened, texts / "validation.txt")
        values = unit_values(opened, text)
        assert len(values.values) == len(text.store)
        ids = [opened.vocabulary.encode(["the", "cat"])]
        batch = opened.network.reading.contexts(ids, opened.vocabulary.start, opened.vocabulary.end)
        with torch.no_grad():
            features = opened.network.encoder(batch, ()).features
        assert values.values[2] == pytest.approx(features[0].numpy(), abs=1e-6)
        assert values.context(2) == "<s> the [cat] -> sat"
        assert values.context(0) == "[<s>] -> the"
        assert values.context(10) == "<s> a [bird] -> saw"
        assert values.words[2] == "cat"
        head = model_text(opened, most=9)
        assert len(head.store) == 8
        assert head.name == "the first 8 tokens of the run's validation text"
    tagger = taggers["bilstm"]
    text = tagger_text(tagger, own="train", most=200)
    values = unit_values(tagger, text)
    first = text.sentences[0].words
    assert values.context(1, reach=2) == " ".join([first[0], f"[{first[1]}]", *first[2:4]])
    second = TagStore.of([text.sentences[1].words], tagger.lexicon)
    with torch.no_grad():
        alone = tagger.model.features(next(second.batches(99)))
    own = values.values[len(first) : len(first) + len(alone)]
    assert own == pytest.approx(alone.numpy(), abs=1e-5)


def test_the_highest_and_lowest_places_are_shown_once_each() -> None:
    numbers = np.array([[0.1], [0.9], [0.9], [-0.5]], dtype=np.float32)
    tokens = ("a", "b", "b", "c")
    places = np.arange(4)
    values = UnitValues("four words", numbers, tokens, places, places, places + 1)
    found = extreme_contexts(values, [0], 2)
    assert [(c.end, c.text) for c in found] == [
        ("highest", "[b]"),
        ("highest", "[a]"),
        ("lowest", "[c]"),
        ("lowest", "[a]"),
    ]


def test_units_that_answer_alike_are_grouped() -> None:
    draw = np.random.default_rng(1)
    words = np.array(["red", "green", "blue", "grey"])[draw.integers(4, size=400)]
    first, second = (words == "red") * 1.0, (words == "green") * 1.0
    noise = 0.05 * draw.normal(size=(400, 5))
    columns = np.stack([first, -2 * first, second, 3 * second, 0 * first], axis=1) + noise
    columns[:, 4] = 7  # a unit that never moves
    at = np.arange(400)
    values = UnitValues("t", columns.astype(np.float32), tuple(words), at, at, at + 1)
    one, two = group_units(values, groups=2, top=1)
    by_word = {group.words[0]: group for group in (one, two)}
    assert by_word["red"].units in (("0", "-1"), ("-0", "1"))
    assert by_word["green"].units == ("2", "3")
    assert one.correlation is not None
    assert one.correlation > 0.9
    assert len(groups_table([one, two], values).rows) == 2


def test_carriers_are_named_on_one_text_and_checked_on_another(
    taggers: dict[str, TaggerRun], run: Run
) -> None:
    def effects(changes: list[list[float]]) -> Effects:
        whole, counts = np.array([0.9, 0.8]), np.array([3, 3])
        return Effects(WORDS, "t", "0", ("LOC", "all"), counts, whole, (5, 6, 7), np.array(changes))

    named = effects([[0.1, 0], [-0.2, 0], [-0.1, 0]])
    checked = effects([[0.05, 0], [-0.02, 0], [0.01, 0]])
    (found,) = carriers(named, checked)
    assert (found.unit, found.change_named, found.change) == (6, -0.2, -0.02)
    assert (found.percentile, found.largest, found.largest_change) == (0.5, 5, 0.05)
    table = carriers_table([found], named, checked)
    assert table.rows[0][:2] == ("LOC", 6)
    tagger = taggers["bare"]
    results = carriers_of(tagger, tagger_text(tagger))
    assert [checked.figure for _, _, checked in results] == ["log-odds", WORDS, ENTITIES]
    assert [c.name for c in results[1][0]] == list(tagger.tag_set.types)
    for carrier in results[0][0]:
        assert (
            carrier.change_named
            == results[0][1].changes[:, results[0][1].classes.index(carrier.name)].min()
        )
    ((of_bands, _, _),) = carriers_of(run, model_text(run))
    assert "words 1-10" in [c.name for c in of_bands]


def test_holding_units_changes_what_depends_on_them_alone(
    taggers: dict[str, TaggerRun], run: Run
) -> None:
    for name, tagger in taggers.items():
        lines = [s.words for s in tagger.sentences("validation")[:40]]
        unit = largest(np.linalg.norm(outgoing_weights(tagger.model), axis=0), 1)[0]
        held = hold(tagger, [unit], 3.0)
        expected = without(tagger, unit, 3.0).tag(lines)
        for own, other in zip(with_units_held(tagger, held).tag(lines), expected, strict=True):
            assert [(e.start, e.type) for e in own.entities] == [
                (e.start, e.type) for e in other.entities
            ]
            assert [e.probability for e in own.entities] == pytest.approx(
                [e.probability for e in other.entities], abs=1e-6
            ), name
        rows = tag_changes(tagger, lines, held)
        assert len(rows) == sum(map(len, lines))
        assert any(row.size > 0 for row in rows)
        assert len(changes_table(rows, held, 3).rows) <= 3
    text = model_text(run)
    rows = score_changes(run, text, hold(run, [0, 1]))
    assert [(r.sentence, r.position, r.word) for r in rows][:2] == [(1, 1, "the"), (1, 2, "cat")]
    plain = [w.nats for w in run.score(text_lines(run), end=True)]
    assert [r.nats for r in rows] == pytest.approx(plain)
    assert changes_table(rows, hold(run, [0, 1]), 2).names[3:] == (
        "nats",
        "nats, held",
        "rank",
        "rank, held",
    )
    quiet = copy.deepcopy(run.network)
    quiet.output.weight.data[:, 2] = 0  # type: ignore[union-attr]
    other_run = run.with_model(quiet)
    assert all(r.size < 1e-6 for r in score_changes(other_run, text, hold(other_run, [2], 5.0)))
    with pytest.raises(WordlabError, match="8 is no unit; the layer has units 0 to 7"):
        hold(run, [8])
    with pytest.raises(WordlabError, match="'nan' is no value to hold a unit at"):
        hold(run, [1], "nan")


def text_lines(run: Run) -> list[str]:
    lines = " ".join(run.vocabulary.decode([int(at) for at in run.store("validation").ids]))
    return [line.strip() for line in lines.split("</s>") if line.strip()]


def test_log_odds_of_words_by_hand() -> None:
    rows = np.array([0, 0, 0, 0, 1, 1, 2, -1])
    labels = np.array([0, 0, 0, 2, 2, 0, 0, 0])
    counts = ClassCounts.of(rows, labels, words=3, classes=2)
    assert counts.every.tolist() == [4, 2, 1]
    assert counts.of_class.tolist() == [[3, 1, 1], [0, 0, 0]]
    assert counts.share(0).tolist() == [0.75, 0.5, 1.0]
    own, rest = 3 + PRIOR * 4, 1 + PRIOR * 4
    all_own, all_rest = 5 + PRIOR * 7, 2 + PRIOR * 7
    difference = np.log(own / (all_own - own)) - np.log(rest / (all_rest - rest))
    assert counts.z(0)[0] == pytest.approx(difference / np.sqrt(1 / own + 1 / rest))
    often = ClassCounts(np.array([400, 4, 1000]), np.array([[300, 3, 400]]))
    assert often.z(0)[0] > 5 * abs(often.z(0)[1])  # the same share, a hundredth of the evidence


@pytest.mark.parametrize("name", ["bare", "chain"])
def test_prototypes_of_a_window_are_those_of_a_word_amid_the_mean(
    name: str, taggers: dict[str, TaggerRun]
) -> None:
    tagger = taggers[name]
    view = view_of(tagger)
    words, position = training_words(tagger).words, -1
    found = prototypes(view, positions=[position], top=3)
    model = tagger.model
    weights, biases = (
        [p.detach().double().numpy() for n, p in model.encoder.named_parameters() if kind in n]
        for kind in ("weight", "bias")
    )
    kinds = np.array(tagger.tag_set.kinds)
    width = words.vectors.shape[1]
    expected = []
    for vector in words.vectors:
        x = np.concatenate([vector if p == position else words.mean for p in view.positions])
        assert len(x) == width * len(view.positions)
        for weight, bias in zip(weights, biases, strict=True):
            x = np.tanh(weight @ x + bias)
        linear = model.output.linear
        scores = linear.weight.detach().double().numpy() @ x + linear.bias.detach().double().numpy()
        p = np.exp(scores / tagger.temperature)
        expected.append([p[kinds == kind].sum() / p.sum() for kind in view.classes])
    table = np.array(expected)
    for number, item in enumerate(found.found):
        order = np.argsort(-table[:, number], kind="stable")[:3]
        assert [s.probability for s in item.by_network] == pytest.approx(
            table[order, number], abs=1e-5
        )
        assert item.measured.probability == pytest.approx(table[order, number].mean(), abs=1e-5)
        assert all(0 <= s.own <= s.count for s in (*item.by_network, *item.by_data))
        assert item.by_data[0].z >= item.by_data[-1].z
        assert item.chance.z < item.measured.z
    assert len(found.tables()) == 2


def test_counts_of_prototypes_are_those_of_the_text(taggers: dict[str, TaggerRun]) -> None:
    tagger = taggers["bare"]
    forms = set(tagger.lexicon.columns["word"])
    found = prototypes(view_of(tagger), positions=[-1], top=5)
    for item in found.found:
        for sign in item.by_data:
            every = own = 0
            for sentence in tagger.sentences("train"):
                inside = {at for s in sentence.spans if s.type == item.name for at in range(*s[:2])}
                for at, word in enumerate(sentence.words[:-1]):
                    if cs224d(word, forms) == sign.word:
                        every += 1
                        own += at + 1 in inside
            assert (sign.count, sign.own) == (every, own), sign


def test_prototypes_of_a_recurrent_tagger_are_sentences_of_one_word(
    taggers: dict[str, TaggerRun],
) -> None:
    tagger = taggers["bilstm"]
    found = prototypes(view_of(tagger), top=2)
    assert "a sentence of its own" in found.protocol
    kinds = np.array(tagger.tag_set.kinds)
    for item in found.found:
        for sign in item.by_network:
            sentence = replace(tagger.sentences("train")[0], words=(sign.word,), spans=())
            (marginals,) = unit_marginals(tagger, [sentence])
            assert sign.probability == pytest.approx(marginals[kinds == item.name].sum(), abs=1e-6)
    with pytest.raises(WordlabError, match="-1 is no position of this view; allowed: 0"):
        prototypes(view_of(tagger), positions=[-1])


def test_prototypes_of_language_models_are_words_before_a_word(run: Run, lstm: Run) -> None:
    found = prototypes(view_of(run, ["sat"]), top=3)
    assert [item.position for item in found.found] == [-1, -2]
    assert {s.word for s in found.found[0].by_data} & {"cat", "mouse", "dog"}
    first = found.found[0].by_data[0]
    assert 0 < first.own <= first.count
    recurrent = prototypes(view_of(lstm, ["sat"]), top=3)
    sign = recurrent.found[0].by_network[0]
    history = [lstm.vocabulary.encode([sign.word])]
    batch = lstm.network.reading.contexts(history, lstm.vocabulary.start, lstm.vocabulary.end)
    log_probs = lstm.model.predict(batch)[0][0]
    assert sign.probability == pytest.approx(float(log_probs[lstm.vocabulary.id_of("sat")].exp()))
    with pytest.raises(WordlabError, match="none is named"):
        view_of(run)


def test_transitions_are_those_that_the_scheme_allows(taggers: dict[str, TaggerRun]) -> None:
    assert transition_table(taggers["bare"]) is None
    tagger = taggers["chain"]
    table = transition_table(tagger)
    assert table is not None
    output = tagger.model.output
    assert isinstance(output, Crf)
    tags = tagger.tag_set
    for at, row in enumerate(table.records()):
        if at == 0:
            assert row["after"] == BEGIN
            legal, scores = tags.may_begin, output.begins
        else:
            legal, scores = tags.legal[at - 1], output.links[at - 1]
            may_end = tags.may_end[at - 1]
            assert (row[END] is not None) == may_end
        for number, tag in enumerate(tags.tags):
            assert (row[tag] is not None) == legal[number]
            if row[tag] is not None:
                assert row[tag] == pytest.approx(float(scores[number].detach()), abs=1e-6)


def test_the_control_deals_the_same_vectors_to_other_words(run: Run) -> None:
    words = words_of(run)
    other = dealt_anew(words)
    assert sorted(other.words) == sorted(words.words)
    assert other.words != words.words
    assert other.vectors is words.vectors
    counts = dict(zip(words.words, words.counts, strict=True))
    assert all(counts[w] == c for w, c in zip(other.words, other.counts, strict=True))
