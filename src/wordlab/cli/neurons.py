"""`wordlab neurons`: what hidden units answer to, and what they are good for."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.inspection.units.layers import AnyRun
    from wordlab.inspection.units.texts import ModelText, TaggerText
    from wordlab.table import Table

Found = tuple[list["Table"], dict[str, Any]]
"""Tables, and the same as plain values by name."""

USUAL_UNITS = 5
CONTEXTS = 3
READ_TOKENS = 20_000
ABLATED_WORDS, ABLATED_TOKENS = 50_000, 2_000
"""Of taggers and of language models, whose output is larger by far."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(neurons)


def neurons(
    run: RunFolder,
    texts: Annotated[
        list[str], typer.Argument(help="Texts, labelled ones for taggers; else validation.")
    ] = [],  # noqa: B006
    unit: Annotated[
        str, typer.Option(help="Units, as 2,7,24, or all; else five of largest outgoing weights.")
    ] = "",
    position: Annotated[
        str, typer.Option(help="Of the window: 0, -1,1 or all; else the usual one.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Words, or units, to list.")] = 10,
    min_count: Annotated[
        int, typer.Option(min=1, help="Leave out words seen less often in training.")
    ] = 1,
    contexts: Annotated[
        int, typer.Option(min=0, help="Places of the text to show where each unit is extreme.")
    ] = 0,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Hold units one at a time: what each class loses.")
    ] = False,
    carriers: Annotated[
        bool, typer.Option("--carriers", help="Name a unit for each class on training; check it.")
    ] = False,
    groups: Annotated[
        int, typer.Option(min=0, help="Cluster units that answer alike into so many groups.")
    ] = 0,
    off: Annotated[
        str, typer.Option(help="Hold these units together, as 2,7: which words change.")
    ] = "",
    clamp: Annotated[
        str, typer.Option(help="zero, mean or a number; else zero, and mean for --carriers.")
    ] = "",
    words: Annotated[
        list[str], typer.Option("--word", help="For --ablate of language models: not bands, words.")
    ] = [],  # noqa: B006
    tokens: Annotated[
        int, typer.Option(min=0, help="Read so many words of a text; else what the note says.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Top words of units, contexts, and what is lost without them."""
    from wordlab.inspection.units.layers import first_layer, network_of, reads_windows
    from wordlab.runs.opening import open_run

    opened = open_run(run)
    every = unit == "all"
    chosen = None if every else _numbers(unit, "--unit", "unit")
    usual = None if every else USUAL_UNITS
    found: list[Found] = []
    asked = ablate or carriers or groups or off or contexts
    windows = reads_windows(network_of(opened))
    if windows and not asked:
        found.append(_words(opened, chosen, usual, position, top, min_count))
    elif position:
        first_layer(network_of(opened), str(run))
        raise WordlabError("goes with the top words of units alone", where="--position")
    for option, given, partners in (
        ("--clamp", clamp, {"--ablate": ablate, "--carriers": carriers, "--off": off}),
        ("--word", words, {"--ablate": ablate}),
    ):
        if given and not any(partners.values()):
            raise WordlabError(f"goes with {' or '.join(partners)}", where=option)
    if contexts or (not asked and (texts or not windows)):
        found.append(_contexts(opened, texts, chosen, usual, contexts or CONTEXTS, tokens))
    if groups:
        found.append(_groups(opened, texts, groups, top, tokens))
    if ablate:
        found.append(_effects(opened, texts, chosen, clamp or "zero", words, top, tokens))
    if carriers:
        found.append(_carriers(opened, texts, clamp or "mean", tokens))
    if off:
        held = _numbers(off, "--off", "unit") or []
        found.append(_changes(opened, texts, held, clamp or "zero", top, tokens))
    if as_json:
        show_json({name: value for _, values in found for name, value in values.items()})
    else:
        show([table for tables, _ in found for table in tables])


def _numbers(listed: str, where: str, kind: str) -> list[int] | None:
    """Whole numbers between commas; None where there are none."""
    if not listed.strip():
        return None
    try:
        return list(dict.fromkeys(int(part) for part in listed.split(",")))
    except ValueError:
        raise WordlabError(
            f"{listed!r} is no {kind}; allowed: whole numbers between commas", where=where
        ) from None


def positions_of(listed: str, every: Sequence[int]) -> list[int] | None:
    """Positions as they are given: numbers, or all of them; None where none is given."""
    return list(every) if listed == "all" else _numbers(listed, "--position", "position")


def _text(run: "AnyRun", texts: Sequence[str], most: int) -> "TaggerText | ModelText":
    from wordlab.inspection.units.texts import model_text, tagger_text
    from wordlab.runs.tagger_run import TaggerRun

    if isinstance(run, TaggerRun):
        return tagger_text(run, texts, most=most)
    return model_text(run, run.read(texts) if texts else None, most=most)


def _words(
    run: "AnyRun",
    units: list[int] | None,
    usual: int | None,
    position: str,
    top: int,
    min_count: int,
) -> Found:
    from wordlab.inspection.units.layers import (
        first_layer,
        largest,
        network_of,
        require_units,
    )
    from wordlab.inspection.units.words import unit_words, unit_words_tables, words_of

    layer = first_layer(network_of(run), str(run.path))
    chosen = largest(layer.outgoing, usual) if units is None else units
    require_units(chosen, len(layer.outgoing))
    positions = positions_of(position, layer.positions) or [layer.usual_position]
    words = words_of(run)
    found = unit_words(
        layer, words, units=chosen, positions=positions, top=top, min_count=min_count
    )
    tables = unit_words_tables(found, len(words.at_least(min_count)), min_count)
    return tables, {"unit_words": [asdict(item) for item in found]}


def _contexts(
    run: "AnyRun",
    texts: Sequence[str],
    units: list[int] | None,
    usual: int | None,
    count: int,
    tokens: int,
) -> Found:
    from wordlab.inspection.units.contexts import contexts_table, extreme_contexts
    from wordlab.inspection.units.layers import (
        largest,
        network_of,
        outgoing_lengths,
        require_units,
    )
    from wordlab.inspection.units.texts import unit_values

    lengths = outgoing_lengths(network_of(run))
    chosen = largest(lengths, usual) if units is None else units
    require_units(chosen, len(lengths))
    values = unit_values(run, _text(run, texts, tokens or READ_TOKENS))
    found = extreme_contexts(values, chosen, count)
    table = contexts_table(found, values)
    return [table], {"text": values.text, "contexts": [asdict(item) for item in found]}


def _groups(run: "AnyRun", texts: Sequence[str], groups: int, top: int, tokens: int) -> Found:
    from wordlab.inspection.units.contexts import group_units, groups_table
    from wordlab.inspection.units.texts import unit_values

    values = unit_values(run, _text(run, texts, tokens or READ_TOKENS))
    found = group_units(values, groups=groups, top=top)
    return [groups_table(found, values)], {"groups": [asdict(group) for group in found]}


def _effects(
    run: "AnyRun",
    texts: Sequence[str],
    units: list[int] | None,
    clamp: str,
    words: Sequence[str],
    top: int,
    tokens: int,
) -> Found:
    from wordlab.inspection.units.effects import effects_of

    text = _text(run, texts, tokens or _ablated(run))
    found = effects_of(run, text, units=units, at=clamp, words=words)
    tables = [effects.table(top) for effects in found]
    return tables, {"effects": [record for effects in found for record in effects.records()]}


def _carriers(run: "AnyRun", texts: Sequence[str], clamp: str, tokens: int) -> Found:
    from wordlab.inspection.units.carriers import carriers_of, carriers_table

    most = tokens or _ablated(run)
    found = carriers_of(run, _text(run, texts, most), at=clamp, most=most)
    tables = [carriers_table(*each) for each in found]
    return tables, {"carriers": [asdict(item) for named, _, _ in found for item in named]}


def _changes(
    run: "AnyRun", texts: Sequence[str], units: Sequence[int], clamp: str, top: int, tokens: int
) -> Found:
    from wordlab.inspection.units.switching import changes_of, changes_table, hold

    held = hold(run, units, clamp)
    found = changes_of(run, _text(run, texts, tokens or READ_TOKENS), held)
    return [changes_table(found, held, top)], {"changes": [asdict(item) for item in found]}


def _ablated(run: "AnyRun") -> int:
    """Words that are read where units are held one at a time."""
    from wordlab.runs.tagger_run import TaggerRun

    return ABLATED_WORDS if isinstance(run, TaggerRun) else ABLATED_TOKENS
