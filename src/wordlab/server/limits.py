"""All that a request is held to, in one place."""

from dataclasses import dataclass

TEXT_CHARACTERS = 100_000
"""Of a text to be scored or tagged."""

TEXT_WORDS = 12_000
"""Of the same text."""

PROMPT_CHARACTERS = 2_000
PROMPT_WORDS = 200

WORD_CHARACTERS = 200
"""Of a word, or of a run's name."""

NEW_WORDS = 60
"""Words that a prompt is continued by."""

SENTENCES = 10
"""Continuations of one prompt."""

COMPLETIONS = 100
LOOKED_UP = 20
"""Words whose neighbours are asked for at once."""

NEIGHBOURS = 50
MAPPED = 2_000
"""Words of a map."""

MAPPED_SLOWLY = 500
"""Words of a map by t-SNE, whose time grows with their square."""

UNITS = 50
"""Hidden units that are asked for at once."""

CONTEXTS = 10
"""Places of a text where a unit is highest, and lowest."""

CONTEXT_TOKENS = 20_000
"""Of a run's own text that is searched for them."""

HELD_ALONE = 10
"""Hidden units that are switched off one at a time."""

MEASURED_WORDS = 50_000
"""Of a tagger's own text that is read without each of them."""

MEASURED_TOKENS = 5_000
"""Of a language model's, which has its whole vocabulary to weigh at each."""

HELD_WORDS = 2_000
"""Of a text that is read with units switched off."""

TOKENS_TOGETHER = 1_024
"""Words of several requests that a model is given in one call."""

TOKENS_OF_ONE = 512
"""Words of one request among them: after so many of a long text, others have their turn."""


@dataclass(frozen=True)
class Limits:
    """What a service allows whoever asks.

    Attributes:
        body_bytes: of a request; the rest of a larger one is not read.
        body_seconds: for a request to arrive.
        seconds: for its answer.
        at_once: requests that are answered at the same time; the next ones are sent away.
        gather_seconds: the longest wait for further requests to answer in the same call.
    """

    body_bytes: int = 1 << 20
    body_seconds: float = 10.0
    seconds: float = 30.0
    at_once: int = 64
    gather_seconds: float = 0.004
