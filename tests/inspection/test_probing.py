"""Probes: what is planted is found, what is not there is not, and nothing held out is learned."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wordlab.config import validate
from wordlab.corpus.labelled.word_labels import WordLabels, read_word_labels
from wordlab.errors import WordlabError
from wordlab.inspection.boolean.probe import probe_function
from wordlab.inspection.boolean.threshold_units import XOR, XOR_LAYER
from wordlab.inspection.probes.activations import read_words
from wordlab.inspection.probes.probing import (
    LayerProbe,
    ProbedWords,
    ProbeSettings,
    probe_layers,
    probed_words,
)
from wordlab.inspection.probes.properties import PROPERTIES, property_of
from wordlab.inspection.probes.runs import probe_run
from wordlab.runs.kept_networks import fresh, kept_networks
from wordlab.runs.run import Run
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_training import train_tagger
from wordlab.runs.training_run import TrainingRun, train

TYPES, SENTENCES, LENGTH, WIDTH = 200, 150, 8, 24
SETTINGS = ProbeSettings(strength=0.1)


def drawn(by_type: bool) -> tuple[WordLabels, np.ndarray]:
    """Sentences of random words with one of two labels, drawn for each word or each form."""
    draw = np.random.default_rng(4)
    types = draw.integers(TYPES, size=(SENTENCES, LENGTH))
    labels = draw.integers(2, size=TYPES)[types] if by_type else draw.integers(2, size=types.shape)
    sentences = tuple(tuple(f"w{t}" for t in row) for row in types.tolist())
    named = tuple(tuple(["no", "yes"][at] for at in row) for row in labels.tolist())
    return WordLabels("planted", "drawn", sentences, named), types.ravel()


def words_of(labels: WordLabels, types: np.ndarray, **settings: Any) -> ProbedWords:
    known = np.zeros(len(types), dtype=bool)
    return probed_words(labels, types, known, replace(SETTINGS, **settings))


def noise(rows: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(rows, WIDTH)).astype(np.float32)


def probed(units: np.ndarray, words: ProbedWords) -> LayerProbe:
    (found,) = probe_layers({"units": units}, words, SETTINGS)
    return found


def test_a_property_that_is_planted_is_found() -> None:
    labels, types = drawn(by_type=False)
    words = words_of(labels, types)
    units = noise(len(types))
    units += 6 * words.labels[:, None] * np.random.default_rng(1).normal(size=WIDTH)
    found = probed(units.astype(np.float32), words)
    assert found.accuracy > 0.98
    assert found.control < 0.65
    assert found.selectivity_interval[0] > 0.3
    assert found.accuracy_interval[0] <= found.accuracy <= found.accuracy_interval[1]


def test_what_is_not_there_is_not_found() -> None:
    labels, types = drawn(by_type=False)
    words = words_of(labels, types)
    found = probed(noise(len(types)), words)
    assert abs(found.accuracy - words.majority) < 0.1
    assert found.selectivity_interval[0] < 0 < found.selectivity_interval[1]


def test_forms_known_by_heart_are_accurate_but_not_selective() -> None:
    labels, types = drawn(by_type=True)
    words = words_of(labels, types)
    found = probed(10 * np.eye(TYPES, dtype=np.float32)[types], words)
    assert found.accuracy > 0.9
    assert abs(found.selectivity) < 0.02
    assert found.accuracy == pytest.approx(words.by_form, abs=0.05)
    assert found.selectivity_interval[0] <= 0 <= found.selectivity_interval[1]


def test_control_labels_depend_on_the_form_alone() -> None:
    labels, types = drawn(by_type=False)
    words = words_of(labels, types)
    control = words.control(0, seed=1)
    assert all(len(set(control[types == number])) <= 1 for number in range(TYPES))
    assert not np.array_equal(control, words.control(1, seed=1))
    assert np.array_equal(control, words.control(0, seed=1))
    skewed = replace(words, labels=(np.arange(len(types)) % 10 == 0).astype(np.int64))
    assert skewed.control(0, seed=1).mean() < 0.25  # drawn as training has them


def test_sentences_are_parted_and_not_words() -> None:
    labels, types = drawn(by_type=False)
    twice = WordLabels("", "", labels.sentences * 2, labels.labels * 2)
    words = words_of(twice, np.tile(types, 2))
    for number in range(2 * SENTENCES):
        assert len(set(words.part[words.sentences == number])) == 1
    assert np.array_equal(words.part[: len(types)], words.part[len(types) :])
    assert 0.2 < words.held_out.mean() < 0.3


def test_nothing_held_out_is_learned_or_chosen_on() -> None:
    labels, types = drawn(by_type=False)
    words = words_of(labels, types)
    units = noise(len(types))
    units[:, 0] += words.labels
    turned = replace(words, labels=np.where(words.held_out, 1 - words.labels, words.labels))
    chosen = ProbeSettings()
    (one,) = probe_layers({"u": units}, words, chosen)
    (other,) = probe_layers({"u": units}, turned, chosen)
    assert one.strength == other.strength
    assert one.accuracy == pytest.approx(1 - other.accuracy)
    assert one.controls == other.controls
    scaled = units.copy()
    scaled[words.held_out] *= 1000  # a scale that looked at these words would change the others
    (third,) = probe_layers({"u": scaled}, words, chosen)
    assert third.strength == one.strength


def test_unknown_words_are_left_out_unless_asked_for() -> None:
    labels, types = drawn(by_type=False)
    unknown = types < TYPES // 4
    words = probed_words(labels, types, unknown, SETTINGS)
    assert len(words.labels) == int((~unknown).sum())
    assert len(np.unique(words.types)) == len(np.unique(types[~unknown]))
    assert words.probed.tolist() == (~unknown).tolist()
    every = probed_words(labels, types, unknown, replace(SETTINGS, with_unknown=True))
    assert len(every.labels) == len(types)
    with pytest.raises(WordlabError, match="knows only 0 of the 1,200 words"):
        probed_words(labels, types, unknown | True, SETTINGS)


def test_too_few_sentences_and_one_class_are_refused() -> None:
    labels, types = drawn(by_type=False)
    few = labels.only(range(19))
    with pytest.raises(WordlabError, match="19 different sentences are too few"):
        words_of(few, types[: 19 * LENGTH])
    same = WordLabels("same", "", labels.sentences, (("yes",) * LENGTH,) * SENTENCES)
    own = tuple(tuple(f"{at} {word}" for word in s) for at, s in enumerate(labels.sentences))
    many = WordLabels("many", "", labels.sentences, own)
    with pytest.raises(WordlabError, match=r"many: 1,\d+ classes are more than 200"):
        words_of(many, types)
    with pytest.raises(WordlabError, match=r"same: .*one class alone: yes"):
        words_of(same, types)


def test_xor_is_readable_from_the_hidden_layer_alone() -> None:
    inputs, hidden = probe_function(XOR, XOR_LAYER)
    assert inputs.accuracy < 0.8  # no line has more than three of the four rows right
    assert inputs.selectivity < 0
    assert hidden.accuracy == 1
    assert hidden.selectivity > 0.1
    assert probe_function(XOR, XOR_LAYER) == [inputs, hidden]


# -- files ------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.txt"
    path.write_text(text)
    return path


def test_words_and_labels_in_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "-DOCSTART- -X- O\n\nthe DT O\ncat NN B-X\n\nit PRP O\n")
    found = read_word_labels(path)
    assert found.sentences == (("the", "cat"), ("it",))
    assert found.labels == (("O", "B-X"), ("O",))
    assert read_word_labels(path, label_column=2).labels == (("DT", "NN"), ("PRP",))
    tabs = read_word_labels(written(tmp_path, "New York\tcity\nis\tO\n"))
    assert tabs.sentences == (("New York", "is"),)
    assert "between tabs" in tabs.how


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a\tx\nb\nc\ty\n", "2:2: the row has 1 columns where most have 2"),
        ("a x\nbb y z\nc y\n", "2:6: the row has 3 columns where most have 2"),
        ("a\tx\nbb\t\ty\nc\ty\n", "2:5: the row has 3 columns where most have 2"),
        ("a\tq\tx\nbb\t\ty\nc\tq\ty\n", "2:3: the row has an empty column"),
    ],
)
def test_ragged_rows_are_told_of_with_their_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(WordlabError) as caught:
        read_word_labels(written(tmp_path, text))
    assert f"labels.txt:{place}" in str(caught.value)


def test_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a x\nb y\n")
    with pytest.raises(WordlabError, match="no column 3 for the tags"):
        read_word_labels(path, label_column=3)
    with pytest.raises(WordlabError, match="column 1 holds the words"):
        read_word_labels(path, label_column=1)
    with pytest.raises(WordlabError, match="there is no such file"):
        read_word_labels(tmp_path / "none")


# -- runs -------------------------------------------------------------------------------------

MODELS: list[dict[str, object]] = [
    {"n": 3, "embedding": 6, "hidden": [8, 5], "padding": "single", "direct": True},
    {"type": "elman", "embedding": 6, "hidden": [8], "unpredicted": 2},
    {"type": "gru", "embedding": 6, "hidden": [7, 5]},
    {"type": "lstm", "embedding": 6, "hidden": [7, 5], "layer_norm": True},
]
LINES = [s.split() for s in ("the cat sat .", "a dog", "a zebra saw the dog and a mouse .")]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: str(m.get("type", "feedforward")))
def test_a_word_is_looked_at_right_after_it_was_read(
    model: dict[str, object], texts: Path, tmp_path: Path
) -> None:
    settings = {"model": model, "training": {"epochs": 1, "batch": 64}}
    run = train(
        texts / "train.txt", texts / "validation.txt", run=tmp_path / "r", settings=settings
    )
    read = read_words(run, LINES)
    layers = read.layers(run.network)
    vocabulary, row = run.vocabulary, 0
    assert read.unknown.tolist() == [word == "zebra" for line in LINES for word in line]
    assert read.trained_on() == 0
    known = [line.split() for line in (texts / "train.txt").read_text().splitlines()[:8]]
    assert read_words(run, [*known, *LINES]).trained_on() == pytest.approx(8 / 11)
    for line in LINES:
        ids = vocabulary.encode(line)
        for place, index in enumerate(ids):
            context = run.model.reading.contexts(
                [ids[: place + 1]], vocabulary.start, vocabulary.end
            )
            *_, last = layers.values()
            features = run.network.encoder(context).features[0, : last.shape[1]]
            assert np.allclose(last[row], features.detach().numpy(), atol=1e-6)
            assert np.array_equal(layers["embedding"][row], run.word_vectors()[index])
            assert read.counts[row] == vocabulary.counts[index]
            row += 1
    assert len(layers) == 1 + len(run.settings.model.model_dump()["hidden"])


def test_a_stream_is_read_with_its_state(texts: Path, tmp_path: Path) -> None:
    model = {"type": "lstm", "embedding": 6, "hidden": [7], "reads": "stream", "length": 4}
    settings = {"model": model, "training": {"epochs": 1, "batch": 4}}
    run = train(texts / "train.txt", run=tmp_path / "r", settings=settings)
    layers = read_words(run, LINES).layers(run.network)
    vocabulary = run.vocabulary
    history: list[int] = []
    row = 0
    for line in LINES:
        for index in vocabulary.encode(line):
            history.append(index)
            context = run.model.reading.contexts([history], vocabulary.start, vocabulary.end)
            features = run.network.encoder(context).features[0].detach().numpy()
            assert np.allclose(layers["hidden 1"][row], features, atol=1e-6)
            row += 1
        history.append(vocabulary.end)


@pytest.fixture(scope="module")
def tagger(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> TaggerRun:
    folder = tmp_path_factory.mktemp("probed") / "tagger"
    settings = {
        "data": {"train": [str(sample)]},
        "features": {"words": 8, "affix": 4},
        "model": {"hidden": [12]},
        "training": {"epochs": 2, "batch": 128},
    }
    return train_tagger(run=folder, settings=settings)


def test_a_taggers_words_stay_in_the_order_of_the_text(tagger: TaggerRun) -> None:
    read = read_words(tagger, LINES)
    layers = read.layers(tagger.model)
    row = 0
    for line in LINES:
        alone = read_words(tagger, [line]).layers(tagger.model)
        for name, units in alone.items():
            assert np.allclose(layers[name][row : row + len(line)], units, atol=1e-6)
        row += len(line)
    assert list(layers) == ["embedding", "with spelling", "hidden 1"]
    spelled = [word for line in LINES for word in line]
    for one in range(row):
        for other in range(row):
            same = spelled[one] == spelled[other]
            assert (read.types[one] == read.types[other]) == same


def test_a_tagger_knows_its_own_labels(tagger: TaggerRun, sample: Path) -> None:
    labels = read_word_labels(sample)
    found = probe_run(
        tagger, labels, settings=ProbeSettings(most_words=1500, strength=0.1, controls=1)
    )
    untrained, best = found.found["untrained"], found.found["best"]
    assert best[-1].accuracy > untrained[-1].accuracy
    assert best[-1].accuracy > found.words.majority
    assert [probe.layer for probe in best] == ["embedding", "with spelling", "hidden 1"]
    shown = json.dumps(found.as_json())
    assert json.loads(shown)["layers"][0]["network"] == "untrained"
    assert 0.7 < json.loads(shown)["trained_on_share"] < 0.9  # a fifth of the file was held out
    about, layers = found.tables()
    assert "O 1" in str(about.rows[2][1])
    assert len(layers.rows) == sum(len(probes) for probes in found.found.values())


def test_the_networks_that_a_run_keeps(texts: Path, tmp_path: Path) -> None:
    model = {"type": "lstm", "embedding": 6, "hidden": [8], "vectors": "cooccurrence"}
    learning = {"epochs": 6, "batch": 16, "optimizer": {"type": "adam", "rate": 0.2}}
    data = {"model": model, "training": {**learning, "averaging": 0.9}}
    data["data"] = {
        "train": [str(texts / "train.txt")],
        "validation": [str(texts / "validation.txt")],
    }
    training = TrainingRun.start(validate(RunSettings, data, source="test"), tmp_path / "r")
    before = {k: v.clone() for k, v in training.trainer.task.model.encoder.state_dict().items()}
    epochs = list(training.epochs())
    assert not epochs[-1].best, "the test needs a run whose last epoch is not its best"
    run = training.finish()
    kept = {network.name: network for network in kept_networks(run)}
    assert list(kept) == ["untrained", "best", "last"]
    assert kept["best"].epochs == str(max(e.epoch for e in epochs if e.best))
    assert kept["last"].epochs == str(epochs[-1].epoch)
    loaded = {name: network.load() for name, network in kept.items()}
    assert all(
        torch.equal(v, before[k]) for k, v in loaded["untrained"].encoder.state_dict().items()
    )
    assert loaded["best"] is run.network
    with training.trainer._average.applied():
        weights = training.trainer.task.model.state_dict()
        assert all(torch.equal(v, weights[k]) for k, v in loaded["last"].state_dict().items())
    assert not any(network.training for network in loaded.values())
    assert not torch.equal(loaded["last"].encoder.embedding.weight, before["embedding.weight"])


def test_a_run_whose_last_epoch_is_its_best_keeps_two(run: Run) -> None:
    names = [network.name for network in kept_networks(run)]
    last_is_best = run.history[-1].epoch == max(e.epoch for e in run.history if e.best)
    assert names == ["untrained", "best"] + ["last"] * (not last_is_best)
    assert torch.equal(fresh(run).encoder.embedding.weight, fresh(run).encoder.embedding.weight)


# -- properties without a file ------------------------------------------------------------------


def test_properties_that_need_no_file(run: Run, tagger: TaggerRun) -> None:
    words = ["Ab", "iPod", "NATO", "I", "42", "cat", "institutions"]
    wanted = {
        "capital": "capital first|otherwise|all capitals|capital first|no letter|small|small",
        "length": "1-2|3-4|3-4|1-2|1-2|3-4|from 8",
        "frequency-band": "0-9|0-9|10-99|10-99|100-999|from 1000|0-9",
        "position": "1|2|3-4|3-4|5-8|5-8|5-8",
    }
    assert set(wanted) == set(PROPERTIES)
    for name, label in PROPERTIES.items():
        assert label(words, [0, 9, 10, 99, 100, 1000, 5]) == wanted[name].split("|")
    own = property_of(run, "length")
    assert own.sentences[1][1] == "<unk>"
    assert own.labels[1][:3] == ("1-2", "unknown", "3-4")
    counted = property_of(run, "frequency-band", [["the", "cat", "zebra"]])
    assert counted.labels == (("10-99", "10-99", "0-9"),)
    assert len(property_of(tagger, "position").sentences) == len(tagger.sentences("validation"))
    with pytest.raises(WordlabError, match="'size' is no property; allowed: length"):
        property_of(run, "size")
