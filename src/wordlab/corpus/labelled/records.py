"""Labelled text as JSON lines: doccano's two shapes and Prodigy's, with character offsets.

A record is a document; each line of its text is a sentence.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from wordlab.corpus.labelled.doubts import Placed
from wordlab.corpus.labelled.faults import Edit, Fault
from wordlab.corpus.labelled.spans import LabelledSentence, Source, Span
from wordlab.corpus.readers import read_lines
from wordlab.corpus.text import TOKENIZERS
from wordlab.errors import WordlabError


class Chars(NamedTuple):
    """An entity by characters: from `start` up to, not including, `end`."""

    start: int
    end: int
    type: str


_DERIVED = ("token_start", "token_end", "text")
"""Further fields of an entity that follow from its ends."""

RECORD = "# record = "
"""A comment that holds the JSON object that sentences in columns came from."""


@dataclass(frozen=True)
class Shape:
    """How a kind of record says where its entities are.

    Attributes:
        keys: under which they stand, the first for writing.
        fields: of an entity's object, for start, end and type; None where it is a list of three.
    """

    name: str
    keys: tuple[str, ...]
    fields: tuple[str, str, str] | None

    def key_in(self, record: Mapping[str, Any]) -> str | None:
        """The key of this shape that a record has."""
        for key in self.keys:
            value = record.get(key)
            if isinstance(value, list) and all(self._holds(item) for item in value):
                return key
        return None

    def _holds(self, item: Any) -> bool:
        if self.fields is None:
            return isinstance(item, list) and len(item) == 3
        return isinstance(item, dict)

    def read(self, item: Any) -> tuple[Any, Any, Any]:
        """Start, end and type of an entity, of whatever kind they are."""
        if self.fields is None:
            return item[0], item[1], item[2]
        start, end, kind = (item.get(name) for name in self.fields)
        return start, end, kind

    def write(self, chars: Chars) -> Any:
        """An entity in this shape."""
        if self.fields is None:
            return list(chars)
        return dict(zip(self.fields, chars, strict=True))

    def says_more(self, item: Any) -> bool:
        """Whether an entity's object says more of it than where it is and what."""
        return self.fields is not None and not set(item) <= {*self.fields, *_DERIVED}


SHAPES = {
    "prodigy": Shape("prodigy", ("spans",), ("start", "end", "label")),
    "doccano": Shape("doccano", ("label", "labels"), None),
    "doccano-entities": Shape(
        "doccano-entities", ("entities",), ("start_offset", "end_offset", "label")
    ),
}


@dataclass(frozen=True)
class Records:
    """What a file of JSON lines holds.

    Attributes:
        shape: that of most records.
        sentences: those that can be read.
        faults: what is wrong, in the order of the lines.
    """

    path: str
    shape: Shape
    sentences: tuple[Placed, ...]
    faults: tuple[Fault, ...]
    doubts: tuple[Fault, ...]


def read_records(path: str | Path, tokens: str = "words") -> Records:
    """Read a file of JSON lines; what cannot be read is among the faults.

    Args:
        tokens: the tokenizer for records that do not bring their words along.

    Raises:
        WordlabError: where the file cannot be read or holds no record.
    """
    sentences: list[Placed] = []
    faults: list[Fault] = []
    doubts: list[Fault] = []
    shapes: dict[str, int] = dict.fromkeys(SHAPES, 0)
    documents = 0
    for line, text in read_lines(path, "record", "give each document a line of its own"):
        if not text.strip():
            continue
        record, fault = _parse(line, text)
        if record is None:
            faults += [fault] if fault else []
            continue
        shape = next((s for s in SHAPES.values() if s.key_in(record) is not None), None)
        if shape is not None:
            shapes[shape.name] += 1
        if record.get("answer", "accept") != "accept":
            what = f"the answer is {record['answer']!r}, and its entities are not to be trusted"
            doubts.append(Fault("rejected example", line, 1, what, "leave it out"))
        reader = _RecordReader(line, text, record, shape)
        found = reader.sentences(tokens, documents)
        faults += reader.faults
        sentences += found
        documents += 1
    if not documents and not faults:
        raise WordlabError("there is no record", where=str(path))
    most = max(shapes, key=shapes.__getitem__)
    return Records(str(path), SHAPES[most], tuple(sentences), tuple(faults), tuple(doubts))


