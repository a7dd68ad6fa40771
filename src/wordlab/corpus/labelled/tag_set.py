"""The tags that a tagger chooses from, and which may follow which."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.schemes import OUTSIDE, SCHEMES, Meeting, Scheme
from wordlab.corpus.labelled.spans import LabelledSentence, Span


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

    def spans(self, tags: Sequence[int]) -> list[Span]:
        """The entities that tags spell out; what is not well formed is read all the same."""
        return self._scheme.spans([self.tags[tag] for tag in tags], lenient=True)


_KINDS = {kind: number for number, kind in enumerate(Meeting)}
