"""The tagger as a component of spaCy's pipelines: `nlp.add_pipe("wordlab_tagger", ...)`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.pipeline.span_ruler import (
    prioritize_existing_ents_filter,
    prioritize_new_ents_filter,
)
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span, SpanGroup, Token
from spacy.util import minibatch

from wordlab.runs.opening import open_tagger


class WordlabTagger(Pipe):
    """Finds entities with a trained tagger.

    It reads the Doc's own tokens, white space left out, sentence by sentence where the Doc has
    sentences; else the whole Doc is one. Entities go to `doc.ents`. All that were found, also
    those that `doc.ents` has no room for, are in `doc.spans[spans_key]`, and their probabilities,
    one a span, in that group's `attrs["scores"]`.

    A pipeline on disk has the path of the run, not the run: keep the folder where it is. The
    workers of `nlp.pipe(..., n_process=2)` tag with one thread each.

    Args:
        name: of the component in its pipeline.
        run: folder of the tagger's run.
        overwrite_ents: put them in place of the entities that they overlap; else those stay.
        spans_key: of `doc.spans`.

    Raises:
        WordlabError: where the folder holds no trained tagger.
    """

    def __init__(
        self, name: str, run: str, *, overwrite_ents: bool = False, spans_key: str = "wordlab"
    ) -> None:
        self.name = name
        self.process = os.getpid()
        self.run = open_tagger(run)
        _ = self.run.model  # a fault in it shows now, and each process need not read it anew
        self.merge = (
            prioritize_new_ents_filter if overwrite_ents else prioritize_existing_ents_filter
        )
        self.spans_key = spans_key
        self.scorer = get_ner_prf

    @property
    def labels(self) -> tuple[str, ...]:
        """The types of entities that it may find."""
        return self.run.tag_set.types

    def __call__(self, doc: Doc) -> Doc:
        """Tag a Doc in place."""
        self._tag([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Tag Docs in place as they come, `batch_size` at a time."""
        for docs in minibatch(stream, size=batch_size):  # type: ignore[no-untyped-call]
            try:
                self._tag(docs)
                yield from docs
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)

    def _tag(self, docs: Sequence[Doc]) -> None:
        if os.getpid() != self.process:  # a forked worker would wait for PyTorch's lost threads
            torch.set_num_threads(1)
        rows = [_sentences(doc) for doc in docs]
        lines = ([token.text for token in words] for sentences in rows for words in sentences)
        tagged = self.run.tag_lines(lines)
        for doc, sentences in zip(docs, rows, strict=True):
            spans, scores = [], []
            found = islice(tagged, len(sentences))
            for words, sentence in zip(sentences, found, strict=True):
                for entity in sentence.entities:
                    first, last = words[entity.first_word].i, words[entity.last_word].i
                    spans.append(Span(doc, first, last + 1, label=entity.type))
                    scores.append(entity.probability)
            group = SpanGroup(
                doc, name=self.spans_key, spans=spans, attrs={"scores": np.array(scores)}
            )
            doc.spans[self.spans_key] = group
            doc.ents = self.merge(doc.ents, spans)


@Language.factory(
    "wordlab_tagger",
    default_config={"overwrite_ents": False, "spans_key": "wordlab"},
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def wordlab_tagger(
    nlp: Language, name: str, run: str, overwrite_ents: bool, spans_key: str
) -> WordlabTagger:
    """Make the component for a pipeline; spaCy finds it by its entry point."""
    return WordlabTagger(name, run, overwrite_ents=overwrite_ents, spans_key=spans_key)


def _sentences(doc: Doc) -> list[list[Token]]:
    """The tokens of each sentence without white space."""
    spans = doc.sents if doc.has_annotation("SENT_START") else [doc[:]]
    return [[token for token in span if not token.is_space] for span in spans]
