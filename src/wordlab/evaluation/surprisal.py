"""A row for each word of a text, in its own spelling: surprisal, entropy, rank."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

import numpy as np

from wordlab.batching.batch import Reading
from wordlab.batching.sequences import Stream
from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Sentence, Text
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import TokenScores, score_tokens
from wordlab.models.language_model import Predictor

SENTENCES_AT_ONCE = 2048

EncodedText = Sequence[tuple[Sentence, list[int]]]
"""The sentences of a text, each with the ids of its words."""


@dataclass(frozen=True)
class WordScore:
    """What a model says of one word.

    Attributes:
        line: line of the text where the sentence begins, from 1.
        sentence, position: number of the sentence, and of the word in it, from 1.
        word: as the text spells it.
        scored: the form that the model predicted: a word of the vocabulary or a marker.
        unknown: whether the word is outside the vocabulary; its figures are then those of the
            unknown word's class as a whole.
        nats, bits: surprisal; None where the reading does not predict the word.
        entropy_nats: of the prediction, before the word was seen.
        rank: 1 for the most probable word.
    """

    line: int
    sentence: int
    position: int
    word: str
    scored: str
    unknown: bool
    nats: float | None
    bits: float | None
    entropy_nats: float | None
    rank: int | None

    def as_row(self) -> dict[str, Any]:
        """The fields by name."""
        return vars(self).copy()


def score_words(
    model: Predictor,
    text: Text,
    vocabulary: Vocabulary,
    *,
    end: bool = False,
    reading: Reading | None = None,
) -> Iterator[WordScore]:
    """Yield a row for each word, in the text's order.

    Memory does not grow with the text, unless the model carries something from sentence to sentence
    (a state, a cache): then the text is read whole before the first row.

    Args:
        end: yield a row for the end marker of each sentence too.
        reading: how to read the text; None for the model's own way.
    """
    number = 0
    reading = reading or model.reading
    carries = reading.carries or model.adaptation
    for group in _groups(text, vocabulary, None if carries else SENTENCES_AT_ONCE):
        store = TokenStore.in_memory((ids for _, ids in group), vocabulary)
        scores = score_tokens(
            model, store, vocabulary=len(vocabulary), reading=reading, entropies=True
        )
        yield from _rows(group, scores, vocabulary, number=number, end=end)
        number += len(group)


def score_apart(
    model: Predictor, texts: Sequence[EncodedText], vocabulary: Vocabulary
) -> list[list[WordScore]]:
    """Score several texts in as few calls of the model as can be; none takes from another.

    The rows, those of end markers among them, are the same as if each text were scored alone.
    """
    stores = [TokenStore.in_memory((ids for _, ids in text), vocabulary) for text in texts]
    if model.adaptation:
        every = [
            score_tokens(model, store, vocabulary=len(vocabulary), entropies=True)
            for store in stores
        ]
        firsts = [0] * len(stores)
    else:
        one = replace(TokenStore.joined(stores, vocabulary), files=())
        firsts = [0, *accumulate(map(len, stores))][:-1]
        reading = model.reading
        if isinstance(reading, Stream):
            begins = (first for first, store in zip(firsts, stores, strict=True) if len(store))
            reading = replace(reading, begins=tuple(begins))
        scores = score_tokens(
            model, one, vocabulary=len(vocabulary), reading=reading, entropies=True
        )
        every = [scores] * len(stores)
    return [
        list(_rows(text, scores, vocabulary, first=first, end=True))
        for text, scores, first in zip(texts, every, firsts, strict=True)
    ]


def _rows(
    sentences: EncodedText,
    scores: TokenScores,
    vocabulary: Vocabulary,
    *,
    first: int = 0,
    number: int = 0,
    end: bool,
) -> Iterator[WordScore]:
    """The rows of sentences.

    Args:
        first: where they begin in the text that was scored.
        number: sentences before them.
    """
    tokens = sum(len(ids) + 1 for _, ids in sentences)
    low, high = np.searchsorted(scores.positions, (first, first + tokens))
    columns = (scores.positions, scores.nats, scores.entropies, scores.ranks)
    found = zip(*(column[low:high].tolist() for column in columns), strict=True)
    place, coming = first, next(found, None)
    for sentence, ids in sentences:
        number += 1
        words = [*sentence.words, vocabulary.words[vocabulary.end]]
        for position, (word, index) in enumerate(
            zip(words, [*ids, vocabulary.end], strict=True), start=1
        ):
            nats = entropy = rank = None
            if coming is not None and coming[0] == place:
                _, nats, entropy, rank = coming
                coming = next(found, None)
            place += 1
            if position == len(words) and not end:
                continue
            yield WordScore(
                sentence.line,
                number,
                position,
                word,
                vocabulary.words[index],
                index == vocabulary.unknown,
                nats,
                None if nats is None else nats / math.log(2),
                entropy,
                rank,
            )


def _groups(
    text: Text, vocabulary: Vocabulary, size: int | None
) -> Iterator[list[tuple[Sentence, list[int]]]]:
    """Yield sentences with their ids, so many at a time or a file at a time; never of two files."""
    for part in text.parts():
        sentences = encode_sentences(part, text.form, vocabulary)
        while group := list(islice(sentences, size)):
            yield group
