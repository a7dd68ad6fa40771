"""A served run: which views it has, and the calls of its model that answer them."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.text import TOKENIZERS, Sentence
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.errors import WordlabError
from wordlab.evaluation.surprisal import EncodedText, WordScore, score_apart
from wordlab.generation.next_words import next_log_probs
from wordlab.inspection.units.texts import (
    ModelText,
    TaggerText,
    UnitValues,
    model_text,
    tagger_text,
    unit_values,
)
from wordlab.inspection.units.words import Words, words_of
from wordlab.models.language_model import LanguageModel
from wordlab.models.mixture import Mixture
from wordlab.models.taggers.tagger import Tagger
from wordlab.runs.opening import open_run
from wordlab.runs.run import CORPUS, Run
from wordlab.runs.tagger_run import TaggedSentence, TaggerRun
from wordlab.server.faults import RefusedError
from wordlab.server.limits import (
    CONTEXT_TOKENS,
    MEASURED_TOKENS,
    MEASURED_WORDS,
    PROMPT_WORDS,
    TEXT_WORDS,
    TOKENS_OF_ONE,
    TOKENS_TOGETHER,
)
from wordlab.server.worker import Call

OWN_TEXTS = ("train", "validation")

Histories = Sequence[Sequence[int]]

Part = TypeVar("Part")


@dataclass(frozen=True)
class Line:
    """A line of a text that has words, from 1, and where it begins."""

    number: int
    start: int
    text: str
    words: list[str]


def lines_of(text: str, tokens: str) -> list[Line]:
    """The lines of a text that have words.

    Raises:
        RefusedError: where there are too many words.
    """
    split = TOKENIZERS[tokens]
    found, place = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if words := split(line):
            found.append(Line(number, place, line.splitlines()[0], words))
        place += len(line)
    count = sum(len(line.words) for line in found)
    if count > TEXT_WORDS:
        raise RefusedError(
            422,
            f"the text has {count:,} words; at most {TEXT_WORDS:,} are answered at once",
            where="text",
            mend="send it in parts",
        )
    return found


def in_turns(parts: Sequence[Part], size: Callable[[Part], int]) -> Iterator[Sequence[Part]]:
    """Cut a long text into stretches between which others have their turn; at least one.

    Args:
        size: words of a sentence; one that is too long is a stretch of its own.
    """
    first = held = 0
    for at, part in enumerate(parts):
        words = size(part)
        if at > first and held + words > TOKENS_OF_ONE:
            yield parts[first:at]
            first, held = at, 0
        held += words
    yield parts[first:]


def _tokens(text: EncodedText) -> int:
    return sum(len(ids) + 1 for _, ids in text)


def _tokens_read(histories: Histories) -> int:
    return sum(len(history) + 1 for history in histories)


class WithUnits:
    """What both kinds keep of their hidden units, worked out when it is first asked for."""

    def __init__(self, run: Run | TaggerRun) -> None:
        self.name = run.name
        self._of_units = run

    @cached_property
    def unit_views(self) -> tuple[str, ...]:
        """What may be asked of its units, which takes the run's own texts."""
        run = self._of_units
        ending = "jsonl" if isinstance(run, TaggerRun) else "json"
        whole = all((run.path / CORPUS / f"{name}.{ending}").exists() for name in OWN_TEXTS)
        network = isinstance(run.model, LanguageModel | Tagger)
        return ("neurons", "ablate", "effects") if network and whole else ()

    @cached_property
    def words(self) -> Words:
        """The words of training with their vectors."""
        return words_of(self._of_units)

    @cached_property
    def unit_values(self) -> UnitValues:
        """The values of the units over the validation text's beginning."""
        return unit_values(self._of_units, self._own_text(CONTEXT_TOKENS))

    @cached_property
    def measured(self) -> TaggerText | ModelText:
        """The validation text's beginning, as long as figures without a unit are taken from."""
        is_tagger = isinstance(self._of_units, TaggerRun)
        return self._own_text(MEASURED_WORDS if is_tagger else MEASURED_TOKENS)

    def _own_text(self, most: int) -> TaggerText | ModelText:
        run = self._of_units
        if isinstance(run, TaggerRun):
            return tagger_text(run, most=most)
        return model_text(run, most=most)


