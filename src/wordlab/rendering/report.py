"""One self-contained HTML file about a run: opens from disk, asks for nothing from outside."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wordlab.chart import Axis, Chart
from wordlab.corpus.ngrams import count_ngrams
from wordlab.evaluation.evaluation import Evaluation
from wordlab.generation.sentences import Generated, GenerationSettings, generate
from wordlab.inspection.corpus import (
    corpus_table,
    count_of_counts_chart,
    ngram_table,
    rank_chart,
    top_table,
)
from wordlab.inspection.cost import model_tables
from wordlab.inspection.learning import history_table, learning_chart
from wordlab.inspection.maps import word_map
from wordlab.inspection.neighbours import METRICS, nearest, neighbours_table
from wordlab.models.language_model import LanguageModel
from wordlab.rendering.charts import as_figure, interactive_script
from wordlab.rendering.tables import as_html
from wordlab.runs.files import write_whole
from wordlab.runs.run import Run
from wordlab.table import Column, Table


@dataclass(frozen=True)
class Section:
    """A headed part of the report, with its tables and charts in order."""

    title: str
    parts: tuple[Table | Chart, ...]


def write_report(run: Run, path: Path) -> None:
    """Gather every section of a run's report and write the file."""
    write_whole(path, render_report(run, report_sections(run)).encode())


def report_sections(run: Run) -> Sequence[Section]:
    """Settings, texts, learning curves, evaluation, bands, sentences, neighbours, map."""
    train, validation = run.store("train"), run.store("validation")
    order = run.yardstick.order
    statistics = count_ngrams(train, order, len(run.vocabulary), second=validation)
    evaluation = run.evaluate_store(validation, "the validation text")
    types = int(run.environment.get("data", {}).get("types", 0))
    return [
        Section("Evaluation", (evaluation.summary(), evaluation.table())),
        Section("By frequency", (bands_chart(evaluation), evaluation.bands_table())),
        *_learning_sections(run),
        Section(
            "Texts",
            (
                corpus_table({"train": train, "validation": validation}, types, run.vocabulary),
                ngram_table(statistics, "the validation text"),
                rank_chart(statistics),
                count_of_counts_chart(statistics),
                top_table(statistics, run.vocabulary),
            ),
        ),
        Section("Sentences", (sentences_table(sample_sentences(run)),)),
        *_vector_sections(run),
        Section("Model", tuple(model_tables(run.model, run.settings.training))),
        Section("Settings", (settings_table(run), environment_table(run))),
    ]


def _learning_sections(run: Run) -> list[Section]:
    """Curves and table of the epochs, where there were any."""
    if not run.history:
        return []
    parts = learning_chart(run.history), history_table(run.history)
    return [Section("Learning curves", parts)]


def _vector_sections(run: Run) -> list[Section]:
    """Neighbours and map, of models that have word vectors."""
    if not isinstance(run.model, LanguageModel):
        return []
    vectors = run.word_vectors()
    frequent = run.vocabulary.frequent_words(1000)
    words = [run.vocabulary.words[i] for i in frequent[20 : 20 + 16 * 8 : 16]]
    found = [
        neighbour
        for metric in METRICS
        for neighbour in nearest(vectors, run.vocabulary, words, metric=metric)
    ]
    return [
        Section("Nearest words", (neighbours_table(found, 1000),)),
        Section("Word map", _map_parts(run)),
    ]


def _map_parts(run: Run) -> tuple[Table | Chart, ...]:
    """The map, unless there are too few words or dimensions to lay one out."""
    vectors = run.word_vectors()
    if vectors.shape[1] < 2 or len(run.vocabulary.frequent_words(3)) < 3:
        note = "A map needs at least 3 words and 2 dimensions."
        return (Table.of("Word map", (), [], note=note),)
    return (word_map(vectors, run.vocabulary, words=300),)


def bands_chart(evaluation: Evaluation) -> Chart:
    """Cross-entropy by frequency of the target."""
    return Chart(
        title="Cross-entropy by frequency of the target",
        mark="bar",
        data=Table.of(
            "Nats a token",
            ("target", Column("nats a token", 4), "targets"),
            [(name, s.nats_per_token, s.targets) for name, s in evaluation.bands],
        ),
        x=Axis("nats a token", "nats a token", zero=True),
        y=Axis("target", "", ordered=True),
        description="Mean surprisal of validation targets, by their frequency in training.",
        height=180,
    )


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


def settings_table(run: Run) -> Table:
    """Every setting by its full name."""
    rows: list[tuple[str, str]] = []

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            rows.append((prefix, json.dumps(value, ensure_ascii=False)))

    walk("", run.settings.model_dump(mode="json"))
    return Table.of("Settings", ("setting", "value"), rows)


def environment_table(run: Run) -> Table:
    """What the run was made with."""
    environment = {k: v for k, v in run.environment.items() if k != "data"}
    return Table.of(
        "Made with",
        ("", "value"),
        [
            (key, ", ".join(f"{k} {v}" for k, v in value.items()))
            if isinstance(value, dict)
            else (key, str(value))
            for key, value in environment.items()
        ],
    )


def render_report(run: Run, sections: Sequence[Section]) -> str:
    """Write the sections as one HTML page."""
    links = "".join(
        f'<li><a href="#part-{number}">{html.escape(section.title)}</a></li>'
        for number, section in enumerate(sections)
    )
    body = "".join(
        f'<section id="part-{number}"><h2>{html.escape(section.title)}</h2>\n'
        + "\n".join(
            as_figure(part) if isinstance(part, Chart) else as_html(part) for part in section.parts
        )
        + "</section>\n"
        for number, section in enumerate(sections)
    )
    title = html.escape(f"wordlab report: {run.name}")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n<nav><ul>{links}</ul></nav>\n"
        f"{body}{interactive_script()}</body></html>\n"
    )


_STYLE = """
body{font:16px/1.5 system-ui,'DejaVu Sans',sans-serif;max-width:62rem;margin:2rem auto;
padding:0 1rem;color:#1a1a1a;background:#fff}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0}
table{border-collapse:collapse;margin:1rem 0;font-size:.9rem;display:block;overflow-x:auto}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.15rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
th{background:#f4f4f4}.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1rem 0}.chart svg{max-width:100%;height:auto}
summary{cursor:pointer;color:#444}
"""
