"""Errors with entities: each in its sentence, and how types and ends are confused."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.table import Column, Table

MISSED, SPURIOUS = "missed", "spurious"
WRONG_TYPE, WRONG_ENDS, WRONG_BOTH = "wrong type", "wrong ends", "wrong type and ends"
KINDS = (WRONG_TYPE, WRONG_ENDS, WRONG_BOTH, MISSED, SPURIOUS)
NONE = "none"


@dataclass(frozen=True)
class EntityError:
    """A true entity that was not found, or one found that is none.

    Attributes:
        kind: of `KINDS`.
        sentence: its number in the text.
        gold, predicted: the entities; one of them is None for missed and spurious ones.
        probability: of the predicted entity, None where there is none or it is not known.
    """

    kind: str
    sentence: int
    gold: Span | None
    predicted: Span | None
    probability: float | None = None


def entity_errors(
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    probabilities: Sequence[Sequence[float]] | None = None,
) -> list[EntityError]:
    """Match what is wrong: by the same words, then by common words, each entity at most once."""
    errors = []
    for number, (true, found) in enumerate(zip(gold, predicted, strict=True)):
        sure = dict(zip(found, probabilities[number], strict=True)) if probabilities else {}
        missed = [span for span in true if span not in set(found)]
        spurious = [span for span in found if span not in set(true)]
        for left, right, kind in _pairs(missed, spurious):
            errors.append(EntityError(kind, number, left, right, sure.get(right)))
            missed.remove(left)
            spurious.remove(right)
        errors += [EntityError(MISSED, number, span, None) for span in missed]
        errors += [EntityError(SPURIOUS, number, None, span, sure.get(span)) for span in spurious]
    return errors


def _pairs(missed: Sequence[Span], spurious: Sequence[Span]) -> list[tuple[Span, Span, str]]:
    """Pairs of a true and a found entity, those with the most words in common first."""
    candidates = []
    for left in missed:
        for right in spurious:
            common = min(left.end, right.end) - max(left.start, right.start)
            if common > 0:
                same_ends = left[:2] == right[:2]
                same_type = left.type == right.type
                kind = WRONG_TYPE if same_ends else WRONG_ENDS if same_type else WRONG_BOTH
                candidates.append((same_ends, same_type, common, left, right, kind))
    taken: set[Span] = set()
    pairs = []
    for *_, left, right, kind in sorted(candidates, key=lambda c: c[:3], reverse=True):
        if left not in taken and right not in taken:
            taken |= {left, right}
            pairs.append((left, right, kind))
    return pairs


def kinds_table(errors: Sequence[EntityError], true: int, predicted: int) -> Table:
    """How many errors of each kind there are."""
    counts = Counter(error.kind for error in errors)
    return Table.of(
        "Errors by kind",
        ("kind", "errors", Column("of true entities", 2, percent=True)),
        [(kind, counts[kind], counts[kind] / true if true else 0.0) for kind in KINDS],
        note=f"{true:,} true entities, {predicted:,} predicted.",
    )


def confusion_table(
    gold: Sequence[Sequence[Span]], errors: Sequence[EntityError], types: Sequence[str]
) -> Table:
    """True types against predicted ones, whatever the ends; `none` for missed and spurious."""
    counts: Counter[tuple[str, str]] = Counter((s.type, s.type) for row in gold for s in row)
    for error in errors:
        if error.gold is not None:
            counts[error.gold.type, error.gold.type] -= 1
        left = error.gold.type if error.gold else NONE
        right = error.predicted.type if error.predicted else NONE
        counts[left, right] += 1
    columns = (*types, NONE)
    return Table.of(
        "True types (rows) and predicted types (columns)",
        ("true", *columns),
        [(row, *(counts[row, column] for column in columns)) for row in (*types, NONE)],
        note="On the diagonal also entities of the right type with wrong ends.",
    )


def names_in(sentences: Sequence[LabelledSentence]) -> dict[str, set[str]]:
    """The types that each name has in a text."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sentence in sentences:
        for span in sentence.spans:
            found[sentence.text_of(span)].add(span.type)
    return dict(found)


def familiarity(name: str, kind: str, known: dict[str, set[str]]) -> str:
    """Whether a name is seen in training with its type only, ambiguous there, or unseen."""
    types = known.get(name)
    if types is None:
        return "unseen"
    return "seen" if types == {kind} else "ambiguous"


FAMILIARITIES = ("seen", "ambiguous", "unseen")
