"""The parts of a report on hidden units and classes."""

from collections.abc import Iterator

from wordlab.inspection.units.carriers import carriers_of, carriers_table
from wordlab.inspection.units.contexts import contexts_table, extreme_contexts, group_units
from wordlab.inspection.units.contexts import groups_table as units_by_group
from wordlab.inspection.units.layers import (
    AnyRun,
    first_layer,
    largest,
    network_of,
    outgoing_lengths,
    reads_windows,
)
from wordlab.inspection.units.prototypes import prototypes
from wordlab.inspection.units.texts import (
    ModelText,
    TaggerText,
    model_text,
    tagger_text,
    unit_values,
)
from wordlab.inspection.units.transitions import transition_table
from wordlab.inspection.units.views import view_of
from wordlab.inspection.units.words import unit_words, unit_words_tables, words_of
from wordlab.reports.section import Part, Section, section_where_possible
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Table

UNITS, TOP, CONTEXTS, GROUPS = 8, 10, 2, 8
"""Units that are shown, their words and places in a text, and groups of all units."""
FEWEST = 3
"""Leave out words that training has less often: the tops would be theirs."""
READ, READ_ANEW = 5_000, 1_000
"""Words of a text that are read; and by a language model without each unit in turn, where every
reading takes the product with all words of its vocabulary."""


def unit_sections(run: AnyRun) -> Iterator[Section]:
    """What hidden units answer to and what they carry; what classes look like."""
    yield from section_where_possible("Hidden units", lambda: [*_words(run), *_places(run)])
    yield from section_where_possible("Units that matter", lambda: _carriers(run))
    if isinstance(run, TaggerRun):
        yield from section_where_possible("Classes", lambda: _classes(run))


def _text(run: AnyRun, most: int) -> TaggerText | ModelText:
    """The head of the validation text."""
    if isinstance(run, TaggerRun):
        return tagger_text(run, most=most)
    return model_text(run, None, most=most)


def _words(run: AnyRun) -> list[Table]:
    """Exact top words, of networks that read windows."""
    model = network_of(run)
    if not reads_windows(model):
        return []
    layer, words = first_layer(model, str(run.path)), words_of(run)
    found = unit_words(
        layer,
        words,
        units=largest(layer.outgoing, UNITS),
        positions=[layer.usual_position],
        top=TOP,
        min_count=FEWEST,
    )
    return unit_words_tables(found, len(words.at_least(FEWEST)), FEWEST)


def _places(run: AnyRun) -> list[Table]:
    """The places of a text that drive units most, and units by what drives them."""
    values = unit_values(run, _text(run, READ))
    chosen = largest(outgoing_lengths(network_of(run)), UNITS)
    places = contexts_table(extreme_contexts(values, chosen, CONTEXTS), values)
    return [places, units_by_group(group_units(values, groups=GROUPS, top=TOP), values)]


def _carriers(run: AnyRun) -> list[Part]:
    """Units named on training text, and what is lost without each on the validation text."""
    most = READ if isinstance(run, TaggerRun) else READ_ANEW
    return [carriers_table(*found) for found in carriers_of(run, _text(run, most), most=most)]


def _classes(run: TaggerRun) -> list[Part]:
    """Top words of each class, and what follows what."""
    transitions = transition_table(run)
    return [
        *prototypes(view_of(run), top=TOP, min_count=FEWEST).tables(),
        *([transitions] if transitions is not None else []),
    ]
