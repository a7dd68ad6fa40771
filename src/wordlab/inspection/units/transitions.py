"""Which tags may follow which, and what a chain gives for it."""

import numpy as np

from wordlab.models.taggers.outputs import Crf, ScoredTags
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table, Value

BEGIN, END = "(begin)", "(end)"


def transition_table(run: TaggerRun) -> Table | None:
    """The score of each tag (column) after each tag (row); None where every path is alike.

    Of an output without a chain, what is allowed has 0. Pairs that are not allowed are empty.
    """
    output, tags = run.model.output, run.tag_set
    assert isinstance(output, ScoredTags)
    links, begins, ends = output.transitions()
    if not np.any(links) and not np.any(begins) and not np.any(ends):
        return None
    legal = (tags.legal, tags.may_begin, tags.may_end)

    def row(
        name: str, scores: list[float], allowed: list[bool], end: float | None
    ) -> tuple[Value, ...]:
        cells = [s if may else None for s, may in zip(scores, allowed, strict=True)]
        return (name, *cells, end)

    rows = [row(BEGIN, begins.tolist(), legal[1].tolist(), None)]
    for at, tag in enumerate(tags.tags):
        end = float(ends[at]) if legal[2][at] else None
        rows.append(row(tag, links[at].tolist(), legal[0][at].tolist(), end))
    learned = "learned, as natural logs" if isinstance(output, Crf) else "0: any may be chosen"
    return Table.of(
        "What tags may follow",
        ("after", *(Column(tag, 2) for tag in tags.tags), Column(END, 2)),
        rows,
        note=f"The score of each tag (column) behind another (row), {learned}; empty: not allowed "
        f"in the scheme {tags.scheme}.",
    )
