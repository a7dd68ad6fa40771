"""Gathering the report of a run, or of two side by side."""

from collections.abc import Iterator

from wordlab.errors import WordlabError
from wordlab.reports.language_model import language_model_sections
from wordlab.reports.section import Beside, Part, Report, Section, section_where_possible
from wordlab.reports.tagger import tagger_sections
from wordlab.runs.comparison import compare_on_validation
from wordlab.runs.run import Run
from wordlab.runs.tagger_comparison import compare_taggers
from wordlab.runs.tagger_run import TaggerRun

DIFFERING = 10
"""Sentences that differ most which are listed."""


def report_of(run: Run | TaggerRun, beside: Run | TaggerRun | None = None) -> Report:
    """All there is to say about a run.

    Args:
        beside: a run of the same task, to be shown side by side with it.

    Raises:
        WordlabError: where the runs are of different tasks.
    """
    if beside is None:
        return Report(f"wordlab report: {run.name}", tuple(_sections(run)))
    if isinstance(run, TaggerRun) != isinstance(beside, TaggerRun):
        raise WordlabError(
            "is of another task: a tagger and a language model have nothing to compare",
            where=str(beside.path),
            mend="name two runs of one task",
        )
    names = _names(run, beside)
    difference = section_where_possible("Difference", lambda: _difference(run, beside))
    return Report(
        f"wordlab report: {names[0]} and {names[1]}",
        (*difference, *_side_by_side(names, list(_sections(run)), list(_sections(beside)))),
    )


def _sections(run: Run | TaggerRun) -> Iterator[Section]:
    return tagger_sections(run) if isinstance(run, TaggerRun) else language_model_sections(run)


def _names(a: Run | TaggerRun, b: Run | TaggerRun) -> tuple[str, str]:
    """What the runs are called; never the same for both."""
    return (a.name, b.name) if a.name != b.name else (f"{a.name} (A)", f"{b.name} (B)")


def _difference(a: Run | TaggerRun, b: Run | TaggerRun) -> list[Part]:
    """The comparison on A's validation text."""
    if isinstance(a, TaggerRun) and isinstance(b, TaggerRun):
        return list(compare_taggers(a, b, a.sentences("validation")).tables())
    assert isinstance(a, Run)
    assert isinstance(b, Run)
    found = compare_on_validation(a, b)
    tables = (found.runs_table(), found.difference_table(), found.bands_table())
    return [*tables, found.sentences_table(DIFFERING)]


def _side_by_side(names: tuple[str, str], a: list[Section], b: list[Section]) -> Iterator[Section]:
    """The sections of both, in A's order; those that B alone has come last."""
    titles = dict.fromkeys(section.title for section in (*a, *b))
    for title in titles:
        own = [next((x.parts for x in sections if x.title == title), ()) for sections in (a, b)]
        parts = tuple(tuple(p for p in x if not isinstance(p, Beside)) for x in own)
        yield Section(title, (Beside(names, (parts[0], parts[1])),))
