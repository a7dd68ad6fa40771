"""Two runs on the same text: which targets may be compared, and the comparison in tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wordlab.corpus.preparation import encode_sentences
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Sentence
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.corpus.word_forms import WORD_FORMS, WordForm
from wordlab.errors import WordlabError
from wordlab.evaluation.comparison import (
    FEWEST_SENTENCES,
    RESAMPLES,
    Comparison,
    Difference,
    SentenceDifference,
    compare,
)
from wordlab.evaluation.cross_entropy import TokenScores, perplexity, score_tokens
from wordlab.evaluation.shared_words import (
    Among,
    charged_for_unknown,
    same_words,
    shared_words,
    words_outside,
)
from wordlab.models.language_model import Predictor
from wordlab.runs.run import Run, TextLike
from wordlab.table import Column, Table

RULES = ("same", "shared", "union")
"""same: refuse vocabularies of different words; shared: renormalise over the words of both;
union: share the unknown word's probability among the words it stands for."""

DRAWS_NOTE = (
    f"Negative: A predicts the text better. Paired bootstrap, {RESAMPLES:,} draws of sentences, "
    f"so that p is never below {1 / (RESAMPLES + 1):g}: it tells how far the difference depends "
    "on which sentences are in the text, not how it varies with the training seed."
)


@dataclass(frozen=True)
class RunComparison:
    """Run A beside run B on a text.

    Attributes:
        a, b: the runs.
        text: the text's name.
        rule: one of RULES.
        note: what was done to make the figures comparable, in sentences.
        figures: the comparison.
        sentences: the text as it is spelled.
    """

    a: Run
    b: Run
    text: str
    rule: str
    note: str
    figures: Comparison
    sentences: Sequence[Sentence]

    def runs_table(self) -> Table:
        """Both runs on the targets compared."""
        overall, figures = self.figures.overall, self.figures
        sides = (
            ("A", self.a, overall.a, figures.only_a),
            ("B", self.b, overall.b, figures.only_b),
        )
        return Table.of(
            "Comparison",
            ("", "run", "targets", "left out", Column("nats", 4), Column("perplexity", 2)),
            [
                (
                    side,
                    str(run.path),
                    overall.targets,
                    alone + figures.not_kept,
                    score.nats_per_token,
                    score.perplexity,
                )
                for side, run, score, alone in sides
            ],
            note=self.note,
        )

    def difference_table(self) -> Table:
        """The difference with its interval and p-value."""
        figures, overall = self.figures, self.figures.overall
        low, high = overall.interval
        better_a, better_b = figures.better
        unsure = f"not given: fewer than {FEWEST_SENTENCES} sentences"
        sure = not math.isnan(figures.p_value)
        return Table.of_pairs(
            "Difference, A - B",
            [
                ("nats a token", f"{overall.nats_per_token:+.4f}"),
                ("95 % interval", f"{low:+.4f} to {high:+.4f}" if sure else unsure),
                ("p, two-sided", f"{figures.p_value:.4f}" if sure else unsure),
                (
                    "perplexity of A over that of B",
                    f"{perplexity(overall.nats_per_token):.4f}",
                ),
                ("sentences that A predicts better", f"{better_a:,}"),
                ("sentences that B predicts better", f"{better_b:,}"),
                ("sentences compared", f"{len(figures.sentences):,}"),
            ],
            note=DRAWS_NOTE,
        )

    def bands_table(self) -> Table:
        """The difference by frequency of the target in A's training text."""
        return Table.of(
            "By frequency of the target in A's training",
            (
                "target",
                "targets",
                Column("nats A", 4),
                Column("nats B", 4),
                Column("A - B", 4),
                Column("from", 4),
                Column("to", 4),
                Column("adds", 4),
            ),
            [
                (name, *_band_row(band, self.figures.overall.targets))
                for name, band in self.figures.bands
            ],
            note="From, to: 95 % interval of A - B. Adds: the band's part of the difference over "
            "all targets; the parts sum to it.",
        )

    def sentences_table(self, count: int) -> Table:
        """The sentences that move the difference most, in the text's own words."""
        rows = [self._sentence_row(item) for item in self.figures.most_different(count)]
        return Table.of(
            "Sentences that differ most",
            ("line", "targets", Column("nats A"), Column("nats B"), Column("A - B"), "sentence"),
            [tuple(row.values()) for row in rows],
            note="Nats are of the whole sentence. Line: where it begins in its file.",
        )

    def _sentence_row(self, item: SentenceDifference) -> dict[str, Any]:
        sentence = self.sentences[item.sentence]
        return {
            "line": sentence.line,
            "targets": item.targets,
            "nats_a": item.nats_a,
            "nats_b": item.nats_b,
            "difference": item.difference,
            "sentence": " ".join(sentence.words),
        }

    def as_json(self, count: int) -> dict[str, Any]:
        """All figures as plain values, and `count` sentences."""
        figures, overall = self.figures, self.figures.overall
        better_a, better_b = figures.better
        return {
            "text": self.text,
            "vocabulary_rule": self.rule,
            "note": self.note,
            "a": _side(self.a, overall.a.nats_per_token, figures.only_a),
            "b": _side(self.b, overall.b.nats_per_token, figures.only_b),
            "targets": overall.targets,
            "left_out_not_shared": figures.not_kept,
            "difference": overall.nats_per_token,
            "interval_95": list(overall.interval),
            "p_value": figures.p_value,
            "resamples": RESAMPLES,
            "perplexity_ratio": perplexity(overall.nats_per_token),
            "sentences": len(figures.sentences),
            "sentences_a_better": better_a,
            "sentences_b_better": better_b,
            "bands": {
                name: {
                    "targets": band.targets,
                    "nats_a": band.a.nats_per_token,
                    "nats_b": band.b.nats_per_token,
                    "difference": band.nats_per_token,
                    "interval_95": list(band.interval),
                }
                for name, band in figures.bands
            },
            "most_different": [self._sentence_row(s) for s in figures.most_different(count)],
        }


