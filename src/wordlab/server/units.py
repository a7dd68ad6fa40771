"""Hidden units: their words, their contexts, and a text without them."""

from collections.abc import Sequence
from dataclasses import asdict

from wordlab.corpus.text import text_of
from wordlab.evaluation.cross_entropy import Score
from wordlab.inspection.units.contexts import Context, extreme_contexts
from wordlab.inspection.units.effects import Effects, effects_of
from wordlab.inspection.units.layers import (
    count_of_units,
    first_layer,
    largest,
    network_of,
    outgoing_lengths,
    position_name,
    reads_windows,
    require_units,
)
from wordlab.inspection.units.switching import (
    Hold,
    TagChange,
    hold,
    score_changes,
    tag_changes,
)
from wordlab.inspection.units.texts import model_text
from wordlab.inspection.units.words import UnitWords, unit_words
from wordlab.server.answers import (
    AblateAnswer,
    ChangeAnswer,
    ClassAnswer,
    ContextAnswer,
    EffectsAnswer,
    FigureAnswer,
    NeuronAnswer,
    NeuronsAnswer,
    PositionAnswer,
    RankedWordAnswer,
)
from wordlab.server.faults import RefusedError
from wordlab.server.limits import HELD_WORDS
from wordlab.server.questions import AblateQuestion, EffectsQuestion, NeuronsQuestion
from wordlab.server.served import Served, ServedTagger, lines_of

USUAL_UNITS = 5


def neurons(served: Served, question: NeuronsQuestion) -> NeuronsAnswer:
    """What units answer to.

    Raises:
        WordlabError: for a unit that there is none of.
    """
    network = network_of(served.run)
    lengths = outgoing_lengths(network)
    chosen = question.units or largest(lengths, USUAL_UNITS)
    require_units(chosen, len(lengths))
    words: list[UnitWords] = []
    if reads_windows(network):
        layer = first_layer(network)
        require_units(chosen, len(layer.outgoing))
        words = unit_words(
            layer, served.words, units=chosen, positions=layer.positions, top=question.top
        )
    contexts = extreme_contexts(served.unit_values, chosen, question.contexts)
    return NeuronsAnswer(
        run=served.name,
        units=len(lengths),
        text=served.unit_values.text,
        neurons=[
            NeuronAnswer(
                unit=unit,
                outgoing=float(lengths[unit]),
                positions=[_position(each) for each in words if each.unit == unit],
                contexts=[_context(each) for each in contexts if each.unit == unit],
            )
            for unit in chosen
        ],
    )


def _position(found: UnitWords) -> PositionAnswer:
    top, bottom = (
        [RankedWordAnswer(**asdict(word)) for word in words] for words in (found.top, found.bottom)
    )
    name = position_name(found.position)
    return PositionAnswer(position=found.position, name=name, top=top, bottom=bottom)


def _context(found: Context) -> ContextAnswer:
    end = "highest" if found.end == "highest" else "lowest"
    return ContextAnswer(end=end, value=found.value, text=found.text)


def ablating(served: Served, question: AblateQuestion) -> AblateAnswer:
    """A text read with all units, and with some held.

    Raises:
        WordlabError: for a unit that there is none of.
        RefusedError: where the text has too many words.
    """
    require_units(question.units, count_of_units(network_of(served.run)))
    lines = lines_of(question.text, question.tokens)
    if sum(len(line.words) for line in lines) > HELD_WORDS:
        raise RefusedError(
            422,
            f"the text has more than {HELD_WORDS:,} words",
            where="text",
            mend="send a part of it",
        )
    held = hold(served.run, question.units, question.at)
    sentences = [line.words for line in lines]
    if isinstance(served, ServedTagger):
        changes = tag_changes(served.apart, sentences, held) if sentences else []
        return _answer(served.name, held, changes)
    if not sentences:
        return _answer(served.name, held, [])
    spaced = served.run.settings.text.model_copy(update={"tokens": "spaces"})
    text = model_text(served.run, text_of([" ".join(words) for words in sentences], spaced))
    scored = score_changes(served.run, text, held)
    own, other = (
        Score(sum(nats), len(scored)).perplexity
        for nats in ([each.nats for each in scored], [each.nats_held for each in scored])
    )
    return AblateAnswer(
        run=served.name,
        units=list(held.units),
        values=list(held.values),
        perplexity=own if scored else None,
        perplexity_held=other if scored else None,
        types_changed=None,
        words=[ChangeAnswer(**asdict(each)) for each in scored],
    )


def _answer(name: str, held: Hold, changes: Sequence[TagChange]) -> AblateAnswer:
    return AblateAnswer(
        run=name,
        units=list(held.units),
        values=list(held.values),
        perplexity=None,
        perplexity_held=None,
        types_changed=sum(each.type != each.type_held for each in changes),
        words=[ChangeAnswer(**asdict(each)) for each in changes],
    )


def measuring(served: Served, question: EffectsQuestion) -> EffectsAnswer:
    """The figures of each class with each unit held on its own.

    Raises:
        WordlabError: for a unit that there is none of.
    """
    found = effects_of(served.run, served.measured, units=question.units, at=question.at)
    return EffectsAnswer(
        run=served.name,
        text=found[0].text,
        held=found[0].held,
        units=question.units,
        figures=[_figure(each) for each in found],
    )


def _figure(found: Effects) -> FigureAnswer:
    columns = zip(
        found.classes,
        found.counts.tolist(),
        found.whole.tolist(),
        found.changes.T.tolist(),
        strict=True,
    )
    return FigureAnswer.model_validate(
        {
            "figure": found.figure,
            "classes": [
                ClassAnswer(name=name, count=count, whole=whole, changes=changes)
                for name, count, whole, changes in columns
            ],
        }
    )
