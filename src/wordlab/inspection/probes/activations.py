"""What each layer of a run's network makes of the words of a text, side by side."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Reading
from wordlab.batching.sequences import Sentences
from wordlab.batching.tagging import TagStore
from wordlab.batching.windows import Windows
from wordlab.corpus.labelled.lexicon import UNKNOWN, WORD
from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Sentence
from wordlab.models.language_model import LanguageModel
from wordlab.models.taggers.tagger import Tagger
from wordlab.runs.kept_networks import Network
from wordlab.runs.run import CORPUS, Run
from wordlab.runs.tagger_run import TaggerRun

Layers = dict[str, NDArray[np.float32]]

BATCH = 4096
"""Words that are read at a time, of models that read sentences."""


class ReadWords(ABC):
    """The words of some sentences as a run sees them, one sentence after another.

    Attributes:
        types: number of each word's form; unknown words are told apart by their spelling. [N]
        unknown: whether a word is unknown. [N]
        counts: how often each word's form stands in the training text. [N]
        protocol: what of its sentence a network has read when a word is looked at, in words.
    """

    types: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    counts: NDArray[np.int64]
    protocol: str

    @abstractmethod
    def trained_on(self) -> float | None:
        """Share of the sentences that stand in the run's training text; None: it is not there."""

    @abstractmethod
    def layers(self, network: Network) -> Layers:
        """What each layer makes of each word. name -> [N, D]"""


def read_words(run: Run | TaggerRun, sentences: Sequence[Sequence[str]]) -> ReadWords:
    """Look up the words of sentences as a run does."""
    if isinstance(run, TaggerRun):
        return _TaggerWords(run, sentences)
    return _LanguageModelWords(run, sentences)


class _LanguageModelWords(ReadWords):
    def __init__(self, run: Run, sentences: Sequence[Sequence[str]]) -> None:
        vocabulary = run.vocabulary
        form = run.text([" ".join(sentences[0])]).form
        rows = encode_sentences((Sentence(list(s), 1) for s in sentences), form, vocabulary)
        self.run = run
        self.store = TokenStore.in_memory((ids for _, ids in rows), vocabulary)
        ids = np.asarray(self.store.ids).astype(np.int64)
        self.is_word = ids != vocabulary.end
        own = ids[self.is_word]
        self.unknown = own == vocabulary.unknown
        self.counts = vocabulary.counts[own]
        self.types = _told_apart(own, self.unknown, sentences)
        self.batch = run.settings.training.batch
        self.reading = _of_all_words(run.model.reading, self.batch)
        self.protocol = f"after it has read the word and those before it; {self.reading.protocol}"

    def trained_on(self) -> float | None:
        if not (self.run.path / CORPUS / "train.json").exists():
            return None
        known = set(_sentences(self.run.store("train")))
        return float(np.mean([ids in known for ids in _sentences(self.store)]))

    @torch.no_grad()
    def layers(self, network: Network) -> Layers:
        assert isinstance(network, LanguageModel)
        found: dict[str, NDArray[np.float32]] = {}
        state: tuple[torch.Tensor, ...] = ()
        size = self.batch if self.reading.carries else BATCH
        for batch in self.reading.batches(self.store, size):
            layers, state = network.encoder.activations(batch, state if batch.continues else ())
            # A target's features are those after the word before it.
            before = batch.positions - 1
            follows = (before >= 0) & self.is_word[before]
            for name, units in layers.items():
                table = found.setdefault(
                    name, np.zeros((len(self.is_word), units.shape[1]), dtype=np.float32)
                )
                table[before[follows]] = units.numpy()[follows]
        return {name: table[self.is_word] for name, table in found.items()}


def _sentences(store: TokenStore) -> Iterator[bytes]:
    """The ids of each sentence."""
    ids = np.asarray(store.ids)
    first = 0
    for end in np.flatnonzero(ids == store.end).tolist():
        yield ids[first:end].tobytes()
        first = end + 1


def _of_all_words(reading: Reading, batch: int) -> Reading:
    """The reading in which every token is a target, a sentence's first words too."""
    if isinstance(reading, Windows):
        return replace(reading, padding="full")
    return Sentences() if isinstance(reading, Sentences) else reading.between_epochs(batch)


def _told_apart(
    types: NDArray[np.int64], unknown: NDArray[np.bool_], sentences: Sequence[Sequence[str]]
) -> NDArray[np.int64]:
    """The numbers of the words' forms, with one of its own for each spelling that is unknown."""
    numbers: dict[str, int] = {}
    spelled = [numbers.setdefault(word, len(numbers)) for words in sentences for word in words]
    return np.where(unknown, int(types.max()) + 1 + np.array(spelled), types)


class _TaggerWords(ReadWords):
    protocol = "with its sentence, as far as the network reads it"

    def __init__(self, run: TaggerRun, sentences: Sequence[Sequence[str]]) -> None:
        self.run, self.sentences = run, sentences
        self.store = TagStore.of(sentences, run.lexicon)
        column = list(run.lexicon.columns).index(WORD)
        own = self.store.table.columns[:, column].numpy()[self.store.words]
        self.unknown = own == UNKNOWN
        seen = np.array(run.lexicon.counts, dtype=np.int64)
        trained = own < len(seen)  # the forms behind have a vector, but training lacks them
        self.counts = np.where(trained, seen[np.where(trained, own, 0)], 0)
        self.types = _told_apart(own, self.unknown, sentences)

    def trained_on(self) -> float | None:
        if not (self.run.path / CORPUS / "train.jsonl").exists():
            return None
        known = {sentence.words for sentence in self.run.sentences("train")}
        return float(np.mean([tuple(words) in known for words in self.sentences]))

    @torch.no_grad()
    def layers(self, network: Network) -> Layers:
        assert isinstance(network, Tagger)
        found: dict[str, NDArray[np.float32]] = {}
        for batch in self.store.batches(BATCH):
            packing = batch.packing
            rows = self.store.begins[batch.sentences][packing.sequence] + packing.time
            for name, units in network.activations(batch).items():
                table = found.setdefault(
                    name, np.empty((len(self.types), units.shape[1]), dtype=np.float32)
                )
                table[rows] = units.numpy()
        return found
