"""A trained tagger, opened from its folder: tag and evaluate."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordlab.batching.tagging import TagStore
from wordlab.config import read_json, validate
from wordlab.corpus.labelled.doctor import LabelledSettings, read_labelled
from wordlab.corpus.labelled.lexicon import MARKERS, WORD, Lexicon
from wordlab.corpus.labelled.records import bounds_of
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.text import TOKENIZERS
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.evaluation import TaggingEvaluation, evaluate_tagging
from wordlab.evaluation.tagging.reading import Tagged, read_store, read_twice
from wordlab.models.taggers.glossary import Glossary
from wordlab.models.taggers.tagger import Tagger, build_tagger
from wordlab.runs.files import read_tensors, write_json
from wordlab.runs.history import read_history
from wordlab.runs.model_files import MODEL, SETTINGS
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.training.progress import Epoch

Line = str | Sequence[str]
"""A sentence: a string, or a list of words."""

LEXICON, VECTORS = "lexicon.json", "vectors.safetensors"
CALIBRATION = "calibration.json"
CORPUS = "corpus"


@dataclass(frozen=True)
class Entity:
    """An entity that was found in a text.

    Attributes:
        text: as it stands there.
        type: its type.
        probability: exact under a CRF, else the product over its words.
        start, end: its first character and one past its last.
        first_word, last_word: the words that it is of, the last one included.
    """

    text: str
    type: str
    probability: float
    start: int
    end: int
    first_word: int
    last_word: int


@dataclass(frozen=True)
class TaggedSentence:
    """A sentence and what was found in it.

    Attributes:
        text: the sentence as it was given.
        words: its words.
        entities: in order.
    """

    text: str
    words: tuple[str, ...]
    entities: tuple[Entity, ...]

    def tags(self, scheme: str = "IOB2") -> list[str]:
        """A tag for each word."""
        spans = [Span(e.first_word, e.last_word + 1, e.type) for e in self.entities]
        types = tuple(sorted({entity.type for entity in self.entities}))
        tags = TagSet(scheme, types)
        return [tags.tags[at] for at in tags.encode(LabelledSentence(self.words, tuple(spans)))]


@dataclass(frozen=True)
class SentenceReadings:
    """The best reading of a sentence and, where that is doubtful, the next with other entities.

    Attributes:
        best: as `TaggerRun.tag` gives it.
        probability: that its entities are just these: exact under a CRF, the sum over all ways to
            spell them in tags; else the product over its words.
        second: None where the best is sure enough.
        second_probability: of the second; 0 where there is none.
    """

    best: TaggedSentence
    probability: float
    second: TaggedSentence | None
    second_probability: float


@dataclass(frozen=True)
class TaggerRun:
    """A tagger's run folder, read as it is asked for.

    Attributes:
        path: the folder.
        settings: everything that decided what the run is.
        lexicon: what it sees of words, from its training text.
        tag_set: the tags that it chooses from.
    """

    path: Path
    settings: TaggerRunSettings
    lexicon: Lexicon
    tag_set: TagSet

    @classmethod
    def load(cls, path: str | Path) -> "TaggerRun":
        """Open a run folder.

        Raises:
            WordlabError: where it is no tagger's run folder, or a file in it is damaged.
        """
        folder = Path(path)
        data = read_json(folder / SETTINGS)
        if not isinstance(data, dict):
            raise WordlabError("holds no settings", where=str(folder / SETTINGS))
        settings = validate(TaggerRunSettings, data, source=str(folder / SETTINGS))
        where = folder / LEXICON
        about = read_json(where)
        types = about.get("types") if isinstance(about, dict) else None
        if not isinstance(types, list) or not all(isinstance(kind, str) for kind in types):
            raise WordlabError("names no types of entities", where=str(where))
        lexicon = Lexicon.from_json(about.get("words"), str(where))
        return cls(folder, settings, lexicon, TagSet(settings.scheme, tuple(types)))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @cached_property
    def model(self) -> Tagger:
        """The tagger as it was trained best.

        Raises:
            WordlabError: where it is missing, damaged, or does not fit the folder.
        """
        path = self.path / MODEL
        if not path.exists():
            raise WordlabError(
                "has no finished epoch yet",
                where=str(self.path),
                mend=f"let it train further: wordlab resume {self.path}",
            )
        tensors, _ = read_tensors(path)
        try:
            model = fresh_tagger(self.settings, self.lexicon, self.tag_set, self.vectors())
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise WordlabError(
                f"does not fit the folder's settings ({str(error).splitlines()[-1].strip()})",
                where=str(path),
                mend="put back the settings.json that the run was trained with",
            ) from None
        model.output.temperature = self.temperature
        return model.eval()

    def with_model(self, model: Tagger) -> "TaggerRun":
        """The same run with another tagger in place of its own."""
        other = replace(self)
        other.__dict__["model"] = model  # where the cached property looks first
        return other

    @property
    def temperature(self) -> float:
        """What scores are divided by, as it was fitted to the validation text.

        Raises:
            WordlabError: where the file holds no such number.
        """
        path = self.path / CALIBRATION
        if not path.exists():
            return 1.0
        data = read_json(path)
        value = data.get("temperature") if isinstance(data, dict) else None
        if not isinstance(value, float) or not 0 < value < float("inf"):
            raise WordlabError("holds no temperature above 0", where=str(path))
        return value

    def vectors(self) -> Tensor | None:
        """Vectors of words beyond training, behind rows of NaN for those that the model has."""
        if not self.settings.features.vectors:
            return None
        further = read_tensors(self.path / VECTORS)[0]["further"].float()
        if len(further) != len(self.lexicon.further):
            raise WordlabError("does not fit the lexicon", where=str(self.path / VECTORS))
        own = self.lexicon.sizes()[WORD] - MARKERS
        return torch.cat([torch.full((own, further.shape[1]), torch.nan), further])

    @cached_property
    def history(self) -> list[Epoch]:
        """What each finished epoch did."""
        return read_history(self.path)

    def sentences(self, name: str) -> list[LabelledSentence]:
        """The run's own text "train" or "validation"."""
        return read_sentences(self.path / CORPUS / f"{name}.jsonl")

    def tag(
        self, text: str | Iterable[str] | Iterable[Sequence[str]], *, tokens: str = "words"
    ) -> list[TaggedSentence]:
        """Find the entities of a text, each line a sentence, or of sentences.

        Args:
            text: a text; or sentences, each a string or a list of words.
            tokens: how strings become words: "words" or "spaces".
        """
        lines = text.splitlines() if isinstance(text, str) else text
        return [tagged for tagged in self.tag_lines(lines, tokens=tokens) if tagged.words]

    def tag_lines(
        self,
        lines: Iterable[Line],
        *,
        tokens: str = "words",
        at_once: int = 2**18,
    ) -> Iterator[TaggedSentence]:
        """Yield each line with its entities, also empty ones.

        Args:
            at_once: characters, or words of lines that are lists, that are held in memory; at
                least one line.
        """
        for some in _held(lines, at_once):
            yield from self._tagged(some, tokens)

    def readings(
        self,
        text: str | Iterable[str] | Iterable[Sequence[str]],
        *,
        tokens: str = "words",
        below: float = 1.0,
        at_once: int = 2**18,
    ) -> Iterator[SentenceReadings]:
        """Yield each line with its best reading and, where that is doubtful, the second.

        Args:
            text: a text; or sentences, each a string or a list of words.
            tokens: how strings become words: "words" or "spaces".
            below: a reading that is less probable than this is doubtful.
            at_once: characters, or words of lines that are lists, that are held in memory.
        """
        lines = text.splitlines() if isinstance(text, str) else text
        for some in _held(lines, at_once):
            yield from self._read_twice(some, tokens, below)

    def _read_twice(
        self, lines: Sequence[Line], tokens: str, below: float
    ) -> list[SentenceReadings]:
        texts, rows = _words(lines, tokens)
        filled = [at for at, words in enumerate(rows) if words]
        found = [SentenceReadings(TaggedSentence(text, (), ()), 1.0, None, 0.0) for text in texts]
        if not filled:
            return found
        store = self._glossary.store([rows[at] for at in filled])
        prepared = self._glossary.prepared
        both = read_twice(self.model, store, self.tag_set, prepared, below=below)
        for number, at in enumerate(filled):
            best, second = (
                _sentence(texts[at], rows[at], each.spans[number], each.probabilities[number])
                for each in both
            )
            sure, next_sure = (float(each.whole[number]) for each in both)
            found[at] = SentenceReadings(best, sure, second if sure < below else None, next_sure)
        return found

    def _tagged(self, lines: Sequence[Line], tokens: str) -> list[TaggedSentence]:
        texts, rows = _words(lines, tokens)
        filled = [at for at, words in enumerate(rows) if words]
        found = [TaggedSentence(text, (), ()) for text in texts]
        if not filled:
            return found
        store = self._glossary.store([rows[at] for at in filled])
        prepared = self._glossary.prepared
        tagged = read_store(self.model, store, self.tag_set, prepared=prepared)
        for at, spans, sure in zip(filled, tagged.spans, tagged.probabilities, strict=True):
            found[at] = _sentence(texts[at], rows[at], spans, sure)
        return found

    @cached_property
    def _glossary(self) -> Glossary:
        return Glossary(self.model, self.lexicon)

    def evaluate(self, files: str | Path | Sequence[str | Path]) -> TaggingEvaluation:
        """Score labelled files, read as the training text was."""
        paths = [files] if isinstance(files, str | Path) else list(files)
        return self.evaluate_sentences(self.read(paths), ", ".join(map(str, paths)))

    def read(
        self, paths: Sequence[str | Path], settings: LabelledSettings | None = None
    ) -> list[LabelledSentence]:
        """Read labelled files."""
        return read_labelled(paths, settings or LabelledSettings())

    def read_sentences(self, sentences: Sequence[LabelledSentence]) -> Tagged:
        """Tag sentences, whatever their own labels are."""
        store = TagStore.of([s.words for s in sentences], self.lexicon)
        return read_store(self.model, store, self.tag_set)

    def evaluate_sentences(
        self, sentences: Sequence[LabelledSentence], name: str
    ) -> TaggingEvaluation:
        """Score labelled sentences."""
        tagged = self.read_sentences(sentences)
        has_train = (self.path / CORPUS / "train.jsonl").exists()
        return evaluate_tagging(
            sentences,
            tagged.spans,
            text=name,
            types=self.tag_set.types,
            probabilities=tagged.probabilities,
            train=self.sentences("train") if has_train else None,
        )


