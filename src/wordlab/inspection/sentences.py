"""Sentences that a run makes up, begun with those of its validation text."""

from collections.abc import Sequence

from wordlab.generation.sentences import Generated, GenerationSettings, generate
from wordlab.runs.run import Run
from wordlab.table import Column, Table


def sample_sentences(run: Run, count: int = 5) -> list[Generated]:
    """Continue the first words, three or what the reading needs, of validation sentences."""
    given = max(3, run.model.reading.fewest_words)
    ids = run.store("validation").ids
    ends = (ids == run.vocabulary.end).nonzero()[0]
    begins = [0, *(int(e) + 1 for e in ends[:-1])]
    long = [b for b, e in zip(begins, ends, strict=True) if e - b > given]
    sentences = []
    for number, begin in enumerate(long[:: max(1, len(long) // count)][:count]):
        prompt = [int(i) for i in ids[begin : begin + given]]
        settings = GenerationSettings(words=10, count=1, temperature=0.8, seed=number + 1)
        words = run.vocabulary.decode(prompt)
        sentences += generate(run.model, run.vocabulary, words, prompt, settings)
    return sentences


def sentences_table(sentences: Sequence[Generated]) -> Table:
    """Each sentence with its nats, total and a word."""
    return Table.of(
        "Continuations",
        ("prompt", "continuation", Column("nats", 2), Column("nats a word", 2), "ended"),
        [
            (
                " ".join(item.prompt),
                " ".join(item.words),
                item.total_nats,
                item.total_nats / max(len(item.nats), 1),
                item.ended,
            )
            for item in sentences
        ],
        note="Nats are of the new words, and of the end marker where it came, under the model.",
    )
