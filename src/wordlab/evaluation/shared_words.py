"""Models with different vocabularies on the same words: what has to be done to their figures."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.batch import Batch
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.cross_entropy import TokenScores
from wordlab.models.language_model import Predictor, State


def ids_in(other: Vocabulary, own: Vocabulary) -> NDArray[np.int64]:
    """The id in `other` of each word of `own`, or -1; markers go by what they mean. int64 [V]"""
    ids = {word: number for word, number in other.ids.items() if number != other.unknown}
    found = np.array([ids.get(word, -1) for word in own.words], dtype=np.int64)
    found[[own.unknown, own.start, own.end]] = other.unknown, other.start, other.end
    return found


def same_words(a: Vocabulary, b: Vocabulary) -> bool:
    """Whether two vocabularies know the same words, and so mean the same by the unknown word.

    The order of the words, which follows their counts, is of no account to a probability.
    """
    return len(a) == len(b) and bool((ids_in(b, a) >= 0).all())


def shared_words(a: Vocabulary, b: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids in `a` and in `b` of the words that both know, and of the end marker. int64 [S], [S]"""
    in_b = ids_in(b, a)
    known = in_b >= 0
    known[[a.unknown, a.start]] = False
    return np.flatnonzero(known), in_b[known]


class Among(Predictor):
    """A model that is told that the next word is among some: p(w) / sum of p over these words.

    Args:
        model: any model; its distributions are taken whole, then renormalised.
        words: ids that keep a probability; the others have 0. int64 [S]
    """

    def __init__(self, model: Predictor, words: Tensor) -> None:
        self.model = model
        self.words = words
        self.reading = model.reading
        self.adaptation = model.adaptation
        self.segment = model.segment

    @torch.no_grad()
    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities given that the next word is among `words`. [N, V]"""
        whole, state = self.model.predict(batch, state)
        inside = whole[..., self.words]
        renormalised = torch.full_like(whole, -math.inf)
        renormalised[..., self.words] = inside - inside.logsumexp(dim=-1, keepdim=True)
        return renormalised, state


def words_outside(vocabulary: Vocabulary, words: Iterable[str]) -> int:
    """How many distinct words a vocabulary takes for the unknown word."""
    unknown = vocabulary.unknown
    return sum(vocabulary.ids.get(word, unknown) == unknown for word in set(words))


def charged_for_unknown(scores: TokenScores, vocabulary: Vocabulary, outside: int) -> TokenScores:
    """Share the unknown word's probability evenly among the `outside` words it stands for.

    An unknown target costs -ln(p(unknown) / outside). Over the known words and those `outside` the
    probabilities then sum to what they summed to before, so that models with different
    vocabularies, given the same list of words, say how probable the same words are.
    """
    unknown = scores.targets == vocabulary.unknown
    return replace(scores, nats=scores.nats + unknown * math.log(max(outside, 1)))
