"""Continuing a prompt: by drawing words, by the most probable word, or by beam search."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from wordlab.config import Settings
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.generation.filters import temperature, top_k, top_p, without
from wordlab.generation.next_words import NextWords
from wordlab.models.language_model import Predictor

Positive = Annotated[int, Field(ge=1)]

Made = TypeVar("Made")
Asking = Generator[Sequence[Sequence[int]], Tensor, Made]
"""Yields histories, is sent the log-probabilities of the word after each, and returns in the end;
so that what several ask for can be worked out together."""


class GenerationSettings(Settings):
    """How sentences are made."""

    words: Positive = 10
    """At most so many new words; the end marker ends a sentence before."""
    count: Positive = 5
    method: Literal["sample", "greedy", "beam"] = "sample"
    temperature: float = Field(default=1.0, ge=1e-3, le=1e3)
    top_k: Positive | None = None
    top_p: float = Field(default=1.0, gt=0, le=1)
    beam: Positive = 10
    """Sentences kept at each step of beam search."""
    unknown: bool = False
    """Allow the unknown word."""
    end: bool = True
    """Allow the end marker, so that sentences may be shorter."""
    seed: int = Field(default=1, ge=0, lt=2**63)


@dataclass(frozen=True)
class Generated:
    """A continued prompt.

    Attributes:
        prompt: the words it began with, as given.
        words: the new words, without the end marker.
        nats: surprisal of each new word, and of the end marker if it came, under the model itself,
            before temperature and filters.
        ended: whether the end marker came.
    """

    prompt: tuple[str, ...]
    words: tuple[str, ...]
    nats: tuple[float, ...]
    ended: bool

    @property
    def text(self) -> str:
        """Prompt and new words, spaces between."""
        return " ".join((*self.prompt, *self.words))

    @property
    def total_nats(self) -> float:
        """Surprisal of all that was added."""
        return sum(self.nats)


@dataclass(frozen=True)
class _Path:
    ids: tuple[int, ...]
    nats: tuple[float, ...] = ()
    ended: bool = False

    def then(self, index: int, nats: float, end: int) -> "_Path":
        return _Path((*self.ids, index), (*self.nats, nats), index == end)


def generate(
    model: Predictor,
    vocabulary: Vocabulary,
    prompt: Sequence[str],
    prompt_ids: Sequence[int],
    settings: GenerationSettings,
) -> list[Generated]:
    """Continue a prompt `count` times; equal settings and seed give equal sentences.

    Args:
        prompt: the words as given; prompt_ids: their ids.

    Raises:
        WordlabError: where the model's reading never predicts so early in a sentence.
    """
    require_length(model, prompt_ids)
    asking = generating(vocabulary, prompt, prompt_ids, settings)
    expected = NextWords(model, vocabulary)
    try:
        histories = next(asking)
        while True:
            histories = asking.send(expected.after(histories))
    except StopIteration as end:
        made: list[Generated] = end.value
        return made


def generating(
    vocabulary: Vocabulary,
    prompt: Sequence[str],
    prompt_ids: Sequence[int],
    settings: GenerationSettings,
) -> Asking[list[Generated]]:
    """As `generate`, but ask for the log-probabilities of the next words."""
    if len(vocabulary) == len(_ruled_out(vocabulary, settings)):
        raise WordlabError(
            "there is no word to generate: the vocabulary holds markers only",
            mend="allow the end marker or the unknown word",
        )
    search = {"sample": _sample, "greedy": _greedy, "beam": _beam}[settings.method]
    paths = yield from search(vocabulary, tuple(prompt_ids), settings)
    return [
        Generated(
            tuple(prompt),
            tuple(vocabulary.decode(path.ids[len(prompt_ids) : len(path.ids) - path.ended])),
            path.nats,
            path.ended,
        )
        for path in paths
    ]


def require_length(model: Predictor, prompt_ids: Sequence[int]) -> None:
    """Raise WordlabError where the model never predicts the word after so few words."""
    reading = model.reading
    fewest = reading.fewest_words
    if len(prompt_ids) < fewest:
        raise WordlabError(
            f"the prompt has {len(prompt_ids)} words, and this model never predicts before "
            f"word {fewest + 1} of a sentence",
            where="--prompt",
            mend=f"give at least {fewest} words, or train with model.padding=full",
        )


def _ruled_out(vocabulary: Vocabulary, settings: GenerationSettings) -> list[int]:
    ids = [vocabulary.start]
    if not settings.unknown:
        ids.append(vocabulary.unknown)
    if not settings.end:
        ids.append(vocabulary.end)
    return ids


def _sample(
    vocabulary: Vocabulary, prompt: tuple[int, ...], settings: GenerationSettings
) -> Asking[list[_Path]]:
    rng = torch.Generator().manual_seed(settings.seed)
    paths = [_Path(prompt)] * settings.count
    for _ in range(settings.words):
        log_probs = yield [path.ids for path in paths]
        allowed = without(log_probs, _ruled_out(vocabulary, settings))
        allowed = temperature(allowed, settings.temperature)
        if settings.top_k is not None:
            allowed = top_k(allowed, settings.top_k)
        allowed = top_p(allowed, settings.top_p)
        # Every path draws at every step, ended or not, so that one's end moves no other's words.
        drawn = torch.multinomial(allowed.exp(), 1, generator=rng)[:, 0].tolist()
        paths = [
            path if path.ended else path.then(index, -float(log_probs[row, index]), vocabulary.end)
            for row, (path, index) in enumerate(zip(paths, drawn, strict=True))
        ]
    return paths


def _greedy(
    vocabulary: Vocabulary, prompt: tuple[int, ...], settings: GenerationSettings
) -> Asking[list[_Path]]:
    """The one sentence whose every word is the most probable; `count` does not apply."""
    path = _Path(prompt)
    while not path.ended and len(path.nats) < settings.words:
        log_probs = yield [path.ids]
        index = int(without(log_probs, _ruled_out(vocabulary, settings))[0].argmax())
        path = path.then(index, -float(log_probs[0, index]), vocabulary.end)
    return [path]


def _beam(
    vocabulary: Vocabulary, prompt: tuple[int, ...], settings: GenerationSettings
) -> Asking[list[_Path]]:
    """The `count` most probable sentences found with a beam; ties by the order of their ids."""
    width = max(settings.beam, settings.count)
    paths, ended = [_Path(prompt)], list[_Path]()
    for _ in range(settings.words):
        log_probs = yield [path.ids for path in paths]
        log_probs[:, _ruled_out(vocabulary, settings)] = -torch.inf
        best = log_probs.topk(min(width, log_probs.shape[1]), dim=1)
        longer = [
            path.then(int(index), -float(value), vocabulary.end)
            for path, values, indices in zip(paths, best.values, best.indices, strict=True)
            for value, index in zip(values.tolist(), indices.tolist(), strict=True)
            if math.isfinite(value)
        ]
        longer = sorted([*longer, *ended], key=_cost)[:width]
        ended = [path for path in longer if path.ended]
        paths = [path for path in longer if not path.ended]
        if not paths:
            break
    return sorted([*paths, *ended], key=_cost)[: settings.count]


def _cost(path: _Path) -> tuple[float, tuple[int, ...]]:
    return sum(path.nats), path.ids
