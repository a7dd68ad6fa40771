"""How a network judges a word alone: at a position of an average window, or as a sentence."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import MARKERS
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.reading import read_store
from wordlab.evaluation.tagging.tallies import word_labels
from wordlab.inspection.units.layers import (
    AnyRun,
    Floats,
    Network,
    count_of_units,
    first_layer,
    over_windows,
    reads_windows,
)
from wordlab.inspection.units.switching import Change, with_features_changed
from wordlab.inspection.units.words import TrainingWords, Words, training_words, words_of
from wordlab.models.taggers.outputs import Crf, ScoredTags
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun

Ids = NDArray[np.int64]

WORDS_AT_ONCE = 1024


@dataclass(frozen=True)
class View(ABC):
    """Words of training, and classes that a network is asked for.

    Attributes:
        words: of training.
        rows: which of them stands at each place of the training text, -1 for none. [N]
        sentences: number of the sentence of each place. [N]
        labels: number of the class of each place; one past the last for none. [N]
        classes: their names.
        positions: where the words may stand, counted from the place of the class.
        windows: whether the other positions have the mean vector; else the word is a sentence.
        units: of the last hidden layer.
    """

    words: Words
    rows: Ids
    sentences: Ids
    labels: Ids
    classes: tuple[str, ...]
    positions: tuple[int, ...]
    windows: bool
    units: int

    @abstractmethod
    def probabilities(self, position: int, change: Change | None = None) -> Floats:
        """The probability of each class given each word at a position. [W, K]

        Args:
            change: of the last hidden layer.
        """

    @property
    def protocol(self) -> str:
        """How the network is asked."""
        if self.windows:
            return (
                "The word's own vector goes through the network, all other positions at the mean "
                "vector of the training text's words."
            )
        return "The word goes through the network as a sentence of its own."

    def _features(self, model: Network, position: int, change: Change | None) -> Tensor:
        """The last hidden layer for windows of a word amid mean vectors. [W, F]"""
        mean = torch.from_numpy(self.words.mean).float()
        before = self.positions.index(position)
        after = len(self.positions) - 1 - before
        found = []
        for part in torch.split(torch.from_numpy(self.words.vectors).float(), WORDS_AT_ONCE):
            left, right = (mean.repeat(len(part), count) for count in (before, after))
            found.append(over_windows(model, torch.cat([left, part, right], dim=1)))
        features = torch.cat(found)
        return change(features) if change else features


@dataclass(frozen=True)
class TaggerView(View):
    """That of a tagger, whose classes are the types of entities."""

    run: TaggerRun
    training: TrainingWords

    @property
    def protocol(self) -> str:
        """How the network is asked."""
        if self.windows and isinstance(self.run.model.output, Crf):
            return f"{super().protocol} Its own scores count, before the chain has a say."
        return super().protocol

    @torch.no_grad()
    def probabilities(self, position: int, change: Change | None = None) -> Floats:
        """The sum over each type's tags: of a word's own scores, or of a sentence's marginals."""
        if self.windows:
            output = self.run.model.output
            assert isinstance(output, ScoredTags)
            scores = output.scores(self._features(self.run.model, position, change)).double()
            of_tags = (scores / output.temperature).softmax(dim=1).numpy()
        else:
            of_tags = self._marginals(change)
        kinds = np.array(self.run.tag_set.kinds)
        return np.stack([of_tags[:, kinds == name].sum(axis=1) for name in self.classes], axis=1)

    def _marginals(self, change: Change | None) -> Floats:
        run = with_features_changed(self.run, change) if change else self.run
        count = len(self.words.words)
        store = TagStore(
            self.training.table,
            np.arange(MARKERS, MARKERS + count),
            np.full(count, -1, dtype=np.int64),
            np.arange(count + 1),
        )
        tagged = read_store(run.model, store, run.tag_set, probabilities=False, marginals=True)
        return tagged.marginals


@dataclass(frozen=True)
class ModelView(View):
    """That of a language model, whose classes are next words."""

    run: Run
    ids: Ids

    @torch.no_grad()
    def probabilities(self, position: int, change: Change | None = None) -> Floats:
        """Of the next words after a window, or after a word that begins a sentence."""
        wanted = [self.run.vocabulary.id_of(name) for name in self.classes]
        if self.windows:
            model = self.run.network
            features = self._features(model, position, change)
            parts = torch.split(features, WORDS_AT_ONCE)
            log_probs = torch.cat([model.output.log_probs(part)[:, wanted] for part in parts])
        else:
            log_probs = self._after_one_word(wanted, change)
        found: Floats = log_probs.double().exp().numpy()
        return found

    def _after_one_word(self, wanted: Sequence[int], change: Change | None) -> Tensor:
        run = with_features_changed(self.run, change) if change else self.run
        vocabulary, model = run.vocabulary, run.network
        found = []
        for first in range(0, len(self.ids), WORDS_AT_ONCE):
            histories = [[index] for index in self.ids[first : first + WORDS_AT_ONCE].tolist()]
            batch = model.reading.contexts(histories, vocabulary.start, vocabulary.end)
            found.append(model.predict(batch)[0][:, wanted])
        return torch.cat(found)


def view_of(run: AnyRun, words: Sequence[str] = ()) -> View:
    """How the network of a run judges words alone.

    Args:
        words: for language models: the next words that are its classes.

    Raises:
        WordlabError: where there is no such view, or a word is not in the vocabulary.
    """
    if isinstance(run, Run):
        return _of_model(run, words)
    if words:
        raise WordlabError(
            "is of language models; the classes of a tagger are its types", where="--word"
        )
    return _of_tagger(run)


def _of_tagger(run: TaggerRun) -> TaggerView:
    training, types = training_words(run), run.tag_set.types
    number = {kind: at for at, kind in enumerate(types)}
    labels = [
        number.get(label, len(types))
        for s in training.sentences
        for label in word_labels(s.spans, len(s.words))
    ]
    lengths = [len(sentence.words) for sentence in training.sentences]
    windows = reads_windows(run.model)
    return TaggerView(
        training.words,
        training.rows,
        np.repeat(np.arange(len(lengths)), lengths),
        np.array(labels, dtype=np.int64),
        types,
        first_layer(run.model).positions if windows else (0,),
        windows,
        count_of_units(run.model),
        run,
        training,
    )


def _of_model(run: Run, words: Sequence[str]) -> ModelView:
    if not words:
        raise WordlabError(
            "of a language model the classes are next words, and none is named",
            where="--word",
            mend="name words, for example --word said --word million",
        )
    model, vocabulary, store = run.network, run.vocabulary, run.store("train")
    ids = np.array(vocabulary.frequent_words(len(vocabulary)), dtype=np.int64)
    row_of = np.full(len(vocabulary), -1, dtype=np.int64)
    row_of[ids] = np.arange(len(ids))
    class_of = np.full(len(vocabulary), len(words), dtype=np.int64)
    for at, word in enumerate(words):
        class_of[vocabulary.id_of(word)] = at
    text = np.asarray(store.ids).astype(np.int64)
    windows = reads_windows(model)
    return ModelView(
        words_of(run),
        row_of[text],
        np.cumsum(np.concatenate([[0], text[:-1] == store.end])),
        class_of[text],
        tuple(words),
        first_layer(model).positions if windows else (-1,),
        windows,
        count_of_units(model),
        run,
        ids,
    )
