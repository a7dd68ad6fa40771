"""The task of CMU 10-707, homework 3, on its own data."""

from pathlib import Path

import pytest

from wordlab.batching.windows import Windows
from wordlab.corpus.ngrams import count_ngrams
from wordlab.corpus.preparation import PreparedCorpus, prepare
from wordlab.corpus.text import read_text
from wordlab.corpus.vocabulary import VocabularySettings
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.counts.yardsticks import Unigram, WittenBell

READING = Windows(4, "single")


@pytest.fixture(scope="module")
def corpus(data: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    return prepare(
        read_text(data / "cmu10707" / "train.txt", form="lower"),
        {"validation": read_text(data / "cmu10707" / "val.txt", form="lower")},
        VocabularySettings(size=8000, unknown="UNK", start="START", end="END"),
        tmp_path_factory.mktemp("cmu10707"),
    )


def test_targets_and_words(corpus: PreparedCorpus) -> None:
    assert len(corpus.vocabulary) == 8000
    train, validation = corpus.stores["train"], corpus.stores["validation"]
    assert (train.header.sentences, train.header.words) == (3500, 89_902)
    assert (validation.header.sentences, validation.header.words) == (414, 10_774)
    assert READING.target_counts(train, 8000).sum() == 86_402
    assert READING.target_counts(validation, 8000).sum() == 10_360


def test_the_most_common_4_grams(corpus: PreparedCorpus) -> None:
    found = count_ngrams(corpus.stores["train"], 4, 8000, second=corpus.stores["validation"])
    assert found.total == 86_402
    assert [(" ".join(corpus.vocabulary.decode(ids)), n) for ids, n in found.top[:3]] == [
        ("0 *t*-1 . END", 66),
        ("$ UNK million *u*", 39),
        ("said 0 *t*-1 .", 38),
    ]


def test_the_yardsticks_have_their_known_perplexities(corpus: PreparedCorpus) -> None:
    train, validation = corpus.stores["train"], corpus.stores["validation"]
    unigram = Unigram(READING, READING.target_counts(train, 8000))
    witten_bell = WittenBell(READING, train, 8000)
    scores = [score_tokens(m, validation, vocabulary=8000).score() for m in (unigram, witten_bell)]
    assert scores[0].perplexity == pytest.approx(473.0, abs=0.05)
    assert scores[1].perplexity == pytest.approx(179.0, abs=0.05)
    assert scores[0].accuracy == pytest.approx(0.0454, abs=5e-5)  # always ","
