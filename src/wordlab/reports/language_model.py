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
from wordlab.inspection.sentences import sample_sentences, sentences_table
from wordlab.inspection.work.parts import language_workload
from wordlab.models.language_model import LanguageModel
from wordlab.reports.making import cost_section, settings_section
from wordlab.reports.passages import surprising_words
from wordlab.reports.section import Part, Section, section_where_possible
from wordlab.reports.units import unit_sections
from wordlab.reports.words import word_sections
from wordlab.runs.run import Run


def language_model_sections(run: Run) -> Iterator[Section]:
    """Evaluation, learning curves, texts, sentences, vectors, cost, settings."""
    evaluation = run.evaluate_store(run.store("validation"), "the validation text")
    yield Section("Evaluation", (evaluation.summary(), evaluation.table()))
    yield Section("By frequency", (evaluation.bands_chart(), evaluation.bands_table()))
    if run.history:
        yield Section("Learning curves", (learning_chart(run.history), history_table(run.history)))
    yield Section("Texts", _texts(run))
    yield Section("Sentences", (sentences_table(sample_sentences(run)),))
    yield from section_where_possible("Surprisal", lambda: [surprising_words(run)])
    if isinstance(run.model, LanguageModel):
        yield from word_sections(run)
        yield from unit_sections(run)
    yield Section("Model", tuple(model_tables(run.model, run.settings.training)))
    if isinstance(run.model, LanguageModel):
        workload = language_workload(run.model, run.vocabulary, run.settings.training.batch)
        yield cost_section(workload, run.settings.training)
    yield settings_section(run)


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
