"""What the cost of counted and mixed models is: what they hold, and seconds of a prediction."""

from collections.abc import Callable
from functools import partial
from typing import Any

from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.cost import size_of
from wordlab.inspection.work.parts import WORDS, drawn_sentences
from wordlab.inspection.work.timing import Stopwatch
from wordlab.models.language_model import CountModel, LanguageModel, Predictor
from wordlab.models.mixture import Mixture
from wordlab.table import Column, Table

TARGETS = 240
"""Predicted at a time."""


def predictor_cost(
    model: Predictor,
    vocabulary: Vocabulary,
    rounds: int,
    *,
    on_round: Callable[[], None] = lambda: None,
) -> Table:
    """Time the predictions of a model without parts, and of a mixture's members."""
    size = min(TARGETS, model.segment or TARGETS)
    store = TokenStore.in_memory(drawn_sentences(vocabulary, 2 * size + 2 * WORDS), vocabulary)
    batch = next(iter(model.reading.batches(store, size)))
    members: dict[str, Predictor] = {"whole": model}
    if isinstance(model, Mixture):
        members |= dict(zip(model.names, model.members, strict=True))
    watch = Stopwatch()
    for _ in range(rounds + 1):
        for name, member in members.items():
            given = member.reading.like(batch, vocabulary.start, vocabulary.end)
            watch.time(name, partial(member.predict, given))
        on_round()
    rows: list[tuple[Any, ...]] = []
    for name, member in members.items():
        seconds = watch.seconds(name)
        each = (seconds.median, seconds.least, seconds.most)
        numbers, held = size_of(member), _bytes(member)
        rows.append((name, numbers, held, *(1e6 * s / len(batch.targets) for s in each)))
    heads = [Column(name, 2) for name in ("us a target", "least", "most")]
    return Table.of(
        "Predictions",
        ("model", "numbers", "bytes", *heads),
        rows,
        note="Counted models look numbers up and have no layers: neither formulas of products nor "
        f"a way back apply. All words' probabilities of {len(batch.targets)} targets at a time, "
        f"median of {rounds} rounds. A network among the members has its parts in the run that it "
        "came from.",
    )


def _bytes(model: Predictor) -> int:
    """Of all numbers that a model holds."""
    if isinstance(model, Mixture):
        return sum(map(_bytes, model.members))
    if isinstance(model, LanguageModel):
        return sum(p.numel() * p.element_size() for p in model.parameters())
    if isinstance(model, CountModel):
        return sum(x.numel() * x.element_size() for x in model.tensors().values())
    return 0
