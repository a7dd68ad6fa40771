"""What is in a text: counts, common n-grams, and how their frequencies are spread."""

from collections.abc import Mapping

from wordlab.chart import Axis, Chart
from wordlab.corpus.ngrams import NgramStatistics
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.table import Column, Table


def corpus_table(stores: Mapping[str, TokenStore], types: int, vocabulary: Vocabulary) -> Table:
    """Sizes and unknown rates of the texts, under one vocabulary."""
    return Table.of(
        "Texts",
        (
            "text",
            "sentences",
            "words",
            "tokens with end markers",
            "unknown words",
            Column("unknown rate", 2, percent=True),
        ),
        [
            (
                name,
                store.header.sentences,
                store.header.words,
                store.header.tokens,
                store.header.unknown,
                store.header.unknown / max(store.header.words, 1),
            )
            for name, store in stores.items()
        ],
        note=(
            f"The training text has {types:,} types; the vocabulary holds {len(vocabulary):,} "
            f"with its three markers ({vocabulary.hash})."
        ),
    )


def ngram_table(statistics: NgramStatistics, second: str = "") -> Table:
    """How many n-grams there are, how many occur once, how many of a second text they cover."""
    n = statistics.order
    rows: list[tuple[str, int | str]] = [
        (f"{n}-grams", statistics.total),
        ("different ones", statistics.distinct),
        ("that occur once", statistics.once),
    ]
    if statistics.coverage is not None:
        rows += [
            (f"{n}-grams of {second}", statistics.second_total),
            ("that occur in the first text", f"{100 * statistics.coverage:.2f} %"),
        ]
    return Table.of_pairs(
        f"{n}-grams",
        rows,
        note=(
            f"One start and one end marker a sentence: w words have w {3 - n:+d} of them."
            if n > 1
            else "The words and one end marker a sentence."
        ),
    )


def top_table(statistics: NgramStatistics, vocabulary: Vocabulary) -> Table:
    """The most common n-grams."""
    return Table.of(
        f"The {len(statistics.top)} most common {statistics.order}-grams",
        ("rank", f"{statistics.order}-gram", "count"),
        [
            (rank, " ".join(vocabulary.decode(ids)), count)
            for rank, (ids, count) in enumerate(statistics.top, start=1)
        ],
    )


def rank_chart(statistics: NgramStatistics) -> Chart:
    """Count against rank, both logarithmic (Zipf's plot)."""
    n = statistics.order
    return Chart(
        title=f"{n}-grams by rank",
        mark="line",
        data=Table.of("Count by rank", ("rank", "count"), statistics.ranks()),
        x=Axis("rank", f"rank of the {n}-gram", log=True),
        y=Axis("count", "occurrences", log=True),
        description=f"Occurrences of each {n}-gram against its rank, both axes logarithmic.",
    )


def count_of_counts_chart(statistics: NgramStatistics) -> Chart:
    """How many n-grams occur once, twice and so on."""
    n = statistics.order
    return Chart(
        title=f"How many {n}-grams occur how often",
        mark="point",
        data=Table.of(
            "Count of counts", ("occurrences", "different n-grams"), statistics.count_of_counts
        ),
        x=Axis("occurrences", f"occurrences of a {n}-gram", log=True),
        y=Axis("different n-grams", f"different {n}-grams", log=True),
        description=f"Number of different {n}-grams that occur once, twice and so on.",
    )
