"""`wordlab probe`: is a property of words linearly readable from a layer?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.corpus.labelled.word_labels import WordLabels
    from wordlab.runs.run import Run
    from wordlab.runs.tagger_run import TaggerRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(probe)


def probe(
    run: RunFolder,
    file: Annotated[
        str,
        typer.Option("--property", help="Words and labels in columns, blank lines between."),
    ] = "",
    own: Annotated[
        str,
        typer.Option("--property-of", help="length, capital, frequency-band or position."),
    ] = "",
    text: Annotated[
        str, typer.Option("--text", help="With --property-of; else the run's validation text.")
    ] = "",
    word_column: Annotated[
        int | None, typer.Option(min=1, help="Of the words, from 1; else found out.")
    ] = None,
    label_column: Annotated[
        int | None, typer.Option(min=1, help="Of the labels, from 1; else the last.")
    ] = None,
    network: Annotated[
        list[str],
        typer.Option("--network", help="untrained, best or last; may be given again; else all."),
    ] = [],  # noqa: B006 (typer copies it)
    with_unknown: Annotated[
        bool, typer.Option("--with-unknown", help="Probe words too that the run does not know.")
    ] = False,
    words: Annotated[int, typer.Option(min=1, help="Draw sentences of so many words.")] = 10_000,
    controls: Annotated[int, typer.Option(min=1, help="How many control tasks.")] = 3,
    strength: Annotated[
        float | None, typer.Option("--strength", help="C of the penalty; else chosen in training.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 1,
    as_json: Json = False,
) -> None:
    """Read a property of words from each layer, held against a control task."""
    from wordlab.inspection.probes.probing import ProbeSettings
    from wordlab.inspection.probes.runs import probe_run
    from wordlab.runs.kept_networks import KEPT
    from wordlab.runs.opening import open_run

    if bool(file) == bool(own):
        raise WordlabError("give either --property FILE or --property-of NAME", where="probe")
    if text and file:
        raise WordlabError("goes with --property-of; a file has words of its own", where="--text")
    if strength is not None and not 0 < strength < float("inf"):
        raise WordlabError("must be a number above 0", where="--strength")
    for name in network:
        if name not in KEPT:
            raise WordlabError(
                f"{name!r} is no network of a run; allowed: {', '.join(KEPT)}", where="--network"
            )
    opened = open_run(run)
    found = probe_run(
        opened,
        _own_labels(opened, own, text) if own else _read(file, word_column, label_column),
        networks=network or KEPT,
        settings=ProbeSettings(
            controls=controls,
            with_unknown=with_unknown,
            strength=strength,
            most_words=words,
            seed=seed,
        ),
    )
    if as_json:
        show_json(found.as_json())
    else:
        show(found.tables())


def _read(file: str, word_column: int | None, label_column: int | None) -> "WordLabels":
    from wordlab.corpus.labelled.word_labels import read_word_labels

    return read_word_labels(file, word_column=word_column, label_column=label_column)


def _own_labels(run: "Run | TaggerRun", name: str, text: str) -> "WordLabels":
    """A property that needs no file, of a text or of the run's own."""
    from wordlab.corpus.text import read_text
    from wordlab.inspection.probes.properties import property_of
    from wordlab.runs.tagger_run import TaggerRun

    if not text:
        return property_of(run, name)
    source = read_text(text, tokens="words") if isinstance(run, TaggerRun) else run.text(Path(text))
    return property_of(run, name, [sentence.words for sentence in source.sentences()])