class ServedModel(WithUnits):
    """A language model that is served."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.run = run
        self.vocabulary = run.vocabulary
        self.hash = run.vocabulary.hash
        self.model = run.model
        self.scoring = Call(self._scores, _tokens, TOKENS_TOGETHER)
        self.continuing = Call(self._next_words, _tokens_read, TOKENS_TOGETHER)

    @cached_property
    def views(self) -> tuple[str, ...]:
        """What may be asked of it."""
        of_all = ("score", "generate", "complete")
        has_vectors = isinstance(self.model, LanguageModel)
        of_vectors = ("neighbours", "map") if has_vectors else ()
        return (*of_all, *of_vectors, *self.unit_views)

    @property
    def family(self) -> str:
        """The model's kind."""
        return "mixture" if isinstance(self.model, Mixture) else self.run.settings.model.type

    @property
    def form(self) -> str:
        """The form in which it knows words."""
        return self.run.settings.text.form

    @property
    def tokens(self) -> str:
        """How its training text became words."""
        return self.run.settings.text.tokens

    def form_of(self, word: str) -> str:
        """A word as the model knows it."""
        return WORD_FORMS[self.form](word, self.vocabulary.ids)

    @cached_property
    def word_vectors(self) -> NDArray[np.float32]:
        """One row a word of the vocabulary. [V, E]"""
        return self.run.word_vectors()

    def encoded(self, text: str, tokens: str | None) -> EncodedText:
        """The sentences of a text with the ids of their words."""
        lines = lines_of(text, tokens or self.tokens)
        sentences = (Sentence(line.words, line.number) for line in lines)
        return list(encode_sentences(sentences, WORD_FORMS[self.form], self.vocabulary))

    def turns(self, text: EncodedText) -> Iterator[EncodedText]:
        """Stretches of a text that can be scored one after the other.

        A model that takes something from one sentence to the next must have the text whole.
        """
        if self.model.reading.carries or self.model.adaptation:
            return iter([text])
        return in_turns(text, lambda sentence: len(sentence[1]) + 1)

    def prompt(self, prompt: str, tokens: str | None) -> tuple[list[str], list[int]]:
        """The words of a prompt, and their ids.

        Raises:
            RefusedError: where there are too many.
        """
        words = TOKENIZERS[tokens or self.tokens](prompt)
        if len(words) > PROMPT_WORDS:
            raise RefusedError(
                422,
                f"the prompt has {len(words):,} words; at most {PROMPT_WORDS} are read",
                where="prompt",
                mend="send the last of them",
            )
        return words, self.vocabulary.encode([self.form_of(word) for word in words])

    @cached_property
    def _in_order(self) -> tuple[list[str], list[int]]:
        """The words without the markers in the order of their letters, and their ids."""
        markers = {self.vocabulary.unknown, self.vocabulary.start, self.vocabulary.end}
        every = sorted(
            (word, index)
            for index, word in enumerate(self.vocabulary.words)
            if index not in markers
        )
        return [word for word, _ in every], [index for _, index in every]

    def beginning_with(self, prefix: str) -> list[int]:
        """The ids of the words that begin so."""
        words, ids = self._in_order
        first = bisect_left(words, prefix)
        last = bisect_left(words, True, first, key=lambda word: not word.startswith(prefix))
        return ids[first:last]

    def _scores(self, texts: Sequence[EncodedText]) -> list[list[WordScore]]:
        return score_apart(self.model, texts, self.vocabulary)

    def _next_words(self, asked: Sequence[Histories]) -> Sequence[Tensor]:
        every = [history for histories in asked for history in histories]
        log_probs = next_log_probs(self.model, self.vocabulary, every)
        return torch.split(log_probs, [len(histories) for histories in asked])


class ServedTagger(WithUnits):
    """A tagger that is served."""

    def __init__(self, run: TaggerRun) -> None:
        super().__init__(run)
        self.run = run
        self.model = run.model
        self.tagging = {
            tokens: Call(partial(self._tagged, tokens), _words, TOKENS_TOGETHER)
            for tokens in TOKENIZERS
        }

    @cached_property
    def views(self) -> tuple[str, ...]:
        """What may be asked of it."""
        return ("tag", *self.unit_views)

    @cached_property
    def apart(self) -> TaggerRun:
        """The same with a memory for words of its own: it is not asked by the same thread."""
        return self.run.with_model(self.run.model)

    def _tagged(self, tokens: str, texts: Sequence[Sequence[Line]]) -> list[list[TaggedSentence]]:
        lines = [line.text for text in texts for line in text]
        every = self.run.tag_lines(lines, tokens=tokens)
        return [[next(every) for _ in text] for text in texts]


def _words(lines: Sequence[Line]) -> int:
    return sum(len(line.words) for line in lines)


Served = ServedModel | ServedTagger


def serve_run(path: str | Path) -> Served:
    """Open a run and load its model."""
    run = open_run(path)
    return ServedModel(run) if isinstance(run, Run) else ServedTagger(run)


class Shelf:
    """The served runs by name.

    Args:
        paths: of their folders.

    Raises:
        WordlabError: where two have one name, or one is no run.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.runs: dict[str, Served] = {}
        for path in paths:
            served = serve_run(path)
            if served.name in self.runs:
                raise WordlabError(
                    f"two runs are called {served.name}",
                    where=str(path),
                    mend="rename a folder: runs are asked for by its name",
                )
            self.runs[served.name] = served

    def model(self, name: str, view: str) -> ServedModel:
        """The language model of a name, or the first one, that has a view."""
        found = self._find(name, view)
        assert isinstance(found, ServedModel), view
        return found

    def tagger(self, name: str, view: str) -> ServedTagger:
        """The tagger of a name, or the first one, that has a view."""
        found = self._find(name, view)
        assert isinstance(found, ServedTagger), view
        return found

    def either(self, name: str, view: str) -> Served:
        """The run of a name, or the first one, that has a view."""
        return self._find(name, view)

    def _find(self, name: str, view: str) -> Served:
        having = [each for each, served in self.runs.items() if view in served.views]
        if name and name not in self.runs:
            names = ", ".join(self.runs)
            raise RefusedError(
                404, "no run of this name is served", where="run", mend=f"allowed: {names}"
            )
        if (name and name not in having) or not having:
            what = "this run has" if name else "the served runs have"
            mend = f"ask {' or '.join(having)}" if having else "serve a run that has it"
            raise RefusedError(409, f"{what} no view {view!r}", where="run", mend=mend)
        return self.runs[name or having[0]]
