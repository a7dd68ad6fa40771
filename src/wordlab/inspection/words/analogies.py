"""Analogies: a is to b as c is to which word?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordlab.inspection.words.space import WordSpace
from wordlab.table import Column, Table


@dataclass(frozen=True)
class Answer:
    """A word that an analogy may ask for.

    Attributes:
        rank: among the candidates without the three words of the question.
        value: cos(word, b) - cos(word, a) + cos(word, c).
        rank_of_all: among the candidates with the three words.
    """

    word: str
    rank: int
    value: float
    rank_of_all: int


@dataclass(frozen=True)
class Analogy:
    """A question and its answers.

    Attributes:
        question: a, b and c: a is to b as c is to which word?
        answers: without the three words, the best first.
        first_of_all: the best word where the three words are candidates too.
        among: the most frequent words, which the candidates are.
    """

    question: tuple[str, str, str]
    answers: tuple[Answer, ...]
    first_of_all: str
    among: int


def solve_analogy(
    space: WordSpace, question: tuple[str, str, str], *, count: int = 4, among: int = 1000
) -> Analogy:
    """Find the words d with the largest cos(d, b) - cos(d, a) + cos(d, c).

    Source: 3CosAdd (Mikolov et al. 2013; the name is Levy and Goldberg's, 2014).

    Args:
        question: a, b and c.
        among: candidates are so many most frequent words, and the three of the question.

    Raises:
        WordlabError: where a word is not in the vocabulary.
    """
    vocabulary = space.vocabulary
    three = [vocabulary.id_of(word) for word in question]
    frequent = vocabulary.frequent_words(among)
    candidates = list(dict.fromkeys([*frequent, *three]))
    table = _of_length_one(space.vectors[candidates].astype(np.float64))
    a, b, c = _of_length_one(space.vectors[three].astype(np.float64))
    values = table @ b - table @ a + table @ c
    order = np.argsort(-values, kind="stable")
    outside = [rank for rank, at in enumerate(order, start=1) if candidates[at] not in three]
    answers = tuple(
        Answer(
            vocabulary.words[candidates[order[of_all - 1]]],
            rank,
            float(values[order[of_all - 1]]),
            of_all,
        )
        for rank, of_all in enumerate(outside[:count], start=1)
    )
    first = vocabulary.words[candidates[order[0]]]
    return Analogy(question, answers, first, len(frequent))


def _of_length_one(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[np.float64] = np.divide(
        vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0
    )
    return units


def analogy_table(found: Analogy) -> Table:
    """The answers, and what the exclusion of the question's own words hides."""
    a, b, c = found.question
    own = found.first_of_all in found.question
    return Table.of(
        f"{a} is to {b} as {c} is to",
        ("rank", "word", Column("cos sum", 3), "rank with the three words"),
        [(each.rank, each.word, each.value, each.rank_of_all) for each in found.answers],
        note=f"cos(word, {b}) - cos(word, {a}) + cos(word, {c}) among the {found.among:,} most "
        "frequent words, the three of the question left out as is usual; "
        + (
            f"with them, the first would be {found.first_of_all}, a word of the question."
            if own
            else "with them, the first would be the same."
        ),
    )
