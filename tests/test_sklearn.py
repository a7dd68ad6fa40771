"""The estimator keeps to scikit-learn's conventions, as far as they fit sequences."""

import pickle
from pathlib import Path

import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.errors import WordlabError
from wordlab.runs.tagger_run import TaggerRun
from wordlab.samples import entities
from wordlab.sklearn import EntityTagger

SETTINGS = {
    "features": {"words": 12},
    "model": {"hidden": [24]},
    "training": {"epochs": 8, "batch": 128},
}

Text = tuple[list[list[str]], list[list[str]]]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    path = tmp_path_factory.mktemp("sample") / "entities.iob2"
    path.write_text(entities())
    sentences = read_labelled([path])
    tags = [SCHEMES["IOB1"].tags(s.spans, len(s.words)) for s in sentences]
    return [list(s.words) for s in sentences], tags


def test_fit_predict_and_score(text: Text, tmp_path: Path) -> None:
    words, tags = text
    made = EntityTagger(SETTINGS, run=tmp_path / "run").fit(words, tags)
    assert made.scheme_ == "IOB1"
    predicted = made.predict(words)
    assert [len(row) for row in predicted] == [len(row) for row in words]
    assert {tag for row in predicted for tag in row} <= set(made.classes_)
    assert made.score(words, predicted) == 1.0
    assert 0.3 < made.score(words, tags) < 1.0
    kept = TaggerRun.load(tmp_path / "run")
    assert [s.entities for s in kept.tag(words)] == [s.entities for s in made.tag(words)]


def test_parameters_clones_and_copies(text: Text) -> None:
    words, tags = text
    made = EntityTagger(SETTINGS, seed=3)
    assert made.get_params() == {"settings": SETTINGS, "scheme": None, "seed": 3, "run": None}
    assert clone(made).get_params() == made.get_params()
    assert made.set_params(seed=4).seed == 4
    with pytest.raises(NotFittedError):
        made.predict(words)
    first, second = (clone(made).fit(words, tags).predict(words[:50]) for _ in range(2))
    assert first == second
    fitted = made.fit(words, tags)
    assert pickle.loads(pickle.dumps(fitted)).predict(words[:50]) == first


def test_cross_validation(text: Text) -> None:
    words, tags = text
    scores = cross_val_score(EntityTagger(SETTINGS), words, tags, cv=2)
    assert len(scores) == 2
    assert (scores > 0.1).all()


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ([["a"]], [], "1 sentences, but tags for 0"),
        ([["a", "b"]], [["O"]], "sentence 0 has 2 words and 1 tags"),
        (["ab"], [["O", "O"]], "sentence 0 has 2 words"),
        ([["a", "b"]], [["O", "I-PER"]], "sentence 0: 'I-PER' goes on with no PER"),
    ],
)
def test_what_does_not_go_together(
    words: list[list[str]], tags: list[list[str]], message: str
) -> None:
    with pytest.raises(WordlabError, match=message):
        EntityTagger(scheme="IOB2").fit(words, tags)
