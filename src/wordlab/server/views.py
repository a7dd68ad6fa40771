"""Answers to questions: from a served run's figures to what is sent."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from wordlab.evaluation.cross_entropy import perplexity
from wordlab.evaluation.surprisal import WordScore
from wordlab.generation.sentences import (
    Generated,
    GenerationSettings,
    generating,
    require_length,
)
from wordlab.inspection.words.maps import word_map
from wordlab.inspection.words.neighbours import nearest
from wordlab.runs.tagger_run import TaggedSentence
from wordlab.server.answers import (
    CompleteAnswer,
    CompletionAnswer,
    ContinuationAnswer,
    EntityAnswer,
    GenerateAnswer,
    MapAnswer,
    NeighbourAnswer,
    NeighboursAnswer,
    PlaceAnswer,
    RunAnswer,
    ScoreAnswer,
    SentenceAnswer,
    TagAnswer,
    TotalsAnswer,
    VocabularyAnswer,
    WordAnswer,
)
from wordlab.server.faults import RefusedError
from wordlab.server.questions import (
    CompleteQuestion,
    GenerateQuestion,
    NeighboursQuestion,
    ScoreQuestion,
)
from wordlab.server.served import Line, Served, ServedModel, ServedTagger, in_turns
from wordlab.server.worker import Inquiry


def about(served: Served) -> RunAnswer:
    """What a run is and what may be asked of it."""
    if isinstance(served, ServedTagger):
        settings = served.run.settings
        return RunAnswer(
            name=served.name,
            kind="tagger",
            model=settings.model.type,
            views=list(served.views),
            protocol="",
            tokens="words",
            fewest_words=0,
            vocabulary=None,
            types=list(served.run.tag_set.types),
        )
    return RunAnswer(
        name=served.name,
        kind="language model",
        model=served.family,
        views=list(served.views),
        protocol=served.model.reading.protocol,
        tokens=served.tokens,
        fewest_words=served.model.reading.fewest_words,
        vocabulary=_vocabulary(served),
        types=[],
    )


def _vocabulary(served: ServedModel) -> VocabularyAnswer:
    return VocabularyAnswer(size=len(served.vocabulary), hash=served.hash)


def scoring(served: ServedModel, question: ScoreQuestion) -> Inquiry[ScoreAnswer]:
    """Score a text."""
    rows: list[WordScore] = []
    before = 0
    for part in served.turns(served.encoded(question.text, question.tokens)):
        rows += _numbered((yield part), before)
        before += len(part)
    words = [row for row, after in pairwise(rows) if row.sentence == after.sentence]
    return ScoreAnswer(
        run=served.name,
        protocol=served.model.reading.protocol,
        adaptation=served.model.adaptation,
        vocabulary=_vocabulary(served),
        totals=_totals(rows, len(words)),
        words=[_word(row) for row in (rows if question.end else words)],
    )


def _numbered(rows: Sequence[WordScore], before: int) -> Sequence[WordScore]:
    """The rows of a part of a text that has so many sentences before it."""
    return [replace(row, sentence=row.sentence + before) for row in rows] if before else rows


def _word(row: WordScore) -> WordAnswer:
    return WordAnswer(
        line=row.line,
        sentence=row.sentence,
        position=row.position,
        word=row.word,
        scored=row.scored,
        unknown=row.unknown,
        nats=_finite(row.nats),
        bits=_finite(row.bits),
        entropy_nats=_finite(row.entropy_nats),
        rank=row.rank,
    )


def _totals(rows: Sequence[WordScore], words: int) -> TotalsAnswer:
    nats = [row.nats for row in rows if row.nats is not None]
    known = [row.nats for row in rows if row.nats is not None and not row.unknown]
    total = math.fsum(nats)
    mean = total / len(nats) if nats else math.nan
    return TotalsAnswer(
        sentences=rows[-1].sentence if rows else 0,
        words=words,
        unknown_words=sum(row.unknown for row in rows),
        targets=len(nats),
        nats=_finite(total),
        bits=_finite(total / math.log(2)),
        nats_per_target=_finite(mean),
        perplexity=_finite(perplexity(mean)) if nats else None,
        perplexity_known=_finite(perplexity(math.fsum(known) / len(known))) if known else None,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def writing(served: ServedModel, question: GenerateQuestion) -> Inquiry[GenerateAnswer]:
    """Continue a prompt."""
    words, ids = served.prompt(question.prompt, question.tokens)
    require_length(served.model, ids)
    settings = GenerationSettings(
        words=question.words,
        count=question.count,
        seed=question.seed,
        temperature=question.temperature,
        top_k=question.top_k,
        top_p=question.top_p,
        unknown=question.unknown,
        end=question.end,
    )
    made = yield from generating(served.vocabulary, words, ids, settings)
    return GenerateAnswer(
        run=served.name, prompt=words, continuations=[_continuation(each) for each in made]
    )


def _continuation(made: Generated) -> ContinuationAnswer:
    return ContinuationAnswer(
        text=made.text,
        words=list(made.words),
        nats=[_finite(nats) for nats in made.nats],
        total_nats=_finite(made.total_nats),
        ended=made.ended,
    )


def completing(served: ServedModel, question: CompleteQuestion) -> Inquiry[CompleteAnswer]:
    """The most probable next words that begin as typed."""
    _, ids = served.prompt(question.prompt, question.tokens)
    require_length(served.model, ids)
    log_probs = yield [ids]
    p = log_probs[0].double().exp()
    prefix = served.form_of(question.prefix)
    allowed = torch.tensor(served.beginning_with(prefix), dtype=torch.int64)
    of_allowed = p[allowed]
    mass = float(of_allowed.sum())
    best = of_allowed.topk(min(question.count, len(allowed)))
    return CompleteAnswer(
        run=served.name,
        prefix=prefix,
        mass=mass,
        unknown=float(p[served.vocabulary.unknown]),
        end=float(p[served.vocabulary.end]),
        completions=[
            CompletionAnswer(
                word=served.vocabulary.words[int(allowed[place])],
                probability=value,
                share=value / mass if mass else 0.0,
            )
            for place, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ],
    )


def tagging(served: ServedTagger, lines: Sequence[Line]) -> Inquiry[TagAnswer]:
    """Find the entities of a text's lines."""
    found: list[TaggedSentence] = []
    for part in in_turns(lines, lambda line: len(line.words)):
        found += yield part
    return TagAnswer(
        run=served.name,
        sentences=[_sentence(line, each) for line, each in zip(lines, found, strict=True)],
    )


