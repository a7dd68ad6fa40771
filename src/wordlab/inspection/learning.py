"""Learning curves."""

import math
from collections.abc import Sequence

from wordlab.chart import Axis, Chart
from wordlab.table import Column, Table
from wordlab.training.progress import Epoch


def history_table(history: Sequence[Epoch]) -> Table:
    """One row an epoch; train and validation nats are of the same kind of targets: all of them."""
    return Table.of(
        "Training",
        (
            "epoch",
            "left out",
            Column("train nats", 4),
            Column("validation nats", 4),
            Column("validation perplexity", 2),
            Column("validation top-1", 2, percent=True),
            Column("tokens a second", 0),
            Column("seconds", 1),
            "best",
            "event",
        ),
        [
            (
                row.epoch,
                row.left_out,
                row.train_nats,
                row.validation_nats,
                math.exp(min(row.validation_nats, 700)),
                row.validation_accuracy,
                row.tokens_per_second,
                row.seconds,
                row.best,
                row.event,
            )
            for row in history
        ],
        note=_note(history),
    )


def _note(history: Sequence[Epoch]) -> str:
    if not history:
        return ""
    return (
        f"Train nats are of {history[0].train_targets:,} training targets spread evenly over the "
        "text, dropout off and no target left out, so both columns measure the same thing."
    )


def learning_chart(history: Sequence[Epoch]) -> Chart:
    """Train and validation cross-entropy by epoch."""
    rows = [
        (row.epoch, text, value)
        for row in history
        for text, value in (("train", row.train_nats), ("validation", row.validation_nats))
    ]
    return Chart(
        title="Learning curves",
        mark="line",
        data=Table.of("Cross-entropy by epoch", ("epoch", "text", Column("nats a token", 4)), rows),
        x=Axis("epoch", "epoch"),
        y=Axis("nats a token", "cross-entropy, nats a token"),
        series="text",
        description="Cross-entropy of training and validation text after each epoch.",
    )
