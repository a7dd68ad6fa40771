"""A text: files, how they break into sentences and words, and the forms of the words."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from wordlab.config import NameIn, Settings, validate
from wordlab.corpus.readers import STANDARD_INPUT, line_too_long, read_pieces
from wordlab.corpus.word_forms import WORD_FORMS, WordForm
from wordlab.errors import WordlabError
from wordlab.registry import Registry

Tokenizer = Callable[[str], list[str]]
Layout = Callable[[str | Path, Tokenizer], Iterator["Sentence"]]

TOKENIZERS: Registry[Tokenizer] = Registry("tokenizer")
LAYOUTS: Registry[Layout] = Registry("layout")

_WORD = re.compile(r"\w+(?:['\u2019.,-]\w+)*|[^\w\s]")
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u201d\u2019)\]]*$")
_CLOSING = frozenset("\"'\u201d\u2019)]}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words of one sentence as they are spelled, and the line (from 1) where it begins."""

    words: list[str]
    line: int


TOKENIZERS.register("spaces")(str.split)


@TOKENIZERS.register("words")
def split_words(text: str) -> list[str]:
    """Words and punctuation marks apart; apostrophes, hyphens and figures stay inside a word.

    >>> split_words("It's 3.5 km, isn't it?")
    ["It's", '3.5', 'km', ',', "isn't", 'it', '?']
    """
    return _WORD.findall(text)


@LAYOUTS.register("lines")
def one_sentence_a_line(path: str | Path, tokenize: Tokenizer) -> Iterator[Sentence]:
    """Each line is a sentence; lines without a word are passed over.

    Raises:
        WordlabError: where a line is longer than PIECE_BYTES: that is no sentence.
    """
    for line, text, whole in read_pieces(path):
        if not whole:
            raise line_too_long(path, line)
        if words := tokenize(text):
            yield Sentence(words, line)


@LAYOUTS.register("columns")
def first_column(path: str | Path, tokenize: Tokenizer) -> Iterator[Sentence]:
    """A word a line, with or without further columns, which are passed over (CoNLL).

    A blank line or one that begins with -DOCSTART- ends a sentence; words are not split further.

    Raises:
        WordlabError: where a line is longer than PIECE_BYTES.
    """
    words: list[str] = []
    begin = 0
    for line, text, whole in read_pieces(path):
        if not whole:
            raise line_too_long(path, line)
        fields = text.split(maxsplit=1)
        if not fields or fields[0] == "-DOCSTART-":
            if words:
                yield Sentence(words, begin)
            words = []
            continue
        begin = begin if words else line
        words.append(fields[0])
    if words:
        yield Sentence(words, begin)


@LAYOUTS.register("every-line")
def every_line_a_sentence(path: str | Path, tokenize: Tokenizer) -> Iterator[Sentence]:
    """Each line is a sentence, a blank line one without words, as WikiText's figures count them."""
    for line, text, whole in read_pieces(path):
        if not whole:
            raise line_too_long(path, line)
        yield Sentence(tokenize(text), line)


@LAYOUTS.register("running")
def running_text(path: str | Path, tokenize: Tokenizer) -> Iterator[Sentence]:
    """Sentences end after `.`, `!`, `?` (and the quotes that close with them) or at a blank line.

    Raises:
        WordlabError: where more than a million words come without an end of a sentence.
    """
    words: list[str] = []
    begin = 1
    ended = False
    for line, text, _ in read_pieces(path):
        found = tokenize(text)
        if not found and words:
            yield Sentence(words, begin)
            words, ended = [], False
        for word in found:
            if ended and not _closes(word, words):
                yield Sentence(words, begin)
                words, ended = [], False
            if not words:
                begin = line
            words.append(word)
            ended = ended or bool(_SENTENCE_END.search(word))
        if len(words) > 1_000_000:
            raise WordlabError(
                "a million words without an end of a sentence",
                where=f"{path}:{begin}:1",
                mend="break the text into lines, one sentence each, and use layout lines",
            )
    if words:
        yield Sentence(words, begin)


