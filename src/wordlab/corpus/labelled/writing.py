"""Labelled sentences to files: columns in any scheme, and JSON lines; lossless or refused."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wordlab.corpus.labelled.records import RECORD, SHAPES, Chars, Shape, offsets_of, word_offsets
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.errors import WordlabError
from wordlab.registry import Registry

NEW_DOCUMENT = "# newdoc"


@dataclass(frozen=True)
class WritingOptions:
    """How sentences are written.

    Attributes:
        scheme: of columns.
        drop: what may be lost: "columns" (further ones), "comments", "fields" (of entities).
        path: of what is written, for messages.
    """

    scheme: str = "IOB2"
    drop: frozenset[str] = frozenset()
    path: str = ""


Writer = Callable[[Iterable[LabelledSentence], WritingOptions], Iterator[str]]

WRITERS: Registry[Writer] = Registry("format of labelled text")


@WRITERS.register("columns")
def as_columns(sentences: Iterable[LabelledSentence], options: WritingOptions) -> Iterator[str]:
    """Yield the lines of a file with tab-separated columns: word, further columns, tag.

    The JSON object that a sentence came from is kept in a comment, so that the way back is open.

    Raises:
        WordlabError: where the scheme cannot tell two entities apart, or a word holds white space.
    """
    scheme = SCHEMES[options.scheme]
    document, record = 0, None
    for sentence in sentences:
        source = sentence.source
        comments = [] if "comments" in options.drop else list(source.comments)
        marked = any(_marks_document(comment) for comment in comments)
        if source.record and (source.record is not record or sentence.document != document):
            comments.append(RECORD + json.dumps(source.record, ensure_ascii=False))
        if sentence.document != document and not marked:
            comments.insert(0, NEW_DOCUMENT)
        document, record = sentence.document, source.record
        for comment in comments:
            yield comment + ("\n\n" if comment[:1] != "#" else "\n")
        try:
            tags = scheme.tags(sentence.spans, len(sentence.words))
        except ValueError as error:
            raise WordlabError(
                f"the sentence of line {sentence.line}: {error}",
                where=options.path,
                mend="choose another scheme, for example IOB2",
            ) from None
        others = source.columns if "columns" not in options.drop else ()
        for index, (word, tag) in enumerate(zip(sentence.words, tags, strict=True)):
            if any(sign.isspace() for sign in word):
                raise WordlabError(
                    f"the word {word!r} of line {sentence.line} holds white space",
                    where=options.path,
                    mend="JSON lines can hold it",
                )
            yield "\t".join([word, *(others[index] if others else ()), tag]) + "\n"
        yield "\n"


def _marks_document(comment: str) -> bool:
    return comment[:1] != "#" or comment.startswith("# newdoc")


def _refuse_loss(sentence: LabelledSentence, options: WritingOptions, shape: Shape) -> None:
    """Raise WordlabError where a record has no place for what a sentence brings along."""
    source = sentence.source
    others = [other for other in SHAPES.values() if other is not shape]
    has = {
        "columns": any(source.columns),
        "comments": any(c[:1] == "#" and c != NEW_DOCUMENT for c in source.comments),
        "fields": any(other.key_in(source.record) is not None for other in others),
    }
    for name, is_there in has.items():
        if is_there and name not in options.drop:
            raise WordlabError(
                f"the sentence of line {sentence.line} has {name} that {shape.name} cannot hold",
                where=options.path,
                mend=f"to go without them: --drop {name}",
            )


def _as_records(
    sentences: Iterable[LabelledSentence], options: WritingOptions, shape: Shape
) -> Iterator[str]:
    group: list[LabelledSentence] = []
    for sentence in sentences:
        _refuse_loss(sentence, options, shape)
        if group and not _same_record(group[-1], sentence):
            yield _record(group, shape)
            group = []
        group.append(sentence)
    if group:
        yield _record(group, shape)


def _same_record(left: LabelledSentence, right: LabelledSentence) -> bool:
    is_of_one = left.source.record is right.source.record and bool(left.source.record)
    return is_of_one and left.document == right.document


def _record(group: Sequence[LabelledSentence], shape: Shape) -> str:
    """One JSON object of the sentences that came from one, or of a sentence from columns."""
    first = group[0]
    record: dict[str, Any] = dict(first.source.record)
    offsets = [pair for sentence in group for pair in sentence.source.offsets]
    if not record:
        record = {"text": " ".join(first.words)}
        offsets = offsets_of(record["text"], first.words)
        if first.document:
            record["document"] = first.document
    kept = _taken_out(record, shape)
    words = [word for sentence in group for word in sentence.words]
    if "tokens" not in record and offsets != word_offsets(record["text"], "words"):
        record["tokens"] = [
            {"text": word, "start": start, "end": end, "id": number}
            for number, (word, (start, end)) in enumerate(zip(words, offsets, strict=True))
        ]
    items = []
    begin = 0
    for sentence in group:
        for start, end, kind in sentence.spans:
            first_word, last_word = begin + start, begin + end - 1
            chars = Chars(offsets[first_word][0], offsets[last_word][1], kind)
            item = kept.get(chars) or shape.write(chars)
            if shape.name == "prodigy":
                item |= {"token_start": first_word, "token_end": last_word}
            items.append(item)
        begin += len(sentence.words)
    record[shape.keys[0]] = items
    return json.dumps(record, ensure_ascii=False) + "\n"


def _taken_out(record: dict[str, Any], shape: Shape) -> dict[Chars, Any]:
    """Take the entities out of a record; those of this shape say more than where they are."""
    kept = {}
    for other in SHAPES.values():
        key = other.key_in(record)
        if key is not None:
            items = record.pop(key)
            if other is shape:
                kept = {Chars(*shape.read(item)): dict(item) for item in items}
    return kept


def _file_records(shape: Shape) -> None:
    @WRITERS.register(shape.name)
    def write(sentences: Iterable[LabelledSentence], options: WritingOptions) -> Iterator[str]:
        return _as_records(sentences, options, shape)


for _shape in SHAPES.values():
    _file_records(_shape)
