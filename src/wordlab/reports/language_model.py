"""The report of a language model."""

from collections.abc import Iterator

from wordlab.corpus.ngrams import count_ngrams
from wordlab.inspection.corpus import (
    corpus_table,
    count_of_counts_chart,
    ngram_table,
    rank_chart,
    top_table,
)
from wordlab.inspection.cost import model_tables
from wordlab.inspection.learning import history_table, learning_chart
from wordlab.inspection.maps import word_map
from wordlab.inspection.neighbours import METRICS, nearest, neighbours_table
from wordlab.inspection.provenance import environment_table, settings_table
from wordlab.inspection.sentences import sample_sentences, sentences_table
from wordlab.models.language_model import LanguageModel
from wordlab.reports.section import Part, Section, section_where_possible
from wordlab.runs.run import Run
from wordlab.table import Table

MAPPED, NEIGHBOURED = 300, 8
"""Words on the map, and words whose neighbours are listed."""


def language_model_sections(run: Run) -> Iterator[Section]:
    """Evaluation, learning curves, texts, sentences, vectors, cost, settings."""
    evaluation = run.evaluate_store(run.store("validation"), "the validation text")
    yield Section("Evaluation", (evaluation.summary(), evaluation.table()))
    yield Section("By frequency", (evaluation.bands_chart(), evaluation.bands_table()))
    if run.history:
        yield Section("Learning curves", (learning_chart(run.history), history_table(run.history)))
    yield Section("Texts", _texts(run))
    yield Section("Sentences", (sentences_table(sample_sentences(run)),))
    if isinstance(run.model, LanguageModel):
        yield Section("Nearest words", (_neighbours(run),))
        yield from section_where_possible("Word map", lambda: _map(run))
    yield Section("Model", tuple(model_tables(run.model, run.settings.training)))
    made_with = environment_table(run.environment)
    yield Section("Settings", (settings_table(run.settings), made_with))


def _texts(run: Run) -> tuple[Part, ...]:
    """What the texts are made of."""
    train, validation = run.store("train"), run.store("validation")
    statistics = count_ngrams(train, run.yardstick.order, len(run.vocabulary), second=validation)
    types = int(run.environment.get("data", {}).get("types", 0))
    return (
        corpus_table({"train": train, "validation": validation}, types, run.vocabulary),
        ngram_table(statistics, "the validation text"),
        rank_chart(statistics),
        count_of_counts_chart(statistics),
        top_table(statistics, run.vocabulary),
    )


def _neighbours(run: Run) -> Table:
    """The neighbours of some words that are frequent, but not the most frequent."""
    frequent = run.vocabulary.frequent_words(1000)
    words = [run.vocabulary.words[i] for i in frequent[20 : 20 + 16 * NEIGHBOURED : 16]]
    vectors = run.word_vectors()
    found = [
        neighbour
        for metric in METRICS
        for neighbour in nearest(vectors, run.vocabulary, words, metric=metric)
    ]
    return neighbours_table(found, 1000)


def _map(run: Run) -> tuple[Part, ...]:
    return (word_map(run.word_vectors(), run.vocabulary, words=MAPPED),)
