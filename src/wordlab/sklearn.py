"""The tagger as an estimator of scikit-learn: fit, predict and score on lists of words and tags."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from wordlab.corpus.labelled.naming import name_scheme
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.tallies import entity_counts, micro
from wordlab.runs.tagger_run import TaggedSentence
from wordlab.runs.tagger_training import train_tagger

Words = Sequence[Sequence[str]]
Tags = Sequence[Sequence[str]]


class EntityTagger(BaseEstimator):  # type: ignore[misc]
    """An entity tagger over sentences that are lists of words.

    Args:
        settings: of the run, as in its TOML file, for example {"training": {"epochs": 10}}.
        scheme: tagging scheme of the tags; None: found out when fitting.
        seed: of all chance.
        run: folder to keep the run in; None: it is kept in memory only.

    Attributes:
        run_: the trained run.
        scheme_: tagging scheme of the tags that it was fitted to, which it predicts.
        classes_: the tags that it may predict.
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        scheme: str | None = None,
        seed: int = 1,
        run: str | Path | None = None,
    ) -> None:
        self.settings = settings
        self.scheme = scheme
        self.seed = seed
        self.run = run

    def fit(self, X: Words, y: Tags) -> Self:  # noqa: N803
        """Train on sentences and their tags; some are held out to choose the best epoch.

        Raises:
            WordlabError: where words and tags do not go together, or tags are not legal.
        """
        self.scheme_ = self.scheme or name_scheme(y)[0].name
        sentences = _labelled(X, y, self.scheme_)
        settings = dict(self.settings or {})
        settings["training"] = {**settings.get("training", {}), "seed": self.seed}
        with tempfile.TemporaryDirectory(prefix="wordlab-") as scratch:
            folder = Path(self.run) if self.run is not None else Path(scratch) / "run"
            self.run_ = train_tagger(sentences, run=folder, settings=settings)
            _ = self.run_.model  # read while the folder is there
        self.classes_ = TagSet(self.scheme_, self.run_.tag_set.types).tags
        return self

    def predict(self, X: Words) -> list[list[str]]:  # noqa: N803
        """A tag for each word."""
        return [sentence.tags(self.scheme_) for sentence in self.tag(X)]

    def tag(self, X: Words) -> list[TaggedSentence]:  # noqa: N803
        """The entities of each sentence, with their probabilities."""
        check_is_fitted(self)
        return list(self.run_.tag_lines(X))

    def score(self, X: Words, y: Tags) -> float:  # noqa: N803
        """The F1 of entities."""
        gold = [sentence.spans for sentence in _labelled(X, y, self.scheme_)]
        found = [
            [Span(e.first_word, e.last_word + 1, e.type) for e in sentence.entities]
            for sentence in self.tag(X)
        ]
        types = sorted({span.type for rows in (gold, found) for row in rows for span in row})
        return micro(entity_counts(gold, found, types).sum(axis=0)).f1


def _labelled(words: Words, tags: Tags, scheme: str) -> list[LabelledSentence]:
    """Words and tags as sentences with entities; each is a document of its own."""
    if len(words) != len(tags):
        raise WordlabError(f"{len(words)} sentences, but tags for {len(tags)}", where="X, y")
    found = []
    for number, (row, labels) in enumerate(zip(words, tags, strict=True)):
        if isinstance(row, str) or len(row) != len(labels):
            raise WordlabError(
                f"sentence {number} has {len(row)} words and {len(labels)} tags", where="X, y"
            )
        for _, clash in SCHEMES[scheme].clashes(labels):
            if not clash.needless:
                raise WordlabError(f"sentence {number}: {clash.why}", where="y")
        spans = tuple(SCHEMES[scheme].spans(labels))
        found.append(LabelledSentence(tuple(row), spans, number + 1, number))
    return found
