"""A trained run, opened from its folder: evaluate, score, generate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Reading
from wordlab.batching.windows import Windows
from wordlab.config import validate
from wordlab.corpus.preparation import encode, encode_in_memory
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Text, read_text, text_of
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.evaluation.evaluation import Evaluation, evaluate
from wordlab.evaluation.surprisal import WordScore, score_words
from wordlab.generation.sentences import Generated, GenerationSettings, generate
from wordlab.models.counts.yardsticks import Unigram, WittenBell
from wordlab.models.language_model import (
    LanguageModel,
    Predictor,
)
from wordlab.runs.environment import read_environment
from wordlab.runs.history import read_history
from wordlab.runs.model_files import (
    SETTINGS,
    VOCABULARY,
    load_model,
    read_settings,
    reading_of,
)
from wordlab.runs.settings import RunSettings
from wordlab.training.progress import Epoch

CHECKPOINT = "checkpoint.safetensors"
CORPUS = "corpus"

YARDSTICK_TOKENS = 20_000_000

TextLike = Text | str | Path | Sequence[str]


@dataclass(frozen=True)
class Run:
    """A run folder, read as it is asked for.

    Attributes:
        path: the folder.
        settings: everything that decided what the run is.
        vocabulary: the words it knows, built from its training text.
    """

    path: Path
    settings: RunSettings
    vocabulary: Vocabulary

    @classmethod
    def load(cls, path: str | Path) -> "Run":
        """Open a run folder.

        Raises:
            WordlabError: where it is no run folder, or a file in it is damaged or foreign.
        """
        folder = Path(path)
        if not folder.is_dir():
            what = "is a file, not a run folder" if folder.exists() else "there is no such folder"
            raise WordlabError(what, where=str(path), mend="name a folder made by wordlab train")
        if not (folder / SETTINGS).exists():
            raise WordlabError(
                f"is no run folder: it has no {SETTINGS}",
                where=str(path),
                mend="name a folder made by wordlab train",
            )
        settings = read_settings(folder)
        vocabulary = Vocabulary.load(folder / VOCABULARY, settings.vocabulary)
        return cls(folder, settings, vocabulary)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @cached_property
    def model(self) -> Predictor:
        """The model as it was trained best, ready to predict."""
        return load_model(self.path, self.settings, self.vocabulary)

    def with_model(self, model: Predictor) -> "Run":
        """The same run with another model in place of its own."""
        other = replace(self)
        other.__dict__["model"] = model  # where the cached property looks first
        return other

    @property
    def network(self) -> LanguageModel:
        """The model, where it is a network.

        Raises:
            WordlabError: where it is counted or mixed, and so has no word vectors and no units.
        """
        if not isinstance(self.model, LanguageModel):
            raise WordlabError(
                "is no network: it has no word vectors and no units",
                where=str(self.path),
                mend="name a run whose model was trained by gradients",
            )
        return self.model

    def reading(self, name: str = "") -> Reading:
        """How the model reads a text: its own way, or the one of this name.

        Raises:
            WordlabError: where it cannot read so.
        """
        return reading_of(self.settings, name, self.path) if name else self.model.reading

    @cached_property
    def history(self) -> list[Epoch]:
        """What each finished epoch did."""
        return read_history(self.path)

    @property
    def environment(self) -> dict[str, Any]:
        """What the run was made with."""
        return read_environment(self.path)

    def store(self, name: str) -> TokenStore:
        """The ids of the run's own text "train" or "validation"."""
        path = self.path / CORPUS / name
        if not path.with_suffix(".json").exists():
            raise WordlabError(
                f"the run's {name} text is no longer in its folder",
                where=str(path.with_suffix(".ids")),
                mend="keep the folder corpus/ of a run, or evaluate with --no-yardsticks",
            )
        return TokenStore.open(path, self.vocabulary)

    def text(self, source: TextLike) -> Text:
        """A text to be scored; its words take the form that the run was trained with.

        A path, "-" or sentences in memory are read as the training text was; a Text keeps its own
        layout and tokens.
        """
        if isinstance(source, Text):
            form = self.settings.text.form
            return source.with_settings(source.settings.model_copy(update={"form": form}))
        if isinstance(source, str | Path):
            return self.read([str(source)])
        return text_of(source, self.settings.text)

    def read(self, paths: Sequence[str], *, layout: str = "", tokens: str = "") -> Text:
        """Files read as the training text was, but for the layout and tokens given here."""
        own = self.settings.text
        return read_text(
            paths, layout=layout or own.layout, tokens=tokens or own.tokens, form=own.form
        )

    @property
    def yardstick(self) -> Windows:
        """Windows of the n-gram that the model is compared with."""
        return self.settings.model.yardstick

    @cached_property
    def yardsticks(self) -> dict[str, Predictor]:
        """The unigram and an interpolated n-gram, fitted on the run's training text.

        A text of more than YARDSTICK_TOKENS has the unigram only: the other is held in memory. An
        exported run, which has no texts, has none.
        """
        if not (self.path / CORPUS).exists():
            return {}
        reading = self.model.reading
        train, types = self.store("train"), len(self.vocabulary)
        order = self.yardstick
        found: dict[str, Predictor] = {
            "unigram (add-one)": Unigram(reading, reading.target_counts(train, types))
        }
        if len(train) <= YARDSTICK_TOKENS:
            name = f"{order.order}-gram (interpolated Witten-Bell)"
            found[name] = WittenBell(order, train, types)
        return found

    def evaluate(self, text: TextLike, *, yardsticks: bool = True, reading: str = "") -> Evaluation:
        """Score a text: perplexity, accuracy, bands, interval, beside the yardsticks.

        Args:
            reading: "sentences" or "stream"; empty for the model's own way.
        """
        source = self.text(text)
        store = encode_in_memory(source, self.vocabulary)
        return self.evaluate_store(store, source.name, yardsticks=yardsticks, reading=reading)

    def evaluate_store(
        self, store: TokenStore, name: str, *, yardsticks: bool = True, reading: str = ""
    ) -> Evaluation:
        """Score a text that is encoded already, for example one of the run's own."""
        return evaluate(
            self.model,
            store,
            self.vocabulary,
            text=name,
            reading=self.reading(reading),
            yardsticks=self.yardsticks if yardsticks else None,
        )

    def word_vectors(self) -> NDArray[np.float32]:
        """The input embeddings, one row a word of the vocabulary. [V, E]"""
        vectors: NDArray[np.float32] = self.network.encoder.word_vectors().detach().numpy()
        return vectors

    def score(self, text: TextLike, *, end: bool = False, reading: str = "") -> Iterator[WordScore]:
        """Yield surprisal, entropy and rank of each word of a text, in its own spelling.

        Args:
            end: yield a row for each end marker too.
            reading: "sentences" or "stream"; empty for the model's own way.
        """
        return score_words(
            self.model, self.text(text), self.vocabulary, end=end, reading=self.reading(reading)
        )

    def generate(
        self, prompt: str = "", settings: GenerationSettings | None = None, **options: Any
    ) -> list[Generated]:
        """Continue a prompt; options are those of GenerationSettings (words, count, seed ...)."""
        if settings is None:
            settings = validate(GenerationSettings, options, source="generate")
        words = self.text([prompt]) if prompt.strip() else None
        spelled = [word for s in words.sentences() for word in s.words] if words else []
        ids = [i for row in encode(words, self.vocabulary) for i in row] if words else []
        with torch.no_grad():
            return generate(self.model, self.vocabulary, spelled, ids, settings)