def _band_row(band: Difference, all_targets: int) -> tuple[float | None, ...]:
    low, high = (None if math.isnan(end) else end for end in band.interval)
    nats = (band.a.nats_per_token, band.b.nats_per_token, band.nats_per_token)
    return band.targets, *nats, low, high, band.nats_per_token * band.targets / all_targets


def _side(run: Run, nats_per_token: float, only: int) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "protocol": run.model.reading.protocol,
        "vocabulary": {"size": len(run.vocabulary), "hash": run.vocabulary.hash},
        "nats_per_token": nats_per_token,
        "perplexity": perplexity(nats_per_token),
        "left_out_not_predicted_by_the_other": only,
    }


def compare_runs(a: Run, b: Run, text: TextLike, *, rule: str = "same") -> RunComparison:
    """Score a text with both runs and compare them on the targets that both predict.

    The text is read once, as A's training text was unless it is a Text of its own, so that a
    token's position is the same for both; each run encodes it with its own word form and
    vocabulary, and each word must have the same form for both.

    Args:
        rule: what to do about vocabularies of different words; see RULES.

    Raises:
        WordlabError: where the vocabularies differ under the rule "same", where a word has
            another form for B than for A, or where no target is common.
    """
    if rule not in RULES:
        raise WordlabError(f"{rule!r} is no rule; allowed: {', '.join(RULES)}", where="vocabulary")
    if rule == "same" and not same_words(a.vocabulary, b.vocabulary):
        raise WordlabError(
            f"A knows {len(a.vocabulary):,} words ({a.vocabulary.hash}) and B "
            f"{len(b.vocabulary):,} ({b.vocabulary.hash}), not the same ones, so their "
            "perplexities are not comparable",
            where=f"{a.path} and {b.path}",
            mend="compare over the words that both know with --vocabulary shared, or charge "
            "each for the words it does not know with --vocabulary union",
        )
    source = a.text(text)
    sentences = list(source.sentences())
    forms = _common_forms(sentences, a, b, source.name)
    stores = [_encoded(sentences, run) for run in (a, b)]
    scored, kept, note = _scored(a, b, stores, forms, rule)
    sentence_of = stores[0].sentence_of(np.arange(len(stores[0])))
    figures = compare(*scored, sentence_of, a.vocabulary, kept=kept)
    note = f"{_targets_note(a, b, figures)} {note}"
    return RunComparison(a, b, source.name, rule, note, figures, sentences)


def compare_on_validation(a: Run, b: Run) -> RunComparison:
    """Score A's own validation text with both runs, which must number the same words alike.

    Raises:
        WordlabError: where their vocabularies are not the same.
    """
    if a.vocabulary.hash != b.vocabulary.hash:
        raise WordlabError(
            f"the vocabularies of the runs are not the same ({a.vocabulary.hash} and "
            f"{b.vocabulary.hash}), so their perplexities are not comparable",
            where=f"{a.path} and {b.path}",
            mend="compare them on a text: wordlab compare A B TEXT --vocabulary shared or union",
        )
    store = a.store("validation")
    scored = [_score(run.model, store, run) for run in (a, b)]
    figures = compare(
        scored[0], scored[1], store.sentence_of(np.arange(len(store))), a.vocabulary, kept=None
    )
    note = f"{_targets_note(a, b, figures)} {_same_note(a.vocabulary, b.vocabulary)}"
    sentences = [
        Sentence(a.vocabulary.decode(ids.tolist()), line)
        for line, ids in enumerate(store.sentences(), start=1)
    ]
    return RunComparison(a, b, "A's validation text", "same", note, figures, sentences)


