"""Whether probabilities of entities mean what they say, and what a threshold on them buys."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.chart import Axis, Chart
from wordlab.corpus.labelled.spans import Span
from wordlab.models.taggers.tagger import Tagger
from wordlab.table import Column, Table

BINS = 10
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_WORDS = 20_000
"""To fit a temperature by: one number is known well from so many."""
WIDEST = 5.0
"""A temperature lies between 1 / WIDEST and WIDEST."""


@dataclass(frozen=True)
class Calibration:
    """Probabilities of predicted entities, and whether each is right.

    Attributes:
        probabilities: [N]
        right: [N]
        true: how many true entities the text has.
    """

    probabilities: NDArray[np.float64]
    right: NDArray[np.bool_]
    true: int

    @classmethod
    def of(
        cls,
        gold: Sequence[Sequence[Span]],
        predicted: Sequence[Sequence[Span]],
        probabilities: Sequence[Sequence[float]],
    ) -> "Calibration":
        """Gather a text's."""
        right = [
            span in own
            for row, found in zip(map(set, gold), predicted, strict=True)
            for own in (row,)
            for span in found
        ]
        return cls(
            np.array([p for row in probabilities for p in row], dtype=np.float64),
            np.array(right, dtype=np.bool_),
            sum(map(len, gold)),
        )

    def _bins(self) -> NDArray[np.int64]:
        return np.minimum((self.probabilities * BINS).astype(np.int64), BINS - 1)

    @property
    def expected_error(self) -> float:
        """Mean distance of a bin's probabilities from its share of right ones, by size (ECE).

        Naeini et al. 2015, with bins of equal width.
        """
        if not len(self.right):
            return 0.0
        gaps = np.bincount(self._bins(), self.probabilities - self.right, minlength=BINS)
        return float(np.abs(gaps).sum() / len(self.right))

    def reliability_table(self) -> Table:
        """For each bin of probabilities, the share that is right."""
        bins = self._bins()
        sizes = np.bincount(bins, minlength=BINS)
        sums = np.bincount(bins, self.probabilities, minlength=BINS)
        right = np.bincount(bins, self.right, minlength=BINS)
        rows = [
            (f"{at / BINS:.1f} to {(at + 1) / BINS:.1f}", int(n), s / n, r / n)
            for at, (n, s, r) in enumerate(zip(sizes, sums, right, strict=True))
            if n
        ]
        return Table.of(
            "Reliability",
            ("probability", "entities", Column("mean", 3), Column("right", 3)),
            rows,
            note=f"Expected calibration error {self.expected_error:.4f}, {BINS} bins.",
        )

    def reliability_chart(self) -> Chart:
        """The table as a picture; on the diagonal, probabilities mean what they say."""
        rows = [(str(row[0]), row[2], row[3]) for row in self.reliability_table().rows]
        return Chart(
            title="Reliability of the probabilities",
            mark="line",
            data=Table.of("Reliability", ("bin", "mean", "right"), rows),
            x=Axis("mean", "mean probability of a bin"),
            y=Axis("right", "share that is right"),
            description="Where they mean what they say, the line is the diagonal.",
        )

    def threshold_table(self) -> Table:
        """What is left if less probable entities are dropped."""
        rows = []
        for least in THRESHOLDS:
            kept = self.probabilities >= least
            right, count = int(self.right[kept].sum()), int(kept.sum())
            rows.append(
                (
                    least,
                    count / max(len(kept), 1),
                    right / count if count else None,
                    right / self.true if self.true else None,
                )
            )
        return Table.of(
            "Thresholds",
            (
                Column("at least", 2),
                Column("kept", 1, percent=True),
                Column("precision", 2, percent=True),
                Column("recall", 2, percent=True),
            ),
            rows,
        )


@torch.no_grad()
def fit_temperature(model: Tagger, store: TagStore) -> float:
    """The temperature under which the true tags are most probable (Guo et al. 2017).

    Args:
        store: a text that the weights were not trained on, with its tags.
    """
    from scipy.optimize import minimize_scalar  # slow to load, and only needed here

    batches = []
    words = 0
    for batch in store.batches(2048):
        batches.append((model.features(batch), batch))
        words += len(batch.targets)
        if words >= MOST_WORDS:
            break

    def nats(log_temperature: float) -> float:
        model.output.temperature = float(np.exp(log_temperature))
        return sum(model.output.nats(features, batch) for features, batch in batches)

    before = model.output.temperature
    try:
        reach = float(np.log(WIDEST))
        found = minimize_scalar(nats, bounds=(-reach, reach), method="bounded")
    finally:
        model.output.temperature = before
    return float(np.exp(found.x))
