"""Learning curves."""

import math
from collections.abc import Sequence

from wordlab.chart import Axis, Chart
from wordlab.table import Column, Table
from wordlab.training.progress import Epoch


def history_table(history: Sequence[Epoch]) -> Table:
    """One row an epoch; train and validation nats are of the same kind of targets: all of them."""
    tagged = any(row.validation_f1 is not None for row in history)
    return Table.of(
        "Training",
        (
            "epoch",
            "left out",
            Column("train nats", 4),
            Column("validation nats", 4),
            Column("validation F1", 2, percent=True)
            if tagged
            else Column("validation perplexity", 2),
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
                row.validation_f1 if tagged else math.exp(min(row.validation_nats, 700)),
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
        description=_described(history),
    )


def _described(history: Sequence[Epoch]) -> str:
    """What the curves show, in words."""
    last, best = history[-1], min(history, key=lambda epoch: -epoch.merit)
    return (
        f"Cross-entropy after each of {len(history)} epochs: at the end {last.train_nats:.3f} nats "
        f"a token on training text and {last.validation_nats:.3f} on validation text; the best "
        f"epoch is number {best.epoch}."
    )


def f1_chart(history: Sequence[Epoch]) -> Chart:
    """F1 of the entities of the validation text by epoch."""
    rows = [(row.epoch, 100 * row.validation_f1) for row in history if row.validation_f1]
    best = max((f1 for _, f1 in rows), default=0.0)
    return Chart(
        title="F1 of validation entities",
        mark="line",
        data=Table.of("F1 by epoch", ("epoch", Column("F1, %", 2)), rows),
        x=Axis("epoch", "epoch"),
        y=Axis("F1, %", "F1 of entities, %"),
        description=f"F1 of the validation text's entities after each of {len(history)} epochs; "
        f"the best is {best:.2f} %.",
    )
