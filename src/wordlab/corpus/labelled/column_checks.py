"""Checks of labelled columns: each finds one kind of fault, and mends what it finds.

They run in turn, each on the tags as the ones before it would mend them, so that one slip is
reported once.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from wordlab.corpus.labelled.columns import Block, Columns, Row
from wordlab.corpus.labelled.doubts import Placed
from wordlab.corpus.labelled.faults import UNSEEN, Edit, Fault
from wordlab.corpus.labelled.records import with_records
from wordlab.corpus.labelled.schemes import Scheme
from wordlab.corpus.labelled.spans import LabelledSentence, Source
from wordlab.corpus.labelled.tag_spelling import TagSpelling

LONG_SENTENCE = 100
"""Words; a longer one with several full stops inside has lost the blank lines between sentences."""

_STOP = frozenset(".!?")


@dataclass
class Examination:
    """A file under examination.

    Attributes:
        tags: of each block, as mended so far.
        lost: blocks, by number, that no repair can save.
    """

    columns: Columns
    scheme: Scheme
    tags: list[list[str]]
    lost: set[int] = field(default_factory=set)

    def blocks(self) -> Iterator[tuple[int, Block, list[str]]]:
        """The blocks that are whole, with their number and their tags."""
        for number, block in enumerate(self.columns.blocks):
            if number not in self.lost:
                yield number, block, self.tags[number]

    def write(self, number: int, index: int, tag: str) -> Edit:
        """Mend a tag, and return the edit that does so in the file."""
        self.tags[number][index] = tag
        row = self.columns.blocks[number].rows[index]
        return Edit(row.line, "write", tag, self.columns.tag)

    def leave_out(self, number: int, row: Row) -> Edit:
        """Give a block up, and return the edit that does so in the file."""
        self.lost.add(number)
        return Edit(row.line, "leave out")

    def at_tag(self, row: Row) -> int:
        """The column of the line where a row's tag begins."""
        return row.starts[self.columns.tag] if len(row.starts) > self.columns.tag else 1

    def _place(self, block: Block, word: int) -> tuple[int, int]:
        row = block.rows[word]
        return row.line, self.at_tag(row)

    def sentences(self) -> list[Placed]:
        """The blocks that are whole, as they read by now, each word with its place."""
        columns = self.columns
        found = (
            Placed(
                LabelledSentence(
                    tuple(columns.words(block)),
                    tuple(self.scheme.spans(tags)),
                    block.line,
                    block.document,
                    Source(block.comments, columns.others(block)),
                ),
                partial(self._place, block),
            )
            for _, block, tags in self.blocks()
        )
        return list(with_records(found))


def ragged_rows(examination: Examination) -> Iterator[Fault]:
    """Rows with fewer or more columns than the others, or with no word."""
    columns = examination.columns
    for number, block, _ in list(examination.blocks()):
        for row, word in zip(block.rows, columns.words(block), strict=True):
            if len(row.fields) == columns.width and word:
                continue
            what = (
                f"a row of {len(row.fields)} where most have {columns.width} columns"
                if word
                else "there is no word in the row"
            )
            few = len(row.fields) < columns.width
            yield Fault(
                "ragged row",
                row.line,
                row.starts[-1] if row.starts else 1,
                what,
                "add what is missing" if few else "take out what is too much",
                (examination.leave_out(number, row),),
            )


def unseen_characters(examination: Examination) -> Iterator[Fault]:
    """Words that hold characters no one sees, so that they are not the words they look like."""
    columns = examination.columns
    for _, block, _ in examination.blocks():
        for row, word in zip(block.rows, columns.words(block), strict=True):
            hidden = [c for c in word if unicodedata.category(c) in ("Cc", "Cf", "Zs")]
            seen = "".join(c for c in word if c not in hidden)
            if not hidden or not seen:  # nothing is left to be written of a word of these alone
                continue
            code = f"U+{ord(hidden[0]):04X}"
            yield Fault(
                UNSEEN,
                row.line,
                row.starts[columns.word],
                f"{seen!r} holds {code} ({unicodedata.name(hidden[0], 'a control character')})",
                f"write {seen!r}",
                (Edit(row.line, "write", seen, columns.word),),
            )


def misspelt_tags(examination: Examination) -> Iterator[Fault]:
    """Tags that are none of the scheme, or a rare twist of a frequent one."""
    counts = Counter(tag for _, _, tags in examination.blocks() for tag in tags)
    spelling = TagSpelling(examination.scheme, counts)
    for number, block, tags in list(examination.blocks()):
        for index, tag in enumerate(tags):
            if spelling.is_right(tag):
                continue
            kind, meant = spelling.meant(tags, index)
            row = block.rows[index]
            edit = (
                examination.leave_out(number, row)
                if meant is None
                else examination.write(number, index, meant)
            )
            what = f"{tag!r} is no label" if tag else "the label is missing"
            mend = f"write {meant!r}" if meant else "write the label that is meant"
            yield Fault(kind, row.line, examination.at_tag(row), what, mend, (edit,))


def illegal_transitions(examination: Examination) -> Iterator[Fault]:
    """Tags that the scheme does not allow beside their neighbours."""
    scheme = examination.scheme
    for number, block, tags in list(examination.blocks()):
        why = {at: clash.why for at, clash in scheme.clashes(tags) if not clash.needless}
        if not why:
            continue
        read = scheme.tags(scheme.spans(tags, lenient=True), len(tags))
        for at, (old, new) in enumerate(zip(tags, read, strict=True)):
            if old == new:
                continue
            row = block.rows[at]
            what = why.get(at, f"{old!r} is not how {scheme.name} writes the entity")
            edit = examination.write(number, at, new)
            column = examination.at_tag(row)
            yield Fault("illegal transition", row.line, column, what, f"write {new!r}", (edit,))


def lost_ends(examination: Examination) -> Iterator[Fault]:
    """Sentences that run on, since the blank lines between them are missing."""
    columns = examination.columns
    for _, block, _ in examination.blocks():
        words = columns.words(block)
        inner = [
            index
            for index, (word, after) in enumerate(pairwise(words))
            if word in _STOP and after[:1].isupper()
        ]
        no_blanks = not columns.blank_lines and len(columns.blocks) == 1
        if len(inner) < (1 if no_blanks else 3) or (len(words) <= LONG_SENTENCE and not no_blanks):
            continue
        first = block.rows[inner[0]]
        yield Fault(
            "sentence without end",
            first.line,
            1,
            f"a sentence of {len(words):,} words from line {block.line} has {len(inner):,} full "
            "stops inside",
            "put a blank line after each sentence",
            tuple(Edit(block.rows[index].line, "break") for index in inner),
        )


def needless_letters(examination: Examination) -> Iterator[Fault]:
    """Tags that set apart what touches nothing: harmless, and not how the scheme writes it."""
    for _, block, tags in examination.blocks():
        for at, clash in examination.scheme.clashes(tags):
            row = block.rows[at]
            column = examination.at_tag(row)
            yield Fault("needless letter", row.line, column, clash.why, "it is read all the same")


CHECKS: tuple[Callable[[Examination], Iterator[Fault]], ...] = (
    ragged_rows,
    unseen_characters,
    misspelt_tags,
    illegal_transitions,
    lost_ends,
)
