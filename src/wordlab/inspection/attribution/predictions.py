"""Which words of its context raised or lowered a language model's prediction of a word."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.text import Text
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.attribution.ablation import WAYS, Ablation, By
from wordlab.models.language_model import Predictor
from wordlab.table import Column, Table

SHOWN = 2
"""Words that raised, and that lowered, a prediction, in its row of the table."""

LEAST = 0.005
"""Nats; what changes less is not named in the table."""


@dataclass(frozen=True)
class Influence:
    """What one word of the context did to a prediction.

    Attributes:
        position: of the word in its sentence, from 1.
        word: as the text spells it.
        nats: ln p(target) less the same without this word; above 0, the word raised it.
    """

    position: int
    word: str
    nats: float


@dataclass(frozen=True)
class Candidate:
    """A word that the model thought likely."""

    word: str
    probability: float


@dataclass(frozen=True)
class WordExplanation:
    """A word, how the model predicted it, and from what.

    Attributes:
        position: in its sentence, from 1.
        word: as the text spells it.
        scored: the form that the model predicted: a word of the vocabulary or a marker.
        unknown: whether the word is outside the vocabulary.
        nats, bits: surprisal; None where the reading does not predict the word.
        rank: 1 for the most probable word.
        best: the most probable words, the word itself among them where it is one.
        context: each word before it, in order; without those whose removal leaves a context too
            short for the model's reading.
    """

    position: int
    word: str
    scored: str
    unknown: bool
    nats: float | None
    bits: float | None
    rank: int | None
    best: tuple[Candidate, ...]
    context: tuple[Influence, ...]


@dataclass(frozen=True)
class SentenceExplanation:
    """A sentence, word by word.

    Attributes:
        line: of the text where it begins, from 1.
    """

    line: int
    words: tuple[WordExplanation, ...]


def explain_words(
    model: Predictor,
    text: Text,
    vocabulary: Vocabulary,
    *,
    by: By = "unknown",
    end: bool = False,
) -> Iterator[SentenceExplanation]:
    """Yield each sentence with what its words' predictions came from.

    Args:
        by: how a word is taken out of a context; see `WAYS`.
        end: explain the end marker of each sentence too.
    """
    for sentence, ids in encode_sentences(text.sentences(), text.form, vocabulary):
        found = Ablation.of(model, ids, vocabulary, by)
        spelled = [*sentence.words, vocabulary.words[vocabulary.end]]
        targets = [*ids, vocabulary.end]
        explained = range(len(targets) if end else len(ids))
        yield SentenceExplanation(
            sentence.line,
            tuple(_explain(found, at, spelled, targets[at], vocabulary) for at in explained),
        )


def _explain(
    found: Ablation, at: int, spelled: Sequence[str], target: int, vocabulary: Vocabulary
) -> WordExplanation:
    """What is known of the word at a place of its sentence."""
    word, scored, unknown = spelled[at], vocabulary.words[target], target == vocabulary.unknown
    nats = -float(found.log_probs[at])
    if math.isnan(nats):
        return WordExplanation(at + 1, word, scored, unknown, None, None, None, (), ())
    best = zip(found.best[at], np.exp(found.best_log_probs[at]), strict=True)
    return WordExplanation(
        at + 1,
        word,
        scored,
        unknown,
        nats,
        nats / math.log(2),
        int(found.ranks[at]),
        tuple(Candidate(vocabulary.words[index], float(p)) for index, p in best),
        tuple(
            Influence(place, spelled[place - 1], float(change))
            for place, change in enumerate(found.changes(at), start=1)
            if not np.isnan(change)
        ),
    )


def protocol(by: By) -> str:
    """How words are taken out of contexts, in words."""
    return (
        f"Nats that a word of the context adds to ln p: with it, less without it; {WAYS[by]}, and "
        "the sentence is scored again. Each sentence on its own; the most probable words may be "
        "the word itself."
    )


def explanation_table(sentence: SentenceExplanation, note: str = "") -> Table:
    """A row a word: surprisal, rank, the most probable words, what raised and lowered it."""
    return Table.of(
        f"Line {sentence.line}",
        (
            *("word", "read as", Column("nats", 2), Column("bits", 2), "rank"),
            *("most probable", "raised by", "lowered by"),
        ),
        [
            (
                word.word,
                "" if word.scored == word.word else word.scored,
                *(word.nats, word.bits, word.rank),
                ", ".join(f"{each.word} {each.probability:.3f}" for each in word.best),
                strongest(word.context, 1),
                strongest(word.context, -1),
            )
            for word in sentence.words
        ],
        note=note,
    )


def strongest(context: Sequence[Influence], sign: int) -> str:
    """The words that raised (1) or lowered (-1) a prediction most, the strongest first."""
    chosen = [each for each in context if sign * each.nats >= LEAST]
    chosen.sort(key=lambda each: -abs(each.nats))
    return ", ".join(f"{each.word} {each.nats:+.2f}" for each in chosen[:SHOWN])
