"""`wordlab prepare`: what is in a text, and its ids on disk."""

from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import JobsOption, Json, Overrides, note, show, show_json, write_chart
from wordlab.errors import WordlabError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(prepare)


def prepare(
    texts: Annotated[list[str], typer.Argument(help="Training text: files, .gz too, or -.")],
    second: Annotated[
        list[str],
        typer.Option("--second", help="A second text, whose coverage by the first is counted."),
    ] = [],  # noqa: B006
    out: Annotated[
        Path, typer.Option("--out", help="Folder for vocabulary, ids and pictures.")
    ] = Path("prepared"),
    n: Annotated[int, typer.Option("-n", min=1, max=16, help="Length of the n-grams.")] = 4,
    top: Annotated[int, typer.Option(min=0, help="How many common n-grams to list.")] = 50,
    jobs: JobsOption = 0,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Count a text, build its vocabulary and write its token ids.

    Where it is stopped, the same call goes on with what is read.

    Settings that apply: text.layout, text.tokens, text.form, vocabulary.size,
    vocabulary.min_count, vocabulary.file and the markers' spellings.
    """
    from wordlab.cli.progress import reading_shown
    from wordlab.config import apply_overrides, validate
    from wordlab.corpus.ngrams import count_ngrams
    from wordlab.corpus.numbering import cores
    from wordlab.corpus.preparation import prepare as prepare_texts
    from wordlab.corpus.text import read_text
    from wordlab.inspection.corpus import (
        corpus_table,
        count_of_counts_chart,
        ngram_table,
        rank_chart,
        top_table,
    )
    from wordlab.runs.settings import RunSettings

    settings = validate(RunSettings, apply_overrides({}, overrides), source="--set")
    if (out / "settings.json").exists():
        raise WordlabError(
            "is a run folder, whose vocabulary would be lost",
            where=str(out),
            mend="choose another folder with --out",
        )
    first = read_text(texts).with_settings(settings.text)
    others = {"second": read_text(second).with_settings(settings.text)} if second else {}
    with reading_shown([*texts, *second]):
        corpus = prepare_texts(first, others, settings.vocabulary, out, jobs=jobs or cores())
    corpus.vocabulary.save(out / "vocabulary.tsv")
    for line in corpus.notes(settings.vocabulary):
        note(f"note: {line}")
    statistics = count_ngrams(
        corpus.stores["train"],
        n,
        len(corpus.vocabulary),
        top=top,
        second=corpus.stores.get("second"),
    )
    for chart, name in (
        (rank_chart(statistics), "rank-frequency"),
        (count_of_counts_chart(statistics), "count-of-counts"),
    ):
        for ending in ("html", "svg", "png"):
            write_chart(chart, out / f"{name}.{ending}")
    tables = [
        corpus_table(corpus.stores, corpus.types, corpus.vocabulary),
        ngram_table(statistics, "the second text"),
    ]
    if as_json:
        show_json(
            {
                "texts": tables[0].records(),
                "types": corpus.types,
                "vocabulary": {"size": len(corpus.vocabulary), "hash": corpus.vocabulary.hash},
                "n": n,
                "ngrams": statistics.total,
                "distinct": statistics.distinct,
                "once": statistics.once,
                "coverage": statistics.coverage,
                "count_of_counts": statistics.count_of_counts,
                "top": top_table(statistics, corpus.vocabulary).records(),
                "folder": str(out),
            }
        )
        return
    show([*tables, top_table(statistics, corpus.vocabulary)])
    note(f"vocabulary, ids and pictures: {out}")
