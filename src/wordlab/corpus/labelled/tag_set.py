"""The tags that a tagger chooses from, and which may follow which."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.schemes import OUTSIDE, SCHEMES, Meeting, Scheme
from wordlab.corpus.labelled.spans import LabelledSentence


@dataclass(frozen=True)
class Entities:
    """Entities of some sentences, in the order of the text.

    Attributes:
        sentence: number of the sentence of each. [E]
        start, end: its first word in the sentence, and one past its last. [E]
        tag: number of its last tag. [E]
    """

    sentence: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    tag: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sentence)


@dataclass(frozen=True)
class TagSet:
    """Types of entities under a tagging scheme; the first tag is the outside one.

    >>> TagSet("BIOES", ("PER",)).tags
    ('O', 'B-PER', 'I-PER', 'E-PER', 'S-PER')
    """

    scheme: str
    types: tuple[str, ...]

    @cached_property
    def _scheme(self) -> Scheme:
        return SCHEMES[self.scheme]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags, in the order of their numbers."""
        return (OUTSIDE, *(tag for kind in self.types for tag in self._scheme.tags_of(kind)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Tag to number."""
        return {tag: at for at, tag in enumerate(self.tags)}

    @cached_property
    def legal(self) -> NDArray[np.bool_]:
        """Whether a tag (row) may be followed by another (column). [L, L]"""
        legal: NDArray[np.bool_] = self._meetings != _KINDS[Meeting.ILLEGAL]
        return legal

    @cached_property
    def joined(self) -> NDArray[np.bool_]:
        """Whether a tag goes on with the entity of the one before. [L, L]"""
        joined: NDArray[np.bool_] = self._meetings == _KINDS[Meeting.JOINED]
        return joined

    @property
    def may_begin(self) -> NDArray[np.bool_]:
        """Whether a tag may be a sentence's first. [L]"""
        return np.array(self.legal[0])

    @property
    def may_end(self) -> NDArray[np.bool_]:
        """Whether a tag may be a sentence's last. [L]"""
        return np.array(self.legal[:, 0])

    @cached_property
    def _meetings(self) -> NDArray[np.int8]:
        parsed = [self._scheme.parse(tag) for tag in self.tags]
        kinds = [
            [_KINDS[self._scheme.meeting(a, b)] for b in parsed if b is not None]
            for a in parsed
            if a is not None
        ]
        return np.array(kinds, dtype=np.int8)

    def encode(self, sentence: LabelledSentence) -> list[int]:
        """The numbers of a sentence's tags.

        Under bare labels, entities of a type that touch become one.

        Raises:
            KeyError: for a type that is none of the set.
        """
        if "" in self._scheme.letters:
            tags = [OUTSIDE] * len(sentence.words)
            for start, end, kind in sentence.spans:
                tags[start:end] = [kind] * (end - start)
        else:
            tags = self._scheme.tags(sentence.spans, len(sentence.words))
        return [self.numbers[tag] for tag in tags]

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The type of entity that each tag is of; empty for the outside tag. [L]"""
        parsed = [self._scheme.parse(tag) for tag in self.tags]
        return tuple(tag.type for tag in parsed if tag is not None)

    def entities(self, tags: NDArray[np.int64], lengths: NDArray[np.int64]) -> Entities:
        """The entities that tags spell out; what is not well formed is read all the same.

        Args:
            tags: of all words, sentence after sentence. [N]
            lengths: of the sentences, each at least 1. [S]
        """
        begins = np.cumsum(lengths) - lengths
        is_first = np.zeros(len(tags), dtype=bool)
        is_first[begins] = True
        parts = np.ones(len(tags) + 1, dtype=bool)  # whether no entity goes on to a word
        parts[1:-1] = ~self.joined[tags[:-1], tags[1:]]
        parts[:-1] |= is_first
        firsts = np.flatnonzero(parts[:-1] & (tags != 0))
        lasts = np.flatnonzero(parts[1:] & (tags != 0))
        sentence = np.searchsorted(begins, firsts, side="right") - 1
        return Entities(
            sentence, firsts - begins[sentence], lasts + 1 - begins[sentence], tags[lasts]
        )


_KINDS = {kind: number for number, kind in enumerate(Meeting)}
