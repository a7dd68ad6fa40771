"""The texts that units are looked at on: a run's own, or given ones, whole or their heads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.store import TokenStore
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.reading import BATCH_WORDS
from wordlab.inspection.units.layers import AnyRun, count_of_units
from wordlab.models.language_model import State
from wordlab.runs.run import Run, TextLike
from wordlab.runs.tagger_run import CORPUS, TaggerRun

TRAIN, VALIDATION = "train", "validation"
TARGETS_AT_ONCE = 4096
MEANS_OF = 50_000
"""Words of the training text that a unit's mean is taken over."""


@dataclass(frozen=True)
class TaggerText:
    """Labelled sentences.

    Attributes:
        name: of the text, and how much of it there is.
    """

    name: str
    sentences: tuple[LabelledSentence, ...]


@dataclass(frozen=True)
class ModelText:
    """A text as a language model reads it.

    Attributes:
        name: of the text, and how much of it there is.
        store: its ids.
        words: how each of them is spelled, end markers too. [N]
    """

    name: str
    store: TokenStore
    words: tuple[str, ...]


def tagger_text(
    run: TaggerRun, files: Sequence[str | Path] = (), *, own: str = VALIDATION, most: int = 0
) -> TaggerText:
    """Labelled files, or one of the run's own texts.

    Args:
        own: "train" or "validation", where no file is named.
        most: words; whole sentences are read up to so many; 0: all.

    Raises:
        WordlabError: where a file has a fault, or the run's folder does not hold the text.
    """
    if not files and not (run.path / CORPUS / f"{own}.jsonl").exists():
        mend = "name a labelled file" if own == VALIDATION else "name the folder of its training"
        raise WordlabError(f"holds no {own} text", where=str(run.path), mend=mend)
    sentences = run.read(files) if files else run.sentences(own)
    if not sentences:
        raise WordlabError("holds no sentence", where=", ".join(map(str, files)) or str(run.path))
    name = ", ".join(map(str, files)) or f"the run's {own} text"
    ends = np.cumsum([len(sentence.words) for sentence in sentences])
    kept = sentences
    if most:
        kept = sentences[: max(int(np.searchsorted(ends, most, side="right")), 1)]
    return TaggerText(_sized(name, int(ends[len(kept) - 1]), int(ends[-1]), "words"), tuple(kept))


def model_text(
    run: Run,
    source: TextLike | None = None,
    *,
    own: str = VALIDATION,
    most: int = 0,
) -> ModelText:
    """A text, or one of a language model's own.

    Args:
        source: as `Run.text` takes it; None for the run's own text.
        own: "train" or "validation".
        most: tokens, end markers included; whole sentences are read up to so many; 0: all.
    """
    if source is None:
        whole, name = run.store(own), f"the run's {own} text"
        store = whole.head(most) if most else whole
        words = tuple(run.vocabulary.decode([int(index) for index in store.ids]))
        return ModelText(_sized(name, len(store), len(whole), "tokens"), store, words)
    text = run.text(source)
    stores, spelled = [], []
    for part in text.parts():
        rows = list(encode_sentences(part, text.form, run.vocabulary))
        stores.append(TokenStore.in_memory((ids for _, ids in rows), run.vocabulary))
        for sentence, _ in rows:
            spelled += [*sentence.words, run.vocabulary.words[run.vocabulary.end]]
    whole = TokenStore.joined(stores, run.vocabulary)
    store = whole.head(most) if most else whole
    name = _sized(text.name, len(store), len(whole), "tokens")
    return ModelText(name, store, tuple(spelled[: len(store)]))


def _sized(name: str, kept: int, whole: int, of: str) -> str:
    """A text's name with what of it was read."""
    return f"{whole:,} {of} of {name}" if kept == whole else f"the first {kept:,} {of} of {name}"


