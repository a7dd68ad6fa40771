"""Entities as spans of words, and sentences that carry them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Span(NamedTuple):
    """An entity: the words from `start` up to, not including, `end`, and its type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says of a sentence beside words and entities, kept so that nothing is lost.

    Attributes:
        comments: lines before the sentence, with their #.
        columns: further columns of each word, in the file's order.
        offsets: where each word stands in `record["text"]`: first character and one past the last.
        record: the JSON object that the sentence is of, without its entities.
    """

    comments: tuple[str, ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """Words with their entities.

    Attributes:
        words: as they are spelled.
        spans: in order, none overlapping another.
        line: of the file where it begins, from 1.
        document: number of its document in the file, from 0.
    """

    words: tuple[str, ...]
    spans: tuple[Span, ...]
    line: int = 1
    document: int = 0
    source: Source = field(default_factory=Source)

    def text_of(self, span: Span) -> str:
        """The words of an entity, a space between."""
        return " ".join(self.words[span.start : span.end])