def _parse(line: int, text: str) -> tuple[dict[str, Any] | None, Fault | None]:
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        at = error.colno if isinstance(error, json.JSONDecodeError) else 1
        what = f"no JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"
    else:
        if isinstance(record, dict) and isinstance(record.get("text"), str):
            return record, None
        at, what = 1, "there is no text in the record"
    edit = Edit(line, "leave out")
    return None, Fault("broken record", line, at, what, "mend it, or leave it out", (edit,))


class _RecordReader:
    """Reads one record, and gathers what is wrong with it."""

    def __init__(self, line: int, raw: str, record: dict[str, Any], shape: Shape | None) -> None:
        self.line, self.raw, self.record, self.shape = line, raw, record, shape
        self.text: str = record["text"]
        self.key = shape.key_in(record) if shape else None
        self.faults: list[Fault] = []

    def sentences(self, tokens: str, document: int) -> list[Placed]:
        entities = self._entities()
        offsets = self._offsets(tokens)
        if not offsets and not self.faults:
            self._fault("broken record", Chars(0, 0, ""), "there is no word in the text", "")
        starts = {start: word for word, (start, _) in enumerate(offsets)}
        ends = {end: word + 1 for word, (_, end) in enumerate(offsets)}
        spans: list[Span] = []
        for chars in entities:
            if chars.start in starts and chars.end in ends:
                spans.append(Span(starts[chars.start], ends[chars.end], chars.type))
            else:
                shown = self.text[chars.start : chars.end]
                self._fault(
                    "span inside a word",
                    chars,
                    f"{shown!r} does not begin and end where words do",
                    "move its ends to those of words, or give the words (tokens)",
                )
        if self.faults:
            return []
        return self._by_lines(offsets, spans, document)

    def _by_lines(
        self, offsets: Sequence[tuple[int, int]], spans: Sequence[Span], document: int
    ) -> list[Placed]:
        items = self.record.get(self.key or "", [])
        says_more = self.shape is not None and any(map(self.shape.says_more, items))
        others = {k: v for k, v in self.record.items() if says_more or k != self.key}
        found = []
        begin = 0
        for end in range(1, len(offsets) + 1):
            more = end < len(offsets)
            if more and "\n" not in self.text[offsets[end - 1][1] : offsets[end][0]]:
                continue
            if any(span.start < end < span.end for span in spans):
                continue  # an entity that goes over a line's end holds the lines together
            words = tuple(self.text[start:stop] for start, stop in offsets[begin:end])
            own = tuple(
                Span(span.start - begin, span.end - begin, span.type)
                for span in spans
                if begin <= span.start < end
            )
            source = Source(offsets=tuple(offsets[begin:end]), record=others)
            sentence = LabelledSentence(words, own, self.line, document, source)
            found.append(Placed(sentence, partial(self._place, offsets[begin:end])))
            begin = end
        return found

    def _place(self, offsets: Sequence[tuple[int, int]], word: int) -> tuple[int, int]:
        return self.line, offsets[word][0] + 1

    def _entities(self) -> list[Chars]:
        """The entities in order, as far as they are in order."""
        items = self.record[self.key] if self.key and self.shape else []
        found: list[Chars] = []
        for item in items:
            start, end, kind = self.shape.read(item) if self.shape else (0, 0, "")
            whole = isinstance(start, int) and isinstance(end, int)
            if not whole or not 0 <= start < end <= len(self.text):
                what = f"an entity from {start} to {end} in a text of {len(self.text)} characters"
                self._fault("span outside the text", Chars(0, 0, ""), what, "mend its ends")
            elif not isinstance(kind, str) or not kind.strip():
                self._fault(
                    "missing label", Chars(start, end, ""), "an entity without a type", "name it"
                )
            else:
                found.append(self._trimmed(Chars(start, end, kind)))
        found.sort()
        for left, right in pairwise(found):
            if right.start < left.end:
                names = f"{self.text[left.start : left.end]!r} and "
                names += repr(self.text[right.start : right.end])
                self._fault("overlapping spans", right, f"{names} overlap", "keep one of the two")
        return found

    def _trimmed(self, chars: Chars) -> Chars:
        """The entity without white space at its ends, which is a fault that mends itself."""
        shown = self.text[chars.start : chars.end]
        start = chars.start + len(shown) - len(shown.lstrip())
        end = chars.end - (len(shown) - len(shown.rstrip()))
        if (start, end) == (chars.start, chars.end) or start >= end:
            return chars
        self._fault("space in a span", chars, f"{shown!r} begins or ends with a space", "move it")
        return Chars(start, end, chars.type)

    def _offsets(self, tokens: str) -> list[tuple[int, int]]:
        given = self.record.get("tokens")
        if given is None:
            return word_offsets(self.text, tokens)
        try:
            found = [(int(token["start"]), int(token["end"])) for token in given]
        except (TypeError, KeyError, ValueError):
            found = [(-1, -1)]
        inner = [edge for pair in found for edge in pair]
        if inner != sorted(inner) or any(not 0 <= edge <= len(self.text) for edge in inner):
            what = "the tokens have no start and end inside the text, in order"
            self._fault("broken record", Chars(0, 0, ""), what, "mend them, or take them out")
            return []
        return found

    def _fault(self, kind: str, chars: Chars, what: str, mend: str) -> None:
        edit = Edit(self.line, "leave out")
        if kind == "space in a span":
            edit = Edit(self.line, "record", self._with_trimmed_spans())
        column = chars.start + 1
        self.faults.append(Fault(kind, self.line, column, what, mend or "leave it out", (edit,)))

    def _with_trimmed_spans(self) -> str:
        items = []
        for item in self.record[self.key] if self.key and self.shape else []:
            start, end, kind = self.shape.read(item) if self.shape else (0, 0, "")
            if isinstance(start, int) and isinstance(end, int) and isinstance(kind, str):
                shown = self.text[start:end]
                start += len(shown) - len(shown.lstrip())
                end -= len(shown) - len(shown.rstrip())
                new = self.shape.write(Chars(start, end, kind)) if self.shape else item
                item = {**item, **new} if isinstance(item, dict) else new
            items.append(item)
        return json.dumps({**self.record, str(self.key): items}, ensure_ascii=False)


