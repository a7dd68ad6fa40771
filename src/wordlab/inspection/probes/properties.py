"""Properties of words that need no labelled file."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from wordlab.corpus.labelled.word_labels import WordLabels
from wordlab.errors import WordlabError
from wordlab.inspection.probes.activations import read_words
from wordlab.registry import Registry
from wordlab.runs.run import CORPUS, Run
from wordlab.runs.tagger_run import TaggerRun

PropertyOf = Callable[[Sequence[str], Sequence[int]], list[str]]
"""The words of a sentence, and how often training has each -> a label for each."""

PROPERTIES: Registry[PropertyOf] = Registry("property")

NO_SPELLING = "unknown"
"""The label of a word whose spelling is lost."""


@PROPERTIES.register("length")
def by_length(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    """By characters: 1-2, 3-4, 5-7, or more."""
    return [_band(len(word), (1, 3, 5, 8)) for word in words]


@PROPERTIES.register("capital")
def by_capital(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    """By letters: all small, a capital first, all capitals, otherwise, or none."""
    return [_capitals(word) for word in words]


@PROPERTIES.register("frequency-band")
def by_frequency(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    """By how often the training text has the word: 0-9, 10-99, 100-999 times, or more."""
    return [_band(count, (0, 10, 100, 1000)) for count in counts]


@PROPERTIES.register("position")
def by_position(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    """By place in the sentence: 1, 2, 3-4, 5-8, 9-16, or later."""
    return [_band(place, (1, 2, 3, 5, 9, 17)) for place in range(1, len(words) + 1)]


def property_of(
    run: Run | TaggerRun, name: str, sentences: Sequence[Sequence[str]] | None = None
) -> WordLabels:
    """Label words with a property of theirs.

    Args:
        name: of `PROPERTIES`.
        sentences: None for the run's own validation text.

    Raises:
        WordlabError: where there is no such property, or no text in the run's folder.
    """
    if name not in PROPERTIES:
        raise WordlabError(PROPERTIES.refusal(name), where="--property-of")
    label = PROPERTIES[name]
    source = "the run's validation text" if sentences is None else "the text"
    rows = tuple(map(tuple, _validation(run) if sentences is None else sentences))
    counts = read_words(run, rows).counts.tolist()
    lost = "" if isinstance(run, TaggerRun) else run.vocabulary.words[run.vocabulary.unknown]
    ends = accumulate(map(len, rows), initial=0)
    labels = [
        tuple(
            NO_SPELLING if word == lost and name in {"length", "capital"} else found
            for word, found in zip(words, label(words, counts[first:last]), strict=True)
        )
        for words, (first, last) in zip(rows, pairwise(ends), strict=True)
    ]
    return WordLabels(name, f"the {name} of the words of {source}", rows, tuple(labels))


def _validation(run: Run | TaggerRun) -> list[list[str]]:
    if isinstance(run, TaggerRun):
        if not (run.path / CORPUS).exists():
            raise WordlabError("holds no text", where=str(run.path), mend="give one with --text")
        return [list(sentence.words) for sentence in run.sentences("validation")]
    sentences = run.store("validation").sentences()
    return [run.vocabulary.decode(ids.tolist()) for ids in sentences if len(ids)]


def _band(value: int, firsts: Sequence[int]) -> str:
    """The band that a number is in, where bands begin at `firsts`.

    >>> [_band(value, (0, 10, 100)) for value in (9, 10, 500)]
    ['0-9', '10-99', 'from 100']
    """
    begun = [first for first in firsts if first <= value]
    if len(begun) == len(firsts):
        return f"from {firsts[-1]}"
    low, high = begun[-1], firsts[len(begun)] - 1
    return str(low) if low == high else f"{low}-{high}"


def _capitals(word: str) -> str:
    if word.lower() == word.upper():
        return "no letter"
    if word == word.lower():
        return "small"
    if word == word.upper() and len(word) > 1:
        return "all capitals"
    return "capital first" if word[0] != word[0].lower() else "otherwise"
