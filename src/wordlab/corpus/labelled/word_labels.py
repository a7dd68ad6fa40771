"""Words with one label each, from a file in columns."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wordlab.corpus.labelled.columns import Columns, Row, read_columns
from wordlab.corpus.text import require_file
from wordlab.errors import WordlabError


@dataclass(frozen=True)
class WordLabels:
    """Sentences of words, and a label for each word.

    Attributes:
        name: of the property.
        how: how the labels were come by, in words.
    """

    name: str
    how: str
    sentences: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[str, ...], ...]

    def only(self, chosen: Iterable[int]) -> "WordLabels":
        """Some of the sentences."""
        numbers = list(chosen)
        return WordLabels(
            self.name,
            self.how,
            tuple(self.sentences[at] for at in numbers),
            tuple(self.labels[at] for at in numbers),
        )


def read_word_labels(
    path: str | Path, *, word_column: int | None = None, label_column: int | None = None
) -> WordLabels:
    """Read a file with a word and its label in each row, blank lines between sentences.

    Columns stand between tabs, or else white space. Labels are taken as they stand.

    Args:
        word_column, label_column: from 1; None to find out: the words are in the first column, or
            the second where the first numbers the words; the labels in the last.

    Raises:
        WordlabError: where the file cannot be read, or at the first row that has not as many
            columns as most.
    """
    require_file(path)
    columns = read_columns(path, word_column=word_column, tag_column=label_column)
    label = columns.width if label_column is None else label_column
    if label == columns.word + 1:
        raise WordlabError(
            f"column {label} holds the words; the labels must be in another",
            where=str(path),
            mend=f"allowed: 1 to {columns.width}",
        )
    for block in columns.blocks:
        for row in block.rows:
            _require_whole(row, columns)
    separator = "tabs" if columns.separator == "\t" else "white space"
    return WordLabels(
        f"{path}, column {label}",
        f"words in column {columns.word + 1}, labels in column {label} of {columns.width}, "
        f"between {separator}",
        tuple(tuple(columns.words(block)) for block in columns.blocks),
        tuple(tuple(row.fields[label - 1] for row in block.rows) for block in columns.blocks),
    )


def _require_whole(row: Row, columns: Columns) -> None:
    """Raise WordlabError at the place where a row has too few columns, too many, or an empty."""
    found, most = len(row.fields), columns.width
    empty = next((at for at, field in enumerate(row.fields) if not field), None)
    if found == most and empty is None:
        return
    if found > most:
        column = row.starts[most]
    else:
        column = len(row.text) + 1 if empty is None else row.starts[empty]
    what = f"the row has {found} columns where most have {most}"
    raise WordlabError(
        what if found != most else "the row has an empty column",
        where=f"{columns.path}:{row.line}:{column}",
        mend="give every row a word and its label",
    )
