"""Two taggers on the same labelled sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.evaluation.tagging.significance import SWAPS, Comparison, compare_f1
from wordlab.evaluation.tagging.tallies import Counts, entity_counts, tally
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table


@dataclass(frozen=True)
class TaggerComparison:
    """What two taggers find in a text.

    Attributes:
        names: of the runs.
        overall: the F1 of all entities.
        by_type: that of each type.
        counts: of each run, right, predicted and true entities by sentence. [S, 3]
    """

    names: tuple[str, str]
    overall: Comparison
    by_type: dict[str, Comparison]
    counts: tuple[Counts, Counts]

    def tables(self) -> list[Table]:
        """The differences, and in how many sentences each is better."""
        a, b = self.names
        rows = [
            (kind, c.first, c.second, c.difference, *c.interval, c.p_value)
            for kind, c in (*self.by_type.items(), ("all", self.overall))
        ]
        difference = Table.of(
            f"F1 of entities, {a} less {b}",
            (
                "entities",
                Column(a, 2, percent=True),
                Column(b, 2, percent=True),
                *(Column(name, 2, percent=True) for name in ("difference", "from", "to")),
                Column("p", 4),
            ),
            rows,
            note="Interval: 95 %, paired bootstrap over sentences. p: approximate randomisation, "
            f"{SWAPS:,} trials in which the runs change places sentence by sentence.",
        )
        wrong = [counts[:, 1] + counts[:, 2] - 2 * counts[:, 0] for counts in self.counts]
        better = [int((wrong[0] < wrong[1]).sum()), int((wrong[1] < wrong[0]).sum())]
        alike = len(wrong[0]) - sum(better)
        sentences = [(f"{a} has fewer errors", better[0]), (f"{b} has fewer errors", better[1])]
        return [difference, Table.of_pairs("Sentences", [*sentences, ("as many", alike)])]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""

        def plain(c: Comparison) -> dict[str, Any]:
            return {
                "f1": [c.first, c.second],
                "difference": c.difference,
                "interval_95": list(c.interval),
                "p_value": c.p_value,
            }

        types = {kind: plain(c) for kind, c in self.by_type.items()}
        return {"runs": list(self.names), **plain(self.overall), "types": types}


def compare_taggers(
    a: TaggerRun, b: TaggerRun, sentences: Sequence[LabelledSentence]
) -> TaggerComparison:
    """Tag the same sentences with both, and compare what they got right."""
    gold = [sentence.spans for sentence in sentences]
    own = {span.type for row in gold for span in row}
    types = sorted(own | set(a.tag_set.types) | set(b.tag_set.types))
    counts = [entity_counts(gold, run.read_sentences(sentences).spans, types) for run in (a, b)]
    totals = [np.asarray(each.sum(axis=1)) for each in counts]
    names = (a.name, b.name) if a.name != b.name else (f"{a.name} (A)", f"{b.name} (B)")
    return TaggerComparison(
        names,
        compare_f1(*totals),
        {
            kind: compare_f1(counts[0][:, at], counts[1][:, at])
            for at, kind in enumerate(types)
            if tally(counts[0][:, at].sum(axis=0)).true
        },
        (totals[0], totals[1]),
    )
