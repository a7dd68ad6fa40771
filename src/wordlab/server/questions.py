"""What may be asked: the fields of each request, with their limits."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from wordlab.server.limits import (
    COMPLETIONS,
    CONTEXTS,
    HELD_ALONE,
    LOOKED_UP,
    NEIGHBOURS,
    NEW_WORDS,
    PROMPT_CHARACTERS,
    SENTENCES,
    TEXT_CHARACTERS,
    UNITS,
    WORD_CHARACTERS,
)

Tokens = Literal["spaces", "words"]
Name = Annotated[str, Field(max_length=WORD_CHARACTERS)]


class Question(BaseModel):
    """Base of all requests: unknown fields are refused, and no value becomes another."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    run: Name = ""
    """Which of the served runs; empty for the first that has such a view."""


class ScoreQuestion(Question):
    """A text whose words are to be scored."""

    text: Annotated[str, Field(max_length=TEXT_CHARACTERS)]
    """Each line is a sentence."""
    tokens: Tokens | None = None
    """words: punctuation is split off; spaces: it is not; null: as the training text was read."""
    end: bool = False
    """A row for the end marker of each sentence too."""


class TagQuestion(Question):
    """A text whose entities are to be found."""

    text: Annotated[str, Field(max_length=TEXT_CHARACTERS)]
    """Each line is a sentence."""
    tokens: Tokens = "words"
    """words: punctuation is split off; spaces: it is not."""


class PromptQuestion(Question):
    """The beginning of a sentence."""

    prompt: Annotated[str, Field(max_length=PROMPT_CHARACTERS)] = ""
    """The words before, as one sentence."""
    tokens: Tokens | None = None
    """words: punctuation is split off; spaces: it is not; null: as the training text was read."""


class GenerateQuestion(PromptQuestion):
    """How a prompt is to be continued."""

    words: Annotated[int, Field(ge=1, le=NEW_WORDS)] = 10
    """At most so many new words."""
    count: Annotated[int, Field(ge=1, le=SENTENCES)] = 3
    """How many continuations."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 1
    """Equal seeds give equal sentences."""
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0
    """Below 1 sharper, above 1 flatter."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Draw from so many best words."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw from the best words of this mass."""
    unknown: bool = False
    """Allow the unknown word."""
    end: bool = True
    """Allow a sentence to end before."""


class CompleteQuestion(PromptQuestion):
    """The beginning of a sentence, and what is typed of its next word."""

    prefix: Name = ""
    """What is typed of the next word so far."""
    count: Annotated[int, Field(ge=1, le=COMPLETIONS)] = 5
    """How many words."""


class NeighboursQuestion(Question):
    """Words whose nearest words are to be found."""

    words: Annotated[list[Name], Field(min_length=1, max_length=LOOKED_UP)]
    count: Annotated[int, Field(ge=1, le=NEIGHBOURS)] = 10
    """How many neighbours of each."""
    among: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Look among so many of the most frequent words."""
    metric: Literal["cosine", "euclidean"] = "cosine"


Unit = Annotated[int, Field(ge=0, lt=2**31)]


class NeuronsQuestion(Question):
    """Hidden units to look at."""

    units: Annotated[list[Unit], Field(max_length=UNITS)] = []
    """By number, from 0; empty for the five with the largest outgoing weights."""
    top: Annotated[int, Field(ge=1, le=50)] = 10
    """Words at each end."""
    contexts: Annotated[int, Field(ge=0, le=CONTEXTS)] = 3
    """Places of the run's validation text where each is highest, and lowest."""


HeldAt = Literal["zero", "mean"] | Annotated[float, Field(ge=-1e6, le=1e6)]


class AblateQuestion(Question):
    """A text to be read with hidden units held."""

    text: Annotated[str, Field(max_length=TEXT_CHARACTERS)]
    """Each line is a sentence."""
    units: Annotated[list[Unit], Field(min_length=1, max_length=UNITS)]
    """Of the last hidden layer, by number, from 0."""
    at: HeldAt = "zero"
    """What they are held at: zero, each one's mean over the training text, or a number."""
    tokens: Tokens = "words"
    """words: punctuation is split off; spaces: it is not."""


class EffectsQuestion(Question):
    """Hidden units to be switched off, each on its own."""

    units: Annotated[list[Unit], Field(min_length=1, max_length=HELD_ALONE)]
    """Of the last hidden layer, by number, from 0."""
    at: HeldAt = "zero"
    """What each is held at: zero, its mean over the training text, or a number."""
