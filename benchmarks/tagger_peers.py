"""The taggers that taggers.py is held against: sklearn-crfsuite and spaCy.

    pip install -c constraints.txt sklearn-crfsuite spacy

Each trains on words and entities as they are given, and keeps what it learned in a folder.
"""

import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.evaluation.tagging.tallies import entity_counts, micro

Sentences = Sequence[Sequence[str]]
OfLines = Callable[[Sequence[str]], list[Any]]
"""Lines of text -> what is found in each, in the system's own form."""


class Peer(ABC):
    """A tagger of others.

    Attributes:
        name: what it is called.
        module: what must be there to be imported.
    """

    name: str
    module: str

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return find_spec(self.module) is not None

    @abstractmethod
    def train(
        self,
        train: Sequence[LabelledSentence],
        validation: Sequence[LabelledSentence],
        folder: Path,
    ) -> int:
        """Train into a folder and return the number of epochs or iterations."""

    @abstractmethod
    def spans(self, folder: Path, sentences: Sentences) -> list[list[Span]]:
        """The entities of sentences whose words are given."""

    @abstractmethod
    def tagger(self, folder: Path) -> OfLines:
        """Open what was trained, as a function of lines that it splits itself."""


class Crfsuite(Peer):
    """A linear-chain CRF over hand-made features: L-BFGS, 100 iterations, c1 = c2 = 0.1.

    It has no tokenizer: lines are split at white space.
    """

    name = "sklearn-crfsuite"
    module = "sklearn_crfsuite"

    def train(
        self,
        train: Sequence[LabelledSentence],
        validation: Sequence[LabelledSentence],
        folder: Path,
    ) -> int:
        """Train into a folder; the validation text is not looked at."""
        crf = self._crf(folder)
        tags = [SCHEMES["IOB2"].tags(s.spans, len(s.words)) for s in train]
        crf.fit([crf_features(s.words) for s in train], tags)
        return int(crf.max_iterations)

    def spans(self, folder: Path, sentences: Sentences) -> list[list[Span]]:
        """The entities of sentences whose words are given."""
        tags = self._crf(folder).predict([crf_features(words) for words in sentences])
        return [SCHEMES["IOB2"].spans(row, lenient=True) for row in tags]

    def tagger(self, folder: Path) -> OfLines:
        """Open what was trained, as a function of lines."""
        crf = self._crf(folder)
        _ = crf.tagger_  # opens the file
        word_features.cache_clear()
        return lambda lines: list(crf.predict([crf_features(line.split()) for line in lines]))

    def _crf(self, folder: Path) -> Any:
        from sklearn_crfsuite import CRF

        return CRF(
            algorithm="lbfgs",
            c1=0.1,
            c2=0.1,
            max_iterations=100,
            all_possible_transitions=True,
            model_filename=str(folder / "model.crfsuite"),
        )


@cache
def word_features(word: str, place: int) -> tuple[str, ...]:
    """Features of the word so many places from the one that is tagged."""
    lower = word.lower()
    if abs(place) == 2:
        return (f"{place}:lower={lower}",)
    return (
        f"{place}:lower={lower}",
        *(f"{place}:prefix-{length}={word[:length]}" for length in (2, 3)),
        *(f"{place}:suffix-{length}={word[-length:]}" for length in (2, 3)),
        f"{place}:shape={_shape(word)}",
        f"{place}:title={word.istitle()}",
        f"{place}:upper={word.isupper()}",
        f"{place}:digit={word.isdigit()}",
    )


def _shape(word: str) -> str:
    return "".join(
        "X" if sign.isupper() else "x" if sign.isalpha() else "0" if sign.isdigit() else sign
        for sign in word
    )


def crf_features(words: Sequence[str]) -> list[list[str]]:
    """Features of each word of a sentence: its own, those of its neighbours, words two away."""
    found = []
    for at in range(len(words)):
        own = ["bias"]
        for place in range(-2, 3):
            if 0 <= at + place < len(words):
                own += word_features(words[at + place], place)
        own += ["first"] * (at == 0) + ["last"] * (at == len(words) - 1)
        found.append(own)
    return found


class SpacyNer(Peer):
    """The `ner` of a blank English pipeline: dropout 0.2, optimiser and batches as spaCy has them.

    The epoch that is best on the validation text is kept, as wordlab keeps it.
    """

    name = "spaCy ner"
    module = "spacy"
    epochs = 15

    def train(
        self,
        train: Sequence[LabelledSentence],
        validation: Sequence[LabelledSentence],
        folder: Path,
    ) -> int:
        """Train into a folder."""
        import spacy
        from spacy.tokens import Doc
        from spacy.training import Example
        from spacy.util import fix_random_seed, registry

        fix_random_seed(1)
        nlp = spacy.blank("en")
        nlp.add_pipe("ner")
        examples = []
        for sentence in train:
            words = list(sentence.words)
            tags = SCHEMES["IOB2"].tags(sentence.spans, len(words))
            examples.append(
                Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
            )
        optimizer = nlp.initialize(lambda: examples)
        batcher = registry.resolve({"own": nlp.config["training"]["batcher"]})["own"]
        types = sorted({s.type for text in (train, validation) for x in text for s in x.spans})
        true, words = [s.spans for s in validation], [s.words for s in validation]
        best = -1.0
        for epoch in range(1, self.epochs + 1):
            random.shuffle(examples)
            for batch in batcher(examples):
                nlp.update(batch, drop=0.2, sgd=optimizer)
            found = _spacy_spans(nlp, words)
            f1 = micro(entity_counts(true, found, types).sum(axis=0)).f1
            print(f"{self.name}: epoch {epoch}, F1 {100 * f1:.2f} %", file=sys.stderr, flush=True)
            if f1 > best:
                best = f1
                nlp.to_disk(folder / "nlp")
        return self.epochs

    def spans(self, folder: Path, sentences: Sentences) -> list[list[Span]]:
        """The entities of sentences whose words are given."""
        import spacy

        return _spacy_spans(spacy.load(folder / "nlp"), sentences)

    def tagger(self, folder: Path) -> OfLines:
        """Open what was trained, as a function of lines."""
        import spacy

        nlp = spacy.load(folder / "nlp")
        return lambda lines: [doc.ents for doc in nlp.pipe(lines)]


def _spacy_spans(nlp: Any, sentences: Sentences) -> list[list[Span]]:
    from spacy.tokens import Doc

    docs = nlp.pipe([Doc(nlp.vocab, words=list(words)) for words in sentences])
    return [[Span(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]


PEERS: tuple[Peer, ...] = (Crfsuite(), SpacyNer())