@dataclass(frozen=True)
class UnitValues:
    """The values of the last hidden layer's units over a text.

    Attributes:
        text: its name.
        values: at each word that is tagged, or before each that is predicted. float32 [N, U]
        tokens: the words of the text, and the start markers that are read.
        places: which of the tokens was read last. [N]
        begins: where its sentence begins among the tokens. [N]
        ends: what is shown ends before this token. [N]
        targets: the words that are predicted there; empty for taggers.
    """

    text: str
    values: NDArray[np.float32]
    tokens: tuple[str, ...]
    places: NDArray[np.int64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    targets: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The word that was read last, of each row."""
        return [self.tokens[place] for place in self.places]

    def context(self, row: int, reach: int = 6) -> str:
        """The word of a row in brackets, amid those around it."""
        place = int(self.places[row])
        left = self.tokens[max(int(self.begins[row]), place - reach) : place]
        right = self.tokens[place + 1 : min(int(self.ends[row]), place + 1 + reach)]
        shown = " ".join([*left, f"[{self.tokens[place]}]", *right])
        return f"{shown} -> {self.targets[row]}" if self.targets else shown


def unit_values(run: AnyRun, text: TaggerText | ModelText) -> UnitValues:
    """Read a text and keep the values of all units."""
    if isinstance(run, TaggerRun):
        assert isinstance(text, TaggerText)
        return _tagger_values(run, text)
    assert isinstance(text, ModelText)
    return _model_values(run, text)


@torch.no_grad()
def _tagger_values(run: TaggerRun, text: TaggerText) -> UnitValues:
    model = run.model
    store = TagStore.of([s.words for s in text.sentences], run.lexicon)
    prepared = torch.cat(list(model.prepare(store.table)))
    values = np.empty((len(store), model.encoder.features), dtype=np.float32)
    for batch in store.batches(BATCH_WORDS):
        packing = batch.packing
        places = store.begins[batch.sentences][packing.sequence] + packing.time
        values[places] = model.encoder.join(prepared, batch.padded(), batch).numpy()
    begins, ends = (np.repeat(x, store.lengths) for x in (store.begins[:-1], store.begins[1:]))
    tokens = tuple(word for s in text.sentences for word in s.words)
    return UnitValues(text.name, values, tokens, np.arange(len(store)), begins, ends)


@torch.no_grad()
def _model_values(run: Run, text: ModelText) -> UnitValues:
    model, store = run.network, text.store
    units = count_of_units(model)
    kept, at = [], []
    for first, part in store.parts():
        state: State = None
        for batch in model.reading.batches(part, TARGETS_AT_ONCE):
            encoded = model.encoder(batch, state if state and batch.continues else ())
            state = encoded.state
            kept.append(encoded.features[:, :units].numpy())
            at.append(batch.positions + first)
    positions = np.concatenate(at) if at else np.empty(0, dtype=np.int64)
    values = np.concatenate(kept) if kept else np.empty((0, units), dtype=np.float32)
    order = np.argsort(positions, kind="stable")
    return _in_context(run, text, values[order], positions[order])


def _in_context(
    run: Run, text: ModelText, values: NDArray[np.float32], positions: NDArray[np.int64]
) -> UnitValues:
    """Values before the words at some positions, with what was read before them."""
    ids = np.asarray(text.store.ids)
    opens = np.concatenate([[True], ids[:-1] == text.store.end])
    sentence = np.cumsum(opens) - 1
    # Before each sentence's words stands its start marker: token t + s + 1 is word t of sentence s.
    tokens: list[str] = []
    marker = run.vocabulary.words[run.vocabulary.start]
    for word, open_here in zip(text.words, opens, strict=True):
        tokens += [marker, word] if open_here else [word]
    begins = np.flatnonzero(opens)[sentence] + sentence
    places = positions + sentence[positions]
    return UnitValues(
        text.name,
        values,
        tuple(tokens),
        places,
        begins[positions],
        places + 1,
        tuple(text.words[at] for at in positions),
    )


def mean_values(run: AnyRun) -> NDArray[np.float64]:
    """The mean of each unit over the head of the run's training text. [U]"""
    text = (
        tagger_text(run, own=TRAIN, most=MEANS_OF)
        if isinstance(run, TaggerRun)
        else model_text(run, own=TRAIN, most=MEANS_OF)
    )
    means: NDArray[np.float64] = unit_values(run, text).values.mean(axis=0, dtype=np.float64)
    return means
