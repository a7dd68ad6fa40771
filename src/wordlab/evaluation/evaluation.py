"""The evaluation of a model on a text: every figure with what is needed to read it rightly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wordlab.batching.batch import Reading
from wordlab.chart import Axis, Chart
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.evaluation.bands import score_bands
from wordlab.evaluation.cross_entropy import (
    Score,
    TokenScores,
    adjusted_nats,
    perplexity,
    score_tokens,
)
from wordlab.evaluation.intervals import bootstrap_perplexity
from wordlab.models.language_model import Predictor
from wordlab.table import Column, Table


@dataclass(frozen=True)
class Evaluation:
    """What a model scores on a text.

    Attributes:
        text: name of the text.
        protocol: how the text was read and what was predicted.
        sentences, words: size of the text.
        unknown_words: words of the text outside the vocabulary.
        weights: how the model's weights are kept.
        overall: all targets.
        known: targets other than the unknown word.
        interval: 95 % interval of the perplexity, bootstrap over sentences.
        unknown_share: f, the share of training tokens outside the vocabulary.
        bands: scores by frequency of the target in training.
        yardsticks: other models' scores on the same targets.
        tokens: the scores of each target.
    """

    text: str
    protocol: str
    sentences: int
    words: int
    unknown_words: int
    vocabulary_size: int
    vocabulary_hash: str
    weights: str
    overall: Score
    known: Score
    interval: tuple[float, float]
    unknown_share: float
    bands: tuple[tuple[str, Score], ...]
    yardsticks: Mapping[str, Score]
    tokens: TokenScores

    @property
    def adjusted_perplexity(self) -> float:
        """UNK-adjusted perplexity; see `adjusted_nats`."""
        return perplexity(adjusted_nats(self.overall.nats_per_token, self.unknown_share))

    @property
    def unknown_rate(self) -> float:
        """Share of the text's words that are outside the vocabulary."""
        return self.unknown_words / self.words

    @property
    def note(self) -> str:
        """The protocol in one sentence, for under a table."""
        kept = "" if self.weights == "float32" else f" Weights kept as {self.weights}."
        return (
            f"Protocol: {self.protocol}.{kept} {self.overall.targets:,} targets of {self.text}; "
            f"vocabulary of {self.vocabulary_size:,} ({self.vocabulary_hash}); "
            f"{100 * self.unknown_rate:.2f} % of the words are unknown. "
            "Figures with different vocabularies are not comparable."
        )

    def table(self) -> Table:
        """The model, then the yardsticks, on the same targets."""
        rows = [("model", self.overall), ("model, known targets only", self.known)]
        rows += list(self.yardsticks.items())
        return Table.of(
            "Evaluation",
            (
                "",
                "targets",
                Column("nats", 4),
                Column("bits", 4),
                Column("perplexity", 2),
                Column("top-1", 2, percent=True),
                Column("top-5", 2, percent=True),
                Column("top-10", 2, percent=True),
            ),
            [(name, *_row(score)) for name, score in rows],
            note=self.note,
        )

    def summary(self) -> Table:
        """The figures that stand once: interval, adjusted perplexity, rates."""
        low, high = self.interval
        return Table.of_pairs(
            "Perplexity",
            [
                ("perplexity", f"{self.overall.perplexity:.2f}"),
                ("95 % interval (bootstrap over sentences)", f"{low:.2f} to {high:.2f}"),
                ("UNK-adjusted perplexity", f"{self.adjusted_perplexity:.2f}"),
                ("share of training tokens outside the vocabulary", f"{self.unknown_share:.4f}"),
                ("unknown words in this text", f"{100 * self.unknown_rate:.2f} %"),
            ],
        )

    def bands_table(self) -> Table:
        """Scores by frequency of the target in the training text."""
        return Table.of(
            "By frequency of the target in training",
            (
                "target",
                "targets",
                Column("share of nats", 1, percent=True),
                Column("nats", 4),
                Column("perplexity", 1),
                Column("top-1", 2, percent=True),
            ),
            [
                (
                    name,
                    score.targets,
                    score.nats / self.overall.nats if self.overall.nats else 0.0,
                    score.nats_per_token,
                    score.perplexity,
                    score.accuracy,
                )
                for name, score in self.bands
            ],
        )

    def bands_chart(self) -> Chart:
        """Cross-entropy by frequency of the target."""
        return Chart(
            title="Cross-entropy by frequency of the target",
            mark="bar",
            data=Table.of(
                "Nats a token",
                ("target", Column("nats a token", 4), "targets"),
                [(name, s.nats_per_token, s.targets) for name, s in self.bands],
            ),
            x=Axis("nats a token", "nats a token", zero=True),
            y=Axis("target", "", ordered=True),
            description=f"Mean surprisal of the targets of {self.text}, by their frequency in "
            "training.",
            height=180,
        )

    def as_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "text": self.text,
            "protocol": self.protocol,
            "sentences": self.sentences,
            "words": self.words,
            "unknown_rate": self.unknown_rate,
            "weights": self.weights,
            "vocabulary": {"size": self.vocabulary_size, "hash": self.vocabulary_hash},
            **_figures(self.overall),
            "interval_95": list(self.interval),
            "adjusted_perplexity": self.adjusted_perplexity,
            "known_targets": _figures(self.known),
            "bands": {name: _figures(score) for name, score in self.bands},
            "yardsticks": {name: _figures(score) for name, score in self.yardsticks.items()},
        }


def _row(score: Score) -> tuple[int, float, float, float, float, float, float]:
    targets = score.targets or 1
    return (
        score.targets,
        score.nats_per_token,
        score.bits_per_token,
        score.perplexity,
        score.top1 / targets,
        score.top5 / targets,
        score.top10 / targets,
    )


def _figures(score: Score) -> dict[str, float | int]:
    keys = ("targets", "nats_per_token", "bits_per_token", "perplexity")
    tops = ("accuracy", "top5_accuracy", "top10_accuracy")
    return dict(zip((*keys, *tops), _row(score), strict=True))


def evaluate(
    model: Predictor,
    store: TokenStore,
    vocabulary: Vocabulary,
    *,
    text: str,
    reading: Reading | None = None,
    yardsticks: Mapping[str, Predictor] | None = None,
) -> Evaluation:
    """Score a text and gather the figures.

    Args:
        store: the text, encoded with the model's vocabulary.
        text: its name, for the record.
        reading: how the model reads it; None for its own way.
        yardsticks: models with the same reading, scored on the same targets.
    """
    reading = reading or model.reading
    tokens = score_tokens(model, store, vocabulary=len(vocabulary), reading=reading)
    known = tokens.targets != vocabulary.unknown
    return Evaluation(
        text=text,
        protocol="; ".join(filter(None, (reading.protocol, model.adaptation))),
        sentences=store.header.sentences,
        words=store.header.words,
        unknown_words=store.header.unknown,
        vocabulary_size=len(vocabulary),
        vocabulary_hash=vocabulary.hash,
        weights=model.weights_kept,
        overall=tokens.score(),
        known=tokens.score(known),
        interval=bootstrap_perplexity(tokens.nats, store.sentence_of(tokens.positions)),
        unknown_share=vocabulary.unknown_share,
        bands=tuple(score_bands(tokens, vocabulary)),
        yardsticks={
            name: score_tokens(other, store, vocabulary=len(vocabulary)).score()
            for name, other in (yardsticks or {}).items()
        },
        tokens=tokens,
    )