def _closes(word: str, words: list[str]) -> bool:
    """Whether a word after the end of a sentence still belongs to it, as a closing quote does."""
    if word in {'"', "'"}:  # the same sign opens and closes
        return words.count(word) % 2 == 1
    return word in _CLOSING


OWN_LAYOUTS, OWN_TOKENIZERS = frozenset(LAYOUTS), frozenset(TOKENIZERS)
"""Those that another process knows too, without the modules that register more."""


class TextSettings(Settings):
    """How raw text becomes sentences and words."""

    layout: Annotated[str, NameIn(LAYOUTS)] = "lines"
    """lines: one sentence a line; running: sentences end at . ! ? or a blank line; columns: a word
    a line, blank lines between sentences; every-line: blank lines are sentences too."""
    tokens: Annotated[str, NameIn(TOKENIZERS)] = "spaces"
    """spaces: words stand between white space; words: punctuation is split off."""
    form: Annotated[str, NameIn(WORD_FORMS)] = "as-is"
    """as-is, lower, or cs224d: what the model sees in place of the word."""


@dataclass(frozen=True)
class Text:
    """Sentences from files, from standard input ("-", which can be read once) or from memory."""

    paths: tuple[str, ...] = ()
    settings: TextSettings = field(default_factory=TextSettings)
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call the text in a message."""
        return ", ".join(self.paths) if self.paths else "text in memory"

    @property
    def form(self) -> WordForm:
        """The function from words as spelled to the forms that are modelled."""
        return WORD_FORMS[self.settings.form]

    def with_settings(self, settings: TextSettings) -> "Text":
        """The same source, read in another way."""
        return Text(self.paths, settings, self.lines)

    def sentences(self) -> Iterator[Sentence]:
        """Yield the sentences of all files in turn.

        Raises:
            WordlabError: where a file cannot be read, or where no file has a word.
        """
        return (sentence for part in self.parts() for sentence in part)

    def parts(self) -> Iterator[Iterator[Sentence]]:
        """Yield the sentences of each file, or of the memory; each is to be used up in turn.

        Raises:
            WordlabError: where a file cannot be read, or, at the end, where no file has a word.
        """
        words = 0

        def counted(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
            nonlocal words
            for sentence in sentences:
                words += len(sentence.words)
                yield sentence

        tokenize = TOKENIZERS[self.settings.tokens]
        if self.lines:
            lines = enumerate(map(tokenize, self.lines), start=1)
            yield counted(Sentence(split, number) for number, split in lines if split)
        for path in self.paths:
            yield counted(LAYOUTS[self.settings.layout](path, tokenize))
        if not words:
            raise WordlabError("there is no word in it", where=self.name)


def read_text(
    source: str | Path | Sequence[str | Path],
    *,
    layout: str = "lines",
    tokens: str = "spaces",
    form: str = "as-is",
) -> Text:
    """Name a text in one or several files (gzip too) and say how it is to be read.

    Nothing is read yet, but a missing file is reported at once.

    Args:
        source: a path, several paths, or "-" for standard input.
        layout: "lines" or "running".
        tokens: "spaces" or "words".
        form: "as-is", "lower" or "cs224d".
    """
    paths = [source] if isinstance(source, str | Path) else list(source)
    if not paths:
        raise WordlabError("no text was named", mend="give at least one file, or - ")
    for path in paths:
        if str(path) != STANDARD_INPUT:
            require_file(path)
    settings = validate(
        TextSettings, {"layout": layout, "tokens": tokens, "form": form}, source="text"
    )
    return Text(tuple(str(path) for path in paths), settings)


def text_of(sentences: Iterable[str], settings: TextSettings | None = None) -> Text:
    """Make a text of sentences in memory, one a string."""
    return Text((), settings or TextSettings(), tuple(sentences))


def require_file(path: str | Path) -> None:
    """Raise WordlabError unless `path` is a file that can be named as a text."""
    if Path(path).is_dir():
        raise WordlabError("is a folder, not a text file", where=str(path))
    if not Path(path).exists():
        raise WordlabError("there is no such file", where=str(path))
