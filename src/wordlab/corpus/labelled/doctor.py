"""The doctor for labelled files: what they hold, what is wrong with them, and how to mend it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from wordlab.config import NameIn, Settings
from wordlab.corpus.labelled.column_checks import CHECKS, Examination, needless_letters
from wordlab.corpus.labelled.columns import Columns, read_columns
from wordlab.corpus.labelled.doubts import LOOKS, Placed
from wordlab.corpus.labelled.faults import UNSEEN, Fault
from wordlab.corpus.labelled.naming import name_scheme
from wordlab.corpus.labelled.records import read_records
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.readers import STANDARD_INPUT, open_bytes
from wordlab.corpus.text import TOKENIZERS, require_file
from wordlab.errors import WordlabError


class LabelledSettings(Settings):
    """How labelled files are read; what is left out is found out, file by file."""

    scheme: Annotated[str, NameIn(SCHEMES)] | None = None
    """Tagging scheme of files in columns."""
    word_column: int | None = Field(default=None, ge=1)
    """Column of the words, from 1."""
    tag_column: int | None = Field(default=None, ge=1)
    """Column of the tags, from 1."""
    tokens: Annotated[str, NameIn(TOKENIZERS)] = "words"
    """How the text of JSON lines becomes words, where a record does not bring them along."""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found in a file.

    Attributes:
        kind: "columns", or the shape of its JSON lines.
        scheme: the tagging scheme of columns; empty for JSON lines.
        why: the evidence for it, in words.
        columns: how the columns were read; None for JSON lines.
        sentences: those that can be read, as they would be after a repair.
        faults: what keeps the file from being read, in the order of its lines.
        doubts: what only a person can judge.
    """

    path: str
    kind: str
    scheme: str
    why: str
    columns: Columns | None
    sentences: tuple[LabelledSentence, ...]
    faults: tuple[Fault, ...]
    doubts: tuple[Fault, ...]

    def types(self) -> dict[str, int]:
        """How many entities of each type there are, the most frequent first."""
        found = Counter(span.type for sentence in self.sentences for span in sentence.spans)
        return dict(found.most_common())


def diagnose(
    path: str | Path, settings: LabelledSettings | None = None, *, doubts: bool = True
) -> Diagnosis:
    """Examine a labelled file.

    Args:
        doubts: look also for what is no fault but worth a look.

    Raises:
        WordlabError: where the file cannot be read at all.
    """
    settings = settings or LabelledSettings()
    if str(path) == STANDARD_INPUT:
        raise WordlabError("labelled text is read from files", where="-", mend="name a file")
    require_file(path)
    is_json = _begins_with_brace(path)
    found = _diagnose_records(path, settings) if is_json else _diagnose_columns(path, settings)
    placed, diagnosis = found
    looks = [fault for look in LOOKS for fault in look(placed)] if doubts else []
    return replace(
        diagnosis,
        faults=tuple(sorted(diagnosis.faults, key=_place)),
        doubts=tuple(sorted([*diagnosis.doubts, *looks], key=_place)),
    )


def read_labelled(
    paths: Sequence[str | Path], settings: LabelledSettings | None = None
) -> list[LabelledSentence]:
    """Read the sentences of labelled files, all of them or none.

    Documents are numbered on from file to file. Unseen characters in words are read as they stand.

    Raises:
        WordlabError: at the first other fault of a file, with the number of its faults.
    """
    sentences: list[LabelledSentence] = []
    for path in paths:
        found = diagnose(path, settings, doubts=False)
        faults = [fault for fault in found.faults if fault.kind != UNSEEN]
        if faults:
            first, count = faults[0], len(faults)
            others = "the only fault" if count == 1 else f"the first of {count:,} faults"
            raise WordlabError(
                f"{first.what}; {first.mend} ({others})",
                where=f"{path}:{first.line}:{first.column}",
                mend=f"see them with wordlab check {path}, mend them with --repair",
            )
        before = sentences[-1].document + 1 if sentences else 0
        sentences += [replace(s, document=s.document + before) for s in found.sentences]
    return sentences


def _place(fault: Fault) -> tuple[int, int]:
    return fault.line, fault.column


def _begins_with_brace(path: str | Path) -> bool:
    with open_bytes(path) as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _diagnose_columns(
    path: str | Path, settings: LabelledSettings
) -> tuple[list[Placed], Diagnosis]:
    columns = read_columns(path, word_column=settings.word_column, tag_column=settings.tag_column)
    tags = [columns.tags(block) for block in columns.blocks]
    # Sentences with a ragged row do not say how the others are tagged: a repair may leave them out.
    whole = [columns.tags(block) for block in columns.blocks if columns.is_whole(block)]
    scheme, why = name_scheme(whole or tags)
    if settings.scheme is not None:
        scheme, why = SCHEMES[settings.scheme], "as told"
    examination = Examination(columns, scheme, tags)
    faults = tuple(fault for check in CHECKS for fault in check(examination))
    placed = examination.sentences()
    sentences = tuple(sentence for sentence, _ in placed)
    doubts = tuple(needless_letters(examination))
    return placed, Diagnosis(
        str(path), "columns", scheme.name, why, columns, sentences, faults, doubts
    )


def _diagnose_records(
    path: str | Path, settings: LabelledSettings
) -> tuple[list[Placed], Diagnosis]:
    records = read_records(path, settings.tokens)
    sentences = tuple(sentence for sentence, _ in records.sentences)
    return list(records.sentences), Diagnosis(
        str(path),
        records.shape.name,
        "",
        "each line is a JSON object",
        None,
        sentences,
        records.faults,
        records.doubts,
    )
