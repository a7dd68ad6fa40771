"""Sentences of the validation text in colours, with what each prediction or label came from."""

from collections.abc import Iterator, Sequence

from wordlab.corpus.text import Sentence, text_of
from wordlab.inspection.attribution.label_tables import label_tables, shown_radius
from wordlab.inspection.attribution.label_tables import protocol as label_protocol
from wordlab.inspection.attribution.labels import LabelExplainer
from wordlab.inspection.attribution.predictions import explain_words, explanation_table
from wordlab.inspection.attribution.predictions import protocol as word_protocol
from wordlab.rendering.explanations import as_labels, as_surprisal
from wordlab.reports.section import Passages
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun

SHOWN, LONGEST = 5, 30
"""Sentences that are explained, and their words at most: each word is taken out in turn."""


def surprising_words(run: Run) -> Passages:
    """Sentences spread over the validation text, each word in the colour of its surprisal."""
    sentences = run.store("validation").sentences()
    words = [run.vocabulary.decode(ids.tolist()) for ids in sentences]
    as_it_is = run.settings.text.model_copy(update={"layout": "lines", "tokens": "spaces"})
    text = text_of(map(" ".join, _spread(words)), as_it_is)
    found = list(explain_words(run.model, text, run.vocabulary))
    note = word_protocol("unknown")
    return Passages(as_surprisal(found, note), tuple(explanation_table(s) for s in found))


def labelled_words(run: TaggerRun) -> Passages:
    """Sentences spread over those of the validation text in which entities are found."""
    sentences = run.sentences("validation")
    tagged = zip(sentences, run.read_sentences(sentences).spans, strict=True)
    chosen = _spread([sentence.words for sentence, spans in tagged if spans])
    explainer = LabelExplainer(run.model, run.lexicon, run.tag_set)
    found = [explainer.explain(Sentence(list(w), at)) for at, w in enumerate(chosen, start=1)]
    radius = shown_radius(run.model)
    tables = [table for sentence in found for table in label_tables(sentence, radius)]
    return Passages(as_labels(found, radius, label_protocol("unknown")), tuple(tables))


def _spread(sentences: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Some sentences of a few words, spread evenly."""
    few = [words for words in sentences if 3 <= len(words) <= LONGEST]
    yield from few[:: max(1, len(few) // SHOWN)][:SHOWN]
