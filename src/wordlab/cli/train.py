"""`wordlab train`: from a text to a run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordlab.cli.terminal import JobsOption, Json, Overrides, note, show, show_json

if TYPE_CHECKING:
    from wordlab.runs.tagger_training import TaggerTraining
    from wordlab.runs.training_run import TrainingRun
    from wordlab.training.together.ranks import Ranks

TaskOption = Annotated[
    str, typer.Option("--task", help="language-model, or tagger: the texts are labelled.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(train)


def train(
    texts: Annotated[
        list[str], typer.Argument(help="Training text: files, .gz too, or - for standard input.")
    ] = [],  # noqa: B006
    run: Annotated[
        Path, typer.Option("--run", "--run-folder", help="The run folder to make.")
    ] = Path("run"),
    validation: Annotated[
        list[str],
        typer.Option("--validation", help="Validation text; without one, some is held out."),
    ] = [],  # noqa: B006
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings in a TOML file.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Budget of training time.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of all chance.")] = None,
    task: TaskOption = "",
    jobs: JobsOption = 0,
    as_json: Json = False,
) -> None:
    """Train a model and keep it, with all that is needed to use it, in a run folder."""
    from wordlab.training.together.ranks import joined

    data = given_settings(
        config, overrides, texts, validation, task=task, minutes=minutes, seed=seed
    )
    source = str(config) if config else "--set"
    with joined() as ranks:
        training = started(data, run, source=source, ranks=ranks, jobs=jobs)
        train_and_summarise(training, as_json=as_json)


def started(
    data: dict[str, Any],
    run: Path,
    *,
    source: str,
    ranks: "Ranks | None" = None,
    jobs: int = 0,
) -> "TrainingRun | TaggerTraining":
    """Begin the training that settings describe, of a language model or of a tagger.

    Args:
        source: where the settings came from, for messages.
        ranks: the processes that train together; the others follow the first one.
        jobs: processes that read large texts; 0 for as many as there are cores.
    """
    from wordlab.cli.progress import reading_shown
    from wordlab.corpus.numbering import cores
    from wordlab.runs.opening import settings_of
    from wordlab.runs.starting import follow_run, start_run
    from wordlab.training.together.ranks import ALONE

    ranks = ranks or ALONE
    if ranks.rank:
        return follow_run(run, ranks)
    settings = settings_of(data, source)
    with reading_shown([*settings.data.train, *settings.data.validation]):
        return start_run(settings, run, ranks, jobs=jobs or cores())


def given_settings(
    config: Path | None,
    overrides: Sequence[str],
    texts: Sequence[str],
    validation: Sequence[str],
    *,
    task: str = "",
    minutes: float | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """The settings of a file, changed by `--set`, then by what has an option of its own."""
    from wordlab.config import apply_overrides, read_toml

    data = apply_overrides(read_toml(config) if config else {}, overrides)
    given = (
        ("training", "minutes", minutes),
        ("training", "seed", seed),
        ("data", "train", list(texts) or None),
        ("data", "validation", list(validation) or None),
    )
    for section, name, value in given:
        if value is not None and isinstance(data.setdefault(section, {}), dict):
            data[section][name] = value
    return {**data, "task": task} if task else data


def train_and_summarise(
    training: "TrainingRun | TaggerTraining",
    *,
    as_json: bool,
    sentences: int = 0,
    beside: Mapping[str, float] | None = None,
) -> None:
    """Train, then print the kept model's figures on the validation text and where the run lies.

    Of several ranks, the first one prints.

    Args:
        sentences: how many a language model is to generate and print, too.
        beside: a document's figures of a tagger, to be shown beside the tagger's own.
    """
    from wordlab.cli.progress import train_along
    from wordlab.runs.training_run import TrainingRun

    if training.ranks.rank:
        train_along(training)
        return
    for line in training.notes:
        note(f"note: {line}")
    expected = training.expectation()
    if expected is not None:
        note(expected.line())
    if isinstance(training, TrainingRun):
        _language_model(training, as_json=as_json, sentences=sentences)
    else:
        _tagger(training, as_json=as_json, beside=beside or {})


def _tagger(training: "TaggerTraining", *, as_json: bool, beside: Mapping[str, float]) -> None:
    """Train a tagger and print its figures."""
    from wordlab.cli.progress import train_and_show
    from wordlab.table import Column, Table, Value

    run = training.run
    words = {
        name: sum(len(sentence.words) for sentence in text)
        for name, text in (("train", training.train), ("validation", training.validation))
    }
    parameters = sum(p.numel() for p in training.trainer.model.parameters())
    if not as_json:
        pairs: list[tuple[str, Value]] = [
            ("types", ", ".join(run.tag_set.types)),
            ("training sentences", len(training.train)),
            ("training words", words["train"]),
            ("validation sentences", len(training.validation)),
            ("parameters", parameters),
        ]
        show([Table.of_pairs("Data", pairs)])
    done = train_and_show(training)
    progress = training.trainer.progress
    if progress.best is None:
        return
    evaluation = done.evaluate_sentences(training.validation, "the validation text")
    figures: dict[str, Value] = {
        "best_epoch": progress.best.epoch,
        "epochs": len(progress.history),
        "seconds": progress.seconds,
        "run": str(done.path),
    }
    if as_json:
        show_json({**evaluation.as_json(), **figures, "parameters": parameters})
        return
    figures["seconds"] = f"{progress.seconds:.1f}"
    about = Table.of_pairs("Run", [(key.replace("_", " "), v) for key, v in figures.items()])
    show([evaluation.entity_table(), evaluation.token_table(), about])
    if beside:
        own = evaluation.as_json()
        rows = [(name.replace("_", " "), value, 100 * own[name]) for name, value in beside.items()]
        columns = ("figure in %", Column("document", 2), Column("here", 2))
        show([Table.of("Beside the document", columns, rows)])


def _language_model(training: "TrainingRun", *, as_json: bool, sentences: int) -> None:
    """Train a language model, print its figures and some sentences."""
    from dataclasses import asdict

    from wordlab.cli.progress import scoring_shown, train_and_show
    from wordlab.inspection.cost import model_tables, size_of
    from wordlab.inspection.sentences import sentences_table
    from wordlab.table import Table
    from wordlab.training.language_modelling import LanguageModelling
    from wordlab.training.trainer import Trainer

    run, trainer = training.run, training.trainer
    reading = run.settings.model.reading
    counts = {
        name: int(reading.target_counts(run.store(name), len(run.vocabulary)).sum())
        for name in ("train", "validation")
    }
    if not as_json:
        data = Table.of_pairs(
            "Data",
            [
                ("words in the vocabulary", len(run.vocabulary)),
                ("training targets", counts["train"]),
                ("validation targets", counts["validation"]),
                ("protocol", reading.protocol),
            ],
        )
        task = trainer.task if isinstance(trainer, Trainer) else None
        network = task.model if isinstance(task, LanguageModelling) else None
        show([data, *(model_tables(network, run.settings.training) if network else [])])
    done = train_and_show(training)
    best = trainer.progress.best
    if best is None:
        return
    with scoring_shown():
        evaluation = done.evaluate_store(done.store("validation"), "validation", yardsticks=False)
    score = evaluation.overall
    enough = sentences and not done.model.reading.fewest_words
    made = done.generate(count=sentences, words=20) if enough else []
    if as_json:
        show_json(
            {
                "run": str(done.path),
                "perplexity": score.perplexity,
                "adjusted_perplexity": evaluation.adjusted_perplexity,
                "nats_per_token": score.nats_per_token,
                "accuracy": score.accuracy,
                "protocol": evaluation.protocol,
                "epochs": len(trainer.progress.history),
                "best_epoch": best.epoch,
                "seconds": trainer.progress.seconds,
                "vocabulary": len(run.vocabulary),
                "parameters": size_of(done.model),
                "train_targets": counts["train"],
                "validation_targets": counts["validation"],
                "sentences": [asdict(sentence) for sentence in made],
            }
        )
        return
    counted = (
        [] if isinstance(trainer, Trainer) else model_tables(done.model, run.settings.training)
    )
    figures = Table.of_pairs(
        "Validation",
        [
            ("perplexity", f"{score.perplexity:.2f}"),
            ("UNK-adjusted perplexity", f"{evaluation.adjusted_perplexity:.2f}"),
            ("nats a token", f"{score.nats_per_token:.4f}"),
            ("top-1 accuracy", f"{100 * score.accuracy:.2f} %"),
            ("best epoch", f"{best.epoch} of {len(trainer.progress.history)}"),
            ("seconds", f"{trainer.progress.seconds:.1f}"),
            ("run folder", str(done.path)),
        ],
        note=evaluation.note,
    )
    show([*counted, figures, *([sentences_table(made)] if made else [])])