def _sentence(line: Line, tagged: TaggedSentence) -> SentenceAnswer:
    entities = [
        EntityAnswer(
            text=entity.text,
            type=entity.type,
            probability=entity.probability,
            start=line.start + entity.start,
            end=line.start + entity.end,
            first_word=entity.first_word,
            last_word=entity.last_word,
        )
        for entity in tagged.entities
    ]
    return SentenceAnswer(
        start=line.start,
        end=line.start + len(line.text),
        words=list(tagged.words),
        entities=entities,
    )


def neighbouring(served: ServedModel, question: NeighboursQuestion) -> NeighboursAnswer:
    """The nearest words.

    Raises:
        RefusedError: where a word is not in the vocabulary.
    """
    forms = [served.form_of(word) for word in question.words]
    for number, form in enumerate(forms):
        if form not in served.vocabulary.ids:
            raise RefusedError(
                404,
                "this word is not in the vocabulary",
                where=f"words.{number}",
                mend="ask for a word that the model saw in training",
            )
    found = nearest(
        served.word_vectors,
        served.vocabulary,
        forms,
        count=question.count,
        among=question.among,
        metric=question.metric,
    )
    return NeighboursAnswer(
        run=served.name,
        metric=question.metric,
        among=question.among,
        neighbours=[
            NeighbourAnswer(
                word=each.word, neighbour=each.neighbour, rank=each.rank, value=each.value
            )
            for each in found
        ],
    )


def mapping(served: ServedModel, words: int, method: str, seed: int) -> MapAnswer:
    """The most frequent words in the plane."""
    chart = word_map(served.word_vectors, served.vocabulary, words=words, method=method, seed=seed)
    places = [PlaceAnswer(**record) for record in chart.data.records()]
    return MapAnswer(run=served.name, method=method or "pca", words=places)