def _held(lines: Iterable[Line], at_once: int) -> Iterator[list[Line]]:
    """Lines in lists of at least so many characters, or words of lines that are lists."""
    waiting: list[Line] = []
    held = 0
    for line in lines:
        waiting.append(line)
        held += len(line) + 1
        if held >= at_once:
            yield waiting
            waiting, held = [], 0
    if waiting:
        yield waiting


def _words(lines: Sequence[Line], tokens: str) -> tuple[list[str], list[list[str]]]:
    """The text and the words of each line."""
    split = TOKENIZERS[tokens]
    texts = [line if isinstance(line, str) else " ".join(line) for line in lines]
    return texts, [split(line) if isinstance(line, str) else list(line) for line in lines]


def _sentence(
    text: str, words: Sequence[str], spans: Sequence[Span], sure: Sequence[float]
) -> TaggedSentence:
    """A sentence with its entities and their probabilities."""
    entities = tuple(
        Entity(text[first:last], kind, probability, first, last, start, end - 1)
        for (start, end, kind), (first, last), probability in zip(
            spans, bounds_of(text, words, spans), sure, strict=True
        )
    )
    return TaggedSentence(text, tuple(words), entities)


def fresh_tagger(
    settings: TaggerRunSettings, lexicon: Lexicon, tags: TagSet, vectors: Tensor | None
) -> Tagger:
    """The tagger as it was before training."""
    return build_tagger(
        settings.features,
        settings.model,
        settings.output,
        lexicon,
        tags,
        seed=settings.training.seed,
        vectors=vectors,
    )


def write_lexicon(folder: Path, lexicon: Lexicon, tags: TagSet) -> None:
    """Write what `TaggerRun.load` reads."""
    write_json(folder / LEXICON, {"types": list(tags.types), "words": lexicon.as_json()})


def read_sentences(path: Path) -> list[LabelledSentence]:
    """Read what `sentence_lines` wrote."""
    try:
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            record: dict[str, Any] = json.loads(line)
            spans = tuple(Span(*span) for span in record["spans"])
            words, place = tuple(record["words"]), record["line"]
            found.append(LabelledSentence(words, spans, place, record["document"]))
        return found
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WordlabError(f"is no text of a run ({error})", where=str(path)) from None


def sentence_lines(sentences: Iterable[LabelledSentence]) -> Iterator[str]:
    """Sentences as JSON lines, words and entities alone."""
    for sentence in sentences:
        record = {
            "words": sentence.words,
            "spans": sentence.spans,
            "line": sentence.line,
            "document": sentence.document,
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"
