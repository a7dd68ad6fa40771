"""The parts of a report on word vectors: what lies near what, and a map."""

from collections.abc import Iterator

from wordlab.inspection.words.maps import word_map
from wordlab.inspection.words.neighbours import METRICS, nearest, neighbours_table
from wordlab.inspection.words.space import RunWords
from wordlab.reports.section import Part, Section, section_where_possible
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun

MAPPED, NEIGHBOURED = 300, 8
"""Words on the map, and words whose neighbours are listed."""
AMONG = 1000
"""Frequent words among which neighbours are looked for."""


def word_sections(run: Run | TaggerRun) -> Iterator[Section]:
    """Nearest words, and a map; of a tagger, words in the colour of their most frequent class."""
    yield from section_where_possible("Nearest words", lambda: _neighbours(RunWords(run)))
    yield from section_where_possible("Word map", lambda: _map(RunWords(run)))


def _neighbours(words: RunWords) -> tuple[Part, ...]:
    """The neighbours of some words that are frequent, but not the most frequent."""
    space = words.best
    frequent = space.vocabulary.frequent_words(AMONG)
    chosen = [space.vocabulary.words[i] for i in frequent[20 : 20 + 16 * NEIGHBOURED : 16]]
    found = [
        neighbour
        for metric in METRICS
        for neighbour in nearest(
            space.vectors, space.vocabulary, chosen, among=AMONG, metric=metric
        )
    ]
    return (neighbours_table(found, AMONG),)


def _map(words: RunWords) -> tuple[Part, ...]:
    groups = words.classes() if isinstance(words.run, TaggerRun) else None
    space = words.best
    return (word_map(space.vectors, space.vocabulary, words=MAPPED, groups=groups),)
