"""Models with some units switched off, or held at a value: models like any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from wordlab.batching.batch import Batch
from wordlab.batching.tagging import TagBatch
from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.inspection.units.layers import (
    AnyRun,
    count_of_units,
    network_of,
    require_units,
)
from wordlab.inspection.units.texts import ModelText, TaggerText, mean_values
from wordlab.models.cost import LayerCost
from wordlab.models.language_model import Encoded, Encoder, LanguageModel
from wordlab.models.taggers.tagger import TagEncoder, Tagger
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import Line, TaggedSentence, TaggerRun
from wordlab.table import Column, Table

R = TypeVar("R", Run, TaggerRun)

Change = Callable[[Tensor], Tensor]

OFF, MEAN = "zero", "mean"


@dataclass(frozen=True)
class Hold:
    """Units of the last hidden layer, each held at a value wherever the output reads it.

    Within a recurrent network they go on as they were: the output alone does without them, so that
    nothing below it is worked out anew.
    """

    units: tuple[int, ...]
    values: tuple[float, ...]

    def on(self, features: Tensor) -> Tensor:
        """A copy of the features with the units held. [M, F]"""
        held = features.clone()
        held[:, list(self.units)] = held.new_tensor(self.values)
        return held


def hold(run: AnyRun, units: Sequence[int], at: str | float = OFF) -> Hold:
    """Say at which value units are held.

    Args:
        at: "zero", "mean" (of each unit over the training text), or a number.

    Raises:
        WordlabError: for a unit that there is none of, or another value.
    """
    require_units(units, count_of_units(network_of(run)))
    if at == MEAN:
        means = mean_values(run)
        return Hold(tuple(units), tuple(float(means[unit]) for unit in units))
    return Hold(tuple(units), (fixed_value(at),) * len(units))


def fixed_value(at: str | float) -> float:
    """The number that a unit is held at.

    Raises:
        WordlabError: where it is none.
    """
    try:
        value = 0.0 if at == OFF else float(at)
    except ValueError:
        value = float("nan")
    if value - value != 0:  # neither infinite nor none
        raise WordlabError(
            f"{at!r} is no value to hold a unit at; allowed: {OFF}, {MEAN}, or a number",
            where="--clamp",
        )
    return value


class _ChangedEncoder(Encoder):
    """The encoder of a language model with its features changed."""

    def __init__(self, encoder: Encoder, change: Change) -> None:
        super().__init__()
        self.encoder = encoder
        self.reading = encoder.reading
        self.features = encoder.features
        self._change = change

    def embed(self, batch: Batch) -> Tensor:
        return self.encoder.embed(batch)

    def encode(self, x: Tensor, batch: Batch, state: tuple[Tensor, ...] = ()) -> Encoded:
        encoded = self.encoder.encode(x, batch, state)
        return replace(encoded, features=self._change(encoded.features))

    def costs(self) -> list[LayerCost]:
        return self.encoder.costs()

    def word_vectors(self) -> Tensor:
        return self.encoder.word_vectors()


class _ChangedTagEncoder(TagEncoder):
    """The encoder of a tagger with its features changed."""

    def __init__(self, encoder: TagEncoder, change: Change) -> None:
        super().__init__()
        self.encoder = encoder
        self.features = encoder.features
        self._change = change

    def forward(self, x: Tensor, batch: TagBatch) -> Tensor:
        return self._change(self.encoder(x, batch))

    def costs(self) -> list[LayerCost]:
        return self.encoder.costs()

    def project(self, x: Tensor) -> Tensor:
        return self.encoder.project(x)

    def join(self, projected: Tensor, rows: Tensor, batch: TagBatch) -> Tensor:
        return self._change(self.encoder.join(projected, rows, batch))


def with_features_changed(run: R, change: Change) -> R:
    """The run with another last hidden layer: it tags, scores and evaluates as any run does.

    Args:
        change: makes features of features, [M, F] -> [M, F].

    Raises:
        WordlabError: where its model has no units.
    """
    if isinstance(run, TaggerRun):
        tagger = run.model
        other = Tagger(tagger.words, _ChangedTagEncoder(tagger.encoder, change), tagger.output)
        return run.with_model(other.eval())
    model = run.network
    return run.with_model(
        LanguageModel(_ChangedEncoder(model.encoder, change), model.output).eval()
    )


def with_units_held(run: R, held: Hold) -> R:
    """The run with units held: it tags, scores, evaluates and generates as any run does.

    Raises:
        WordlabError: where its model has no units.
    """
    return with_features_changed(run, held.on)


@dataclass(frozen=True)
class TagChange:
    """A word of a text, with the entity that it is part of before and after.

    Attributes:
        type, probability: of its entity with all units on; empty and None where it is in none.
        type_held, probability_held: with units held.
    """

    sentence: int
    position: int
    word: str
    type: str
    probability: float | None
    type_held: str
    probability_held: float | None

    @property
    def size(self) -> float:
        """How much has changed: 1 for another type, else the difference of probabilities."""
        if self.type != self.type_held:
            return 1.0
        return abs((self.probability or 0.0) - (self.probability_held or 0.0))


@dataclass(frozen=True)
class ScoreChange:
    """A word that the reading predicts, with its surprisal before and after.

    Attributes:
        nats, rank: with all units on.
        nats_held, rank_held: with units held.
    """

    sentence: int
    position: int
    word: str
    nats: float
    rank: int
    nats_held: float
    rank_held: int

    @property
    def size(self) -> float:
        """How much has changed: the difference in nats."""
        return abs(self.nats - self.nats_held)


def tag_changes(run: TaggerRun, lines: Sequence[Line], held: Hold) -> list[TagChange]:
    """What switching units off changes in a text that a tagger reads: a row for each word.

    Args:
        lines: sentences, each a string or a list of words.
    """
    pairs = zip(run.tag(lines), with_units_held(run, held).tag(lines), strict=True)
    found = []
    for number, (own, other) in enumerate(pairs, start=1):
        rows = zip(own.words, _entities(own), _entities(other), strict=True)
        found += [
            TagChange(number, position, word, *before, *after)
            for position, (word, before, after) in enumerate(rows, start=1)
        ]
    return found


def _entities(sentence: TaggedSentence) -> list[tuple[str, float | None]]:
    """The type and probability of each word's entity."""
    found: list[tuple[str, float | None]] = [("", None)] * len(sentence.words)
    for entity in sentence.entities:
        length = entity.last_word + 1 - entity.first_word
        own = [(entity.type, entity.probability)] * length
        found[entity.first_word : entity.last_word + 1] = own
    return found


