"""The word vectors of a run of either kind, with what is known of the words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.corpus.labelled.lexicon import WORD, Lexicon
from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.errors import WordlabError
from wordlab.runs.files import read_tensors
from wordlab.runs.opening import open_run
from wordlab.runs.run import CHECKPOINT, Run
from wordlab.runs.tagger_run import TaggerRun

MARKER_NAMES = ("(unknown word)", "(sentence start)", "(sentence end)")
"""Of a tagger's vocabulary; no word of a text has a space in it."""


@dataclass(frozen=True)
class WordSpace:
    """Vectors and the words that they are of.

    Attributes:
        name: of the run, or of a state of its training.
        vectors: one row a word of the vocabulary. [V, E]
        vocabulary: a tagger's holds the word forms of its training text.
    """

    name: str
    vectors: NDArray[np.float32]
    vocabulary: Vocabulary

    def shared_with(self, *others: "WordSpace") -> list[str]:
        """Words that the others have too, markers left out, the most frequent here first."""
        words = self.vocabulary.words
        own = (words[index] for index in self.vocabulary.frequent_words(len(words)))
        common = [set(other.vocabulary.ids) for other in others]
        return [word for word in own if all(word in ids for ids in common)]

    def rows(self, words: Sequence[str]) -> NDArray[np.float64]:
        """The vectors of some words. [N, E]"""
        ids = [self.vocabulary.ids[word] for word in words]
        return self.vectors[ids].astype(np.float64)


@dataclass(frozen=True)
class RunWords:
    """The words of a run folder.

    Attributes:
        run: opened, of either kind.
    """

    run: Run | TaggerRun

    @classmethod
    def load(cls, path: str | Path) -> "RunWords":
        """Open a run folder.

        Raises:
            WordlabError: where it is none.
        """
        return cls(open_run(path))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words in the order of the vectors' rows.

        Raises:
            WordlabError: where a tagger's words are written as hashes.
        """
        run = self.run
        return run.vocabulary if isinstance(run, Run) else form_vocabulary(run.lexicon, run.path)

    @property
    def best(self) -> WordSpace:
        """As it was trained best.

        Raises:
            WordlabError: where the model has no word vectors.
        """
        return WordSpace(self.run.name, self._table[1].numpy(), self.vocabulary)

    @property
    def last(self) -> WordSpace:
        """As the training stood at its last checkpoint.

        Raises:
            WordlabError: where there is none.
        """
        path = self.run.path / CHECKPOINT
        if not path.exists():
            raise WordlabError(
                f"has no {CHECKPOINT} to compare with",
                where=str(self.run.path),
                mend="use --beside",
            )
        name, best = self._table
        found = read_tensors(path)[0].get(f"model.{name}")
        if found is None or found.shape != best.shape:
            raise WordlabError("does not fit the folder's model", where=str(path))
        return WordSpace(f"{self.run.name}, last", found.float().numpy(), self.vocabulary)

    @cached_property
    def _table(self) -> tuple[str, torch.Tensor]:
        """The name and the values of the parameter that holds the vectors."""
        run = self.run
        if isinstance(run, TaggerRun):
            return "words.word.weight", run.model.words.word.weight.detach()
        table = run.network.encoder.word_vectors()
        names = (name for name, value in run.network.named_parameters() if value is table)
        return next(names, ""), table.detach()

    def classes(self) -> Mapping[str, str]:
        """The label that each word has most often in a tagger's training text.

        Raises:
            WordlabError: where the run is a language model's, or its text is not in its folder.
        """
        run = self.run
        if isinstance(run, Run):
            raise WordlabError(
                "is of taggers: a language model's training text has no classes",
                where="--colour class",
                mend="name a file of words and groups, or colour by frequency",
            )
        make, known = WORD_FORMS[run.lexicon.form], self.vocabulary.ids
        counts: dict[str, Counter[str]] = {}
        for sentence in run.sentences("train"):
            labels = [OUTSIDE] * len(sentence.words)
            for start, end, kind in sentence.spans:
                labels[start:end] = [kind] * (end - start)
            for word, label in zip(sentence.words, labels, strict=True):
                counts.setdefault(make(word, known), Counter())[label] += 1
        return {word: found.most_common(1)[0][0] for word, found in counts.items()}


def form_vocabulary(lexicon: Lexicon, where: Any) -> Vocabulary:
    """The word forms of a tagger's training text as a vocabulary; ids are rows of its vectors.

    Raises:
        WordlabError: where they are written as hashes.
    """
    if lexicon.hashing is not None:
        raise WordlabError(
            "its words are written as hashes, which cannot be read",
            where=str(where),
            mend="name the run that it was exported from",
        )
    words = (*MARKER_NAMES, *lexicon.columns[WORD])
    return Vocabulary(words, np.array(lexicon.counts, dtype=np.int64), 0, 1, 2)
