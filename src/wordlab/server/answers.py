"""What is answered: every figure by name."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Figure = Annotated[float | None, Field(description="null where it is infinite or not predicted")]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(use_attribute_docstrings=True, ser_json_inf_nan="null")


class VocabularyAnswer(Answer):
    """Which words a language model knows; figures of different vocabularies do not compare."""

    size: int
    hash: str


class RunAnswer(Answer):
    """A served run."""

    name: str
    kind: Literal["language model", "tagger"]
    model: str
    """The model's family."""
    views: list[str]
    """What may be asked of it: the last parts of addresses."""
    protocol: str
    """How a language model reads a text."""
    tokens: str
    """How its training text became words."""
    fewest_words: int
    """Words of a prompt that it needs at least."""
    vocabulary: VocabularyAnswer | None
    types: list[str]
    """Of a tagger's entities."""


class RunsAnswer(Answer):
    """All served runs, in the order of the command line."""

    runs: list[RunAnswer]


class HealthAnswer(Answer):
    """That the service answers."""

    status: Literal["ok"] = "ok"
    version: str
    runs: int


class WordAnswer(Answer):
    """What a language model says of one word."""

    line: int
    sentence: int
    position: int
    word: str
    """As the text spells it."""
    scored: str
    """As the model predicted it."""
    unknown: bool
    """Outside the vocabulary: the figures are those of all unknown words together."""
    nats: Figure
    bits: Figure
    entropy_nats: Figure
    rank: int | None


class TotalsAnswer(Answer):
    """What a text adds up to, end markers included."""

    sentences: int
    words: int
    unknown_words: int
    targets: int
    """Words and end markers that were predicted."""
    nats: Figure
    bits: Figure
    nats_per_target: Figure
    perplexity: Figure
    perplexity_known: Figure
    """Over the targets other than the unknown word."""


class ScoreAnswer(Answer):
    """A text word by word, and as a whole."""

    run: str
    protocol: str
    """How the text was read and what was predicted."""
    adaptation: str
    """What the model takes from the text itself; empty for nothing."""
    vocabulary: VocabularyAnswer
    totals: TotalsAnswer
    words: list[WordAnswer]


class EntityAnswer(Answer):
    """An entity: text[start:end], in characters (Unicode code points) of the whole text."""

    text: str
    type: str
    probability: float
    start: int
    end: int
    first_word: int
    last_word: int
    """Both are words of the sentence, from 0; the last is included."""


class SentenceAnswer(Answer):
    """A line of the text."""

    start: int
    end: int
    words: list[str]
    entities: list[EntityAnswer]


class TagAnswer(Answer):
    """The sentences of a text with their entities; lines without a word are left out."""

    run: str
    sentences: list[SentenceAnswer]


class ContinuationAnswer(Answer):
    """A continued prompt."""

    text: str
    words: list[str]
    """The new ones."""
    nats: list[Figure]
    """Of each new word, and of the end marker if it came, before temperature and filters."""
    total_nats: Figure
    ended: bool
    """Whether the end marker came."""


class GenerateAnswer(Answer):
    """Continuations of a prompt."""

    run: str
    prompt: list[str]
    continuations: list[ContinuationAnswer]


class CompletionAnswer(Answer):
    """A word that may come next."""

    word: str
    probability: float
    """Given the prompt, of all words."""
    share: float
    """Given the prompt and that the word begins as typed."""


class CompleteAnswer(Answer):
    """The most probable next words that begin as typed."""

    run: str
    prefix: str
    """In the form in which the model knows words."""
    mass: float
    """The probability of all words that begin so, markers left out."""
    unknown: float
    """The probability of an unknown word."""
    end: float
    """The probability that the sentence ends."""
    completions: list[CompletionAnswer]


class NeighbourAnswer(Answer):
    """A word near another: the cosine of their angle, or their distance."""

    word: str
    neighbour: str
    rank: int
    value: float


class NeighboursAnswer(Answer):
    """The nearest words by the model's word vectors."""

    run: str
    metric: str
    among: int
    neighbours: list[NeighbourAnswer]


class PlaceAnswer(Answer):
    """A word on a map."""

    word: str
    x: float
    y: float
    rank: int
    count: int
    """In the training text."""


class MapAnswer(Answer):
    """The most frequent words, laid out in the plane."""

    run: str
    method: str
    words: list[PlaceAnswer]


class RankedWordAnswer(Answer):
    """A word, what it adds to a unit, and how often training has it."""

    word: str
    score: float
    count: int


class PositionAnswer(Answer):
    """The words that move a unit most from a position of its window."""

    position: int
    name: str
    top: list[RankedWordAnswer]
    bottom: list[RankedWordAnswer]


class ContextAnswer(Answer):
    """A place of a text where a unit is highest or lowest; the word in brackets was read last."""

    end: Literal["highest", "lowest"]
    value: float
    text: str


class NeuronAnswer(Answer):
    """A hidden unit."""

    unit: int
    outgoing: float
    """Length of its weights into what stands above it."""
    positions: list[PositionAnswer]
    """Of networks that read windows: by W[unit, position] . L[word] of the first layer, exactly."""
    contexts: list[ContextAnswer]
    """By the values of the last hidden layer."""


class NeuronsAnswer(Answer):
    """Hidden units with their words and contexts."""

    run: str
    units: int
    """How many there are."""
    text: str
    """Where the contexts are from."""
    neurons: list[NeuronAnswer]


class ChangeAnswer(Answer):
    """A word before and after units were held; of a tagger's or of a language model's figures."""

    sentence: int
    position: int
    word: str
    nats: Figure = None
    nats_held: Figure = None
    rank: int | None = None
    rank_held: int | None = None
    type: str | None = None
    """Of the entity that it is part of; empty for none."""
    type_held: str | None = None
    probability: float | None = None
    probability_held: float | None = None


class AblateAnswer(Answer):
    """What switching units off changes in a text, word by word."""

    run: str
    units: list[int]
    values: list[float]
    """What each was held at."""
    perplexity: Figure
    perplexity_held: Figure
    """Of language models: over the same words, ends of sentences among them."""
    types_changed: int | None
    """Of taggers: words that are part of another entity type, or no longer of one."""
    words: list[ChangeAnswer]


class ClassAnswer(Answer):
    """A figure of a class: an entity type, a band of words by frequency, or all together."""

    name: str
    count: int
    """True words or entities of the class; words of a band."""
    whole: float
    """With all units."""
    changes: list[float]
    """With each unit held, less that with all."""


class FigureAnswer(Answer):
    """What is measured of each class."""

    figure: Literal["F1 of words", "F1 of entities", "nats a token"]
    classes: list[ClassAnswer]
    """The last is all together."""


class EffectsAnswer(Answer):
    """What each class loses without a unit."""

    run: str
    text: str
    """On which it was measured."""
    held: str
    """At what units were held."""
    units: list[int]
    figures: list[FigureAnswer]
