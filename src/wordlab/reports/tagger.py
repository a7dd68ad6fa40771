"""The report of a tagger."""

from collections.abc import Iterator

from wordlab.inspection.learning import f1_chart, history_table, learning_chart
from wordlab.inspection.tagger import tagger_tables
from wordlab.inspection.work.parts import tagger_workload
from wordlab.reports.making import cost_section, settings_section
from wordlab.reports.passages import labelled_words
from wordlab.reports.section import Section, section_where_possible
from wordlab.reports.units import unit_sections
from wordlab.reports.words import word_sections
from wordlab.runs.tagger_run import TaggerRun

ERRORS = 100
"""Errors that are listed in their sentences."""


def tagger_sections(run: TaggerRun) -> Iterator[Section]:
    """Evaluation, errors in their sentences, probabilities, learning curves, cost, settings."""
    sentences = run.sentences("validation")
    evaluation = run.evaluate_sentences(sentences, "the validation text")
    entities, *further = evaluation.tables()
    yield Section("Evaluation", (entities, *further))
    yield Section("Errors", (evaluation.error_table(sentences, ERRORS),))
    if evaluation.calibration is not None:
        sure = evaluation.calibration
        parts = (sure.reliability_chart(), sure.reliability_table(), sure.threshold_table())
        yield Section("Probabilities", parts)
    if run.history:
        curves = (f1_chart(run.history), learning_chart(run.history), history_table(run.history))
        yield Section("Learning curves", curves)
    yield from section_where_possible("Labels", lambda: [labelled_words(run)])
    yield from word_sections(run)
    yield from unit_sections(run)
    yield Section("Model", tuple(tagger_tables(run.model, run.lexicon, run.tag_set)))
    workload = tagger_workload(run.model, run.lexicon, run.settings.training.batch)
    yield cost_section(workload, run.settings.training)
    yield settings_section(run)