def _form(run: Run) -> WordForm:
    return WORD_FORMS[run.settings.text.form]


def _common_forms(sentences: Sequence[Sentence], a: Run, b: Run, name: str) -> set[str]:
    """The forms of the text's words, which must be the same for both runs."""
    form_a, form_b = _form(a), _form(b)
    known_a, known_b = a.vocabulary.ids, b.vocabulary.ids
    found: dict[str, str] = {}
    for sentence in sentences:
        for word in sentence.words:
            if word in found:
                continue
            found[word] = form_a(word, known_a)
            if (other := form_b(word, known_b)) != found[word]:
                raise WordlabError(
                    f"the word {word!r} is {found[word]!r} to A and {other!r} to B, so they do "
                    "not predict the same words",
                    where=f"{name}:{sentence.line}",
                    mend="compare runs with the same text.form, or on a text that both leave alone",
                )
    return set(found.values())


def _encoded(sentences: Sequence[Sentence], run: Run) -> TokenStore:
    rows = encode_sentences(sentences, _form(run), run.vocabulary)
    return TokenStore.in_memory((ids for _, ids in rows), run.vocabulary)


def _scored(
    a: Run, b: Run, stores: Sequence[TokenStore], forms: set[str], rule: str
) -> tuple[tuple[TokenScores, TokenScores], np.typing.NDArray[np.bool_] | None, str]:
    """Both runs' scores under a rule, the tokens that may be compared, and what was done."""
    if rule == "shared":
        ids_a, ids_b = shared_words(a.vocabulary, b.vocabulary)
        among = (_among(a, ids_a), _among(b, ids_b))
        scored = [_score(m, s, r) for m, s, r in zip(among, stores, (a, b), strict=True)]
        note = (
            f"Vocabularies: only targets among the {len(ids_a) - 1:,} words that both runs know, "
            "and the end marker, are compared; each run's next-word probabilities are divided by "
            "their sum over these words."
        )
        return (scored[0], scored[1]), np.isin(stores[0].ids, ids_a), note
    scored = [_score(run.model, s, run) for run, s in zip((a, b), stores, strict=True)]
    if rule == "same":
        return (scored[0], scored[1]), None, _same_note(a.vocabulary, b.vocabulary)
    words = forms | set(_known(a.vocabulary)) | set(_known(b.vocabulary))
    outside = [words_outside(run.vocabulary, words) for run in (a, b)]
    charged = [
        charged_for_unknown(scores, run.vocabulary, count)
        for scores, run, count in zip(scored, (a, b), outside, strict=True)
    ]
    note = (
        f"Vocabularies: over a closed list of {len(words):,} words, those of both vocabularies "
        "and of this text; the probability of a run's unknown word is shared evenly among the "
        f"words of the list that it does not know, {outside[0]:,} for A and {outside[1]:,} for B. "
        "The longer the list, the dearer an unknown word."
    )
    return (charged[0], charged[1]), None, note


def _among(run: Run, ids: np.typing.NDArray[np.int64]) -> Among:
    return Among(run.model, torch.from_numpy(ids))


def _score(model: Predictor, store: TokenStore, run: Run) -> TokenScores:
    return score_tokens(model, store, vocabulary=len(run.vocabulary))


def _known(vocabulary: Vocabulary) -> list[str]:
    return [word for word, number in vocabulary.ids.items() if number != vocabulary.unknown]


def _same_note(a: Vocabulary, b: Vocabulary) -> str:
    if a.hash == b.hash:
        return f"Vocabulary: {len(a):,} words ({a.hash}), the same for both."
    return (
        f"Vocabularies: the same {len(a):,} words in another order ({a.hash}, {b.hash}), so the "
        "probabilities are of the same things."
    )


def _targets_note(a: Run, b: Run, figures: Comparison) -> str:
    protocol_a, protocol_b = a.model.reading.protocol, b.model.reading.protocol
    if protocol_a == protocol_b:
        read = f"Protocol: {protocol_a}."
    else:
        read = f"Protocol of A: {protocol_a}. Of B: {protocol_b}."
    left = [
        f"{count:,} that {reason}"
        for count, reason in (
            (figures.only_a, "only A predicts"),
            (figures.only_b, "only B predicts"),
            (figures.not_kept, "are not words of both vocabularies"),
        )
        if count
    ]
    return f"{read} Left out: {', '.join(left) if left else 'no target'}."