def word_offsets(text: str, tokens: str) -> list[tuple[int, int]]:
    """Where a tokenizer's words stand in a text: first character and one past the last."""
    return offsets_of(text, TOKENIZERS[tokens](text))


def offsets_of(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where words that follow one another stand in a text: first character and one past."""
    found = []
    at = 0
    for word in words:
        at = text.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


def bounds_of(text: str, words: Sequence[str], spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Where entities stand in the text that their words were read from, in characters."""
    if not spans:
        return []
    if text == " ".join(words):  # the usual case, worked out without a look at each word
        lasts = list(accumulate(map(len, words)))
        return [
            (lasts[start] + start - len(words[start]), lasts[end - 1] + end - 1)
            for start, end, _ in spans
        ]
    offsets = offsets_of(text, words[: spans[-1].end])
    return [(offsets[start][0], offsets[end - 1][1]) for start, end, _ in spans]


def with_records(sentences: Iterable[Placed]) -> Iterator[Placed]:
    """Give sentences in columns back the JSON objects that their comments hold.

    An object belongs to the sentence below it and to those that follow, as long as their words
    stand in its text.
    """
    record: dict[str, Any] = {}
    document, at = -1, 0
    for sentence, place in sentences:
        source = sentence.source
        held = next((c for c in source.comments if c.startswith(RECORD)), None)
        if held is not None:
            record, at = _parse(0, held.removeprefix(RECORD))[0] or {}, 0
        elif sentence.document != document:
            record = {}
        document = sentence.document
        offsets = _offsets_in(record.get("text", ""), sentence.words, at)
        if offsets:
            at = offsets[-1][1]
            comments = tuple(comment for comment in source.comments if comment != held)
            source = Source(comments, source.columns, tuple(offsets), record)
            sentence = replace(sentence, source=source)
        else:
            record = {}
        yield Placed(sentence, place)


def _offsets_in(text: str, words: Sequence[str], at: int) -> list[tuple[int, int]]:
    """Where words stand one after another with white space only between; empty if they do not."""
    found = []
    for word in words:
        start = text.find(word, at)
        if start < 0 or text[at:start].strip():
            return []
        at = start + len(word)
        found.append((start, at))
    return found
