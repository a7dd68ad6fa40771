"""`wordlab demo`: the main job, whole, on a text that every Python brings along."""

import re
from pathlib import Path
from typing import Annotated

import typer

from wordlab.cli.terminal import note, show
from wordlab.errors import WordlabError

DEMOS = ("language-model", "tagger", "boolean")

SETTINGS = {
    "text": {"layout": "running", "tokens": "words", "form": "lower"},
    "vocabulary": {"min_count": 2},
    "model": {"n": 4, "embedding": 128, "hidden": [128], "embedding_dropout": 0.4},
    "output": {"tied": True, "smoothing": 0.1},
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    what: Annotated[
        str, typer.Argument(help="language-model, tagger, or boolean.")
    ] = "language-model",
    folder: Annotated[Path, typer.Option("--folder", help="Where to put it.")] = Path("demo"),
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Of the tagger: begin with a faulty file, and mend it.")
    ] = False,
    table: Annotated[
        str,
        typer.Option("--table", help="Of boolean: the outputs for inputs 00, 01, 10, 11, as 0110."),
    ] = "",
) -> None:
    """The main job, whole, on a text that comes along: from the text to figures and answers.

    Or Boolean functions by threshold units: which are linearly separable, proved, and drawn.
    """
    from wordlab.cli.boolean_demo import boolean_demo
    from wordlab.cli.tagger_demo import tagger_demo

    if what not in DEMOS:
        allowed = ", ".join(DEMOS)
        raise WordlabError(f"{what!r} is no demo; allowed: {allowed}", where="demo")
    if dirty and what != "tagger":
        raise WordlabError("is of the tagger", where="--dirty", mend="wordlab demo tagger --dirty")
    if table and what != "boolean":
        mend = f"wordlab demo boolean --table {table}"
        raise WordlabError("is of Boolean functions", where="--table", mend=mend)
    if what == "boolean":
        boolean_demo(folder, table)
    elif what == "tagger":
        tagger_demo(folder, dirty=dirty)
    else:
        _language_model(folder)


def _language_model(folder: Path) -> None:
    """Text, training, figures, sentences, neighbours, report."""
    from wordlab.config import validate
    from wordlab.inspection.sentences import sample_sentences, sentences_table
    from wordlab.inspection.words.neighbours import nearest, neighbours_table
    from wordlab.reports.gathering import report_of
    from wordlab.reports.page import as_page
    from wordlab.runs.files import next_free, write_whole
    from wordlab.runs.settings import RunSettings
    from wordlab.runs.training_run import TrainingRun

    folder.mkdir(parents=True, exist_ok=True)
    path, run_folder = folder / "text.txt", next_free(folder / "run")
    note("1. Text: the language reference that comes with Python (pydoc_data.topics).")
    write_whole(path, language_reference().encode())
    note(f"   {path}\n   Your own text: wordlab prepare MY.txt --set text.layout=running\n")

    note("2. Training: a feed-forward 4-gram network; every tenth sentence is held out to choose")
    note("   the best epoch. Train and validation nats are of the same kind of targets.")
    settings = validate(RunSettings, {**SETTINGS, "data": {"train": [str(path)]}}, source="demo")
    training = TrainingRun.start(settings, run_folder)
    from wordlab.cli.progress import train_and_show

    run = train_and_show(training)
    note(f"   Your own text: wordlab train MY.txt --run {folder}/mine --set text.layout=running\n")

    note("3. Figures on the held-out sentences, beside models that need counting only.")
    evaluation = run.evaluate_store(run.store("validation"), "the held-out sentences")
    show([evaluation.summary(), evaluation.table()])
    note(f"   Any other text: wordlab evaluate {run_folder} OTHER.txt")
    note(f"   A row for each word: wordlab score {run_folder} OTHER.txt\n")

    note("4. Sentences, begun with three words of held-out sentences.")
    show([sentences_table(sample_sentences(run))])
    note(f'   Your own: wordlab generate {run_folder} --prompt "the value of"\n')

    note("5. Nearest words.")
    words = [
        w for w in ("function", "class", "true", "integer", "raised") if w in run.vocabulary.ids
    ]
    show([neighbours_table(nearest(run.word_vectors(), run.vocabulary, words), 1000)])
    note(f"   Your own: wordlab neighbours {run_folder} list; wordlab map {run_folder}\n")

    report = folder / "report.html"
    write_whole(report, as_page(report_of(run)).encode())
    note("6. Report: all of this and more in one file that opens from disk.")
    print(f"perplexity {evaluation.overall.perplexity:.2f}  report {report}")


def language_reference() -> str:
    """The text of Python's language reference, its ornaments, examples and repeats left out.

    Several topics quote the same pages: a paragraph that came before is passed over, else the
    held-out sentences would be known by heart.
    """
    from pydoc_data.topics import topics

    seen: dict[str, None] = {}
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            text = " ".join(re.sub(r"[*`=\-^~\"]{2,}|[*`\"]", " ", paragraph).split())
            is_example = paragraph.startswith("   ") or re.search(r"[|+>]{2,}|\| ", paragraph)
            if text and not is_example:
                seen[text] = None
    return "\n\n".join(seen)