def score_changes(run: Run, text: ModelText, held: Hold) -> list[ScoreChange]:
    """What switching units off changes in a text that a language model scores: a row a word."""
    own, other = (
        score_tokens(each.model, text.store, vocabulary=len(run.vocabulary))
        for each in (run, with_units_held(run, held))
    )
    ids = np.asarray(text.store.ids)
    is_end = ids == text.store.end
    before = np.concatenate([[0], np.cumsum(is_end)[:-1]])
    begins = np.concatenate([[0], np.flatnonzero(is_end) + 1])
    return [
        ScoreChange(
            int(before[at]) + 1,
            int(at - begins[before[at]]) + 1,
            text.words[at],
            float(own.nats[row]),
            int(own.ranks[row]),
            float(other.nats[row]),
            int(other.ranks[row]),
        )
        for row, at in enumerate(own.positions.tolist())
    ]


def changes_of(
    run: AnyRun, text: TaggerText | ModelText, held: Hold
) -> list[TagChange] | list[ScoreChange]:
    """What switching units off changes in a text: `tag_changes` or `score_changes`."""
    if isinstance(run, TaggerRun):
        assert isinstance(text, TaggerText)
        return tag_changes(run, [sentence.words for sentence in text.sentences], held)
    assert isinstance(text, ModelText)
    return score_changes(run, text, held)


def changes_table(
    found: Sequence[TagChange] | Sequence[ScoreChange], held: Hold, most: int = 20
) -> Table:
    """The words that change most, in the order of the text."""
    by_size = sorted(range(len(found)), key=lambda at: (-found[at].size, at))
    chosen = [found[at] for at in sorted(by_size[:most]) if found[at].size > 0]
    names = ", ".join(map(str, held.units))
    values = ", ".join(f"{value:g}" for value in dict.fromkeys(held.values))
    note = (
        f"The {len(chosen)} of {len(found):,} words that change most, with the units {names} held "
        f"at {values} where the output reads them."
    )
    title = "What changes with units held"
    if chosen and isinstance(chosen[0], TagChange):
        heads = ("type", Column("probability", 3), "type, held", Column("probability, held", 3))
        rows = [
            (c.sentence, c.position, c.word, c.type, c.probability, c.type_held, c.probability_held)
            for c in chosen
            if isinstance(c, TagChange)
        ]
        return Table.of(title, ("sentence", "position", "word", *heads), rows, note=note)
    columns = (Column("nats", 3), Column("nats, held", 3), "rank", "rank, held")
    return Table.of(
        title,
        ("sentence", "position", "word", *columns),
        [
            (c.sentence, c.position, c.word, c.nats, c.nats_held, c.rank, c.rank_held)
            for c in chosen
            if isinstance(c, ScoreChange)
        ],
        note=note,
    )
