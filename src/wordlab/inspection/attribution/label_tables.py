"""Tables of what the labels of a tagger came from."""

from collections.abc import Iterable

from wordlab.inspection.attribution.labels import WAYS, By, SentenceLabels
from wordlab.models.taggers.tagger import Tagger
from wordlab.models.taggers.window import WindowEncoder
from wordlab.table import Column, Table

RADIUS = 3
"""Words on each side with a column of their own, of taggers that read whole sentences."""


def shown_radius(model: Tagger) -> int:
    """The window's radius, where the tagger reads windows."""
    encoder = model.encoder
    return encoder.settings.radius if isinstance(encoder, WindowEncoder) else RADIUS


def protocol(by: By) -> str:
    """How words and features are taken away, in words."""
    return (
        f"Nats that a word or feature adds to ln p(label): with it, less without it; {WAYS[by]}, "
        "and the sentence is tagged again. The label is the type of entity, whose tags are added "
        "up. A feature is taken away from all of its word, or is all that is left of it (alone)."
    )


def label_tables(sentence: SentenceLabels, radius: int) -> list[Table]:
    """Labels with what the words around them did, and what the features of their own word did.

    Args:
        radius: so many words on each side have a column; the strongest beyond is named.
    """
    title = f"Line {sentence.line}: {' '.join(sentence.words)}"
    if not sentence.labels:
        return [Table.of(title, (), [], note="No word has a label.")]
    around = [offset for offset in range(-radius, radius + 1) if offset]
    head = ("word", "label", Column("probability", 3), Column("the word itself", 2))
    positions = Table.of(
        title,
        (*head, *(Column(f"{offset:+d}", 2) for offset in around), "farther"),
        [
            (
                *(label.word, label.label, label.probability, label.itself),
                *(label.at(offset) for offset in around),
                label.strongest_beyond(radius),
            )
            for label in sentence.labels
        ],
    )
    names = tuple(sentence.labels[0].features)
    features = Table.of(
        "Features of the word itself",
        ("word", "label", "", *(Column(name, 2) for name in names)),
        [
            (label.word, label.label, how, *nats.values())
            for label in sentence.labels
            for how, nats in (("taken away", label.features), ("alone", label.alone))
        ],
    )
    return [positions, features]


def label_summary(sentences: Iterable[SentenceLabels], radius: int, note: str = "") -> Table:
    """What each position of the window and each feature did to labels, over a whole text."""
    labels = [label for sentence in sentences for label in sentence.labels]
    rows = [("the word itself", [label.itself for label in labels])]
    for offset in range(-radius, radius + 1):
        if offset:
            found = [nats for label in labels if (nats := label.at(offset)) is not None]
            rows.append((f"the word at {offset:+d}", found))
    for name in labels[0].features if labels else ():
        rows += [
            (f"feature {name}", [label.features[name] for label in labels]),
            (f"feature {name}, alone", [label.alone[name] for label in labels]),
        ]
    return Table.of(
        "Over all labels",
        ("word or feature", Column("mean nats", 3), Column("largest", 2), "labels"),
        [
            (name, sum(nats) / len(nats), max(nats, key=abs), len(nats))
            for name, nats in rows
            if nats
        ],
        note=note,
    )
