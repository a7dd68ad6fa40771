"""Splits of labelled sentences: by document, types in equal shares, seeded; and what leaks."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.errors import WordlabError
from wordlab.table import Column, Table

FEWEST_DOCUMENTS = 8
LARGEST_DOCUMENT = 0.25
"""Share of a text. With fewer documents, or one beyond this, parts drawn at random are not of the
size that was asked for."""


def split(
    sentences: Sequence[LabelledSentence],
    shares: Sequence[float],
    *,
    by: str = "document",
    seed: int = 1,
) -> list[list[LabelledSentence]]:
    """Deal sentences out into parts, so that each type gets its share in each part.

    Groups are dealt one by one, the largest first, each to the part that is then furthest from
    its share of the entities of each type and of the words (after Sechidis et al. 2011, for groups
    that are not cut). Groups of a size are shuffled.

    Args:
        shares: of the parts; they add up to 1.
        by: "document", or "sentence"; equal sentences always stay together.

    Raises:
        WordlabError: where there are fewer groups than parts.
    """
    groups = _groups(sentences, by)
    if len(groups) < len(shares):
        raise WordlabError(
            f"{len(groups)} {by}s cannot be dealt out to {len(shares)} parts",
            mend="split by sentence" if by == "document" else "give more sentences",
        )
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(groups))
    contents = [_contents([sentences[at] for at in group]) for group in groups]
    order = np.array(sorted(order, key=lambda at: -contents[at]["words"]))
    totals = sum(contents, Counter[str]())
    dealt: list[Counter[str]] = [Counter() for _ in shares]
    parts: list[list[int]] = [[] for _ in shares]
    for at in order:
        chosen = max(
            range(len(shares)),
            key=lambda part: _need(contents[at], dealt[part], totals, shares[part]),
        )
        parts[chosen] += groups[at]
        dealt[chosen] += contents[at]
    return [[sentences[at] for at in sorted(part)] for part in parts]


def nested(
    sentences: Sequence[LabelledSentence], shares: Sequence[float], *, seed: int = 1
) -> tuple[list[list[LabelledSentence]], str]:
    """Draw parts at random, each a part of the larger ones, and say what they are whole of.

    Documents are drawn, where there are at least FEWEST_DOCUMENTS and none is larger than
    LARGEST_DOCUMENT; else sentences. Each part is as near to its share as whole ones come.

    Args:
        shares: of the sentences.
    """
    groups, by = _groups(sentences, "document"), "document"
    largest = max(map(len, groups), default=0)
    if len(groups) < FEWEST_DOCUMENTS or largest > LARGEST_DOCUMENT * len(sentences):
        groups, by = [[at] for at in range(len(sentences))], "sentence"
    order = np.random.default_rng(seed).permutation(len(groups))
    sizes = np.cumsum([len(groups[group]) for group in order])
    parts = []
    for share in shares:
        count = 1 + int(np.abs(sizes - share * len(sentences)).argmin())
        chosen = sorted(at for group in order[:count] for at in groups[group])
        parts.append([sentences[at] for at in chosen])
    return parts, by


def _groups(sentences: Sequence[LabelledSentence], by: str) -> list[list[int]]:
    """What must stay together: a document, or all sentences with the same words."""
    found: defaultdict[object, list[int]] = defaultdict(list)
    for at, sentence in enumerate(sentences):
        found[sentence.document if by == "document" else sentence.words].append(at)
    return list(found.values())


def _contents(sentences: Sequence[LabelledSentence]) -> Counter[str]:
    counts = Counter(span.type for sentence in sentences for span in sentence.spans)
    counts["words"] = sum(len(sentence.words) for sentence in sentences)
    return counts


def _need(own: Counter[str], dealt: Counter[str], totals: Counter[str], share: float) -> float:
    """How far a part is below its share of what a group holds, each kind relative to its total."""
    return sum(share - dealt[kind] / totals[kind] for kind in own if totals[kind])


@dataclass(frozen=True)
class Leaks:
    """What of a text occurs in the training text too.

    Attributes:
        sentences: sentences of the text.
        known: their numbers where the same words are a training sentence.
        names: distinct entities of the text.
        known_names: those that are entities in the training text.
    """

    sentences: int
    known: tuple[int, ...]
    names: int
    known_names: int

    def table(self, name: str) -> Table:
        """The counts as a table."""
        rows = [
            ("sentences that are training sentences", len(self.known), self.sentences),
            ("distinct names that are names in training", self.known_names, self.names),
        ]
        return Table.of(
            f"What {name} shares with the training text",
            ("", "shared", "of", Column("share", 1, percent=True)),
            [(what, own, total, own / total if total else 0.0) for what, own, total in rows],
            note="Sentences are compared word by word, names by spelling and type.",
        )


def leaks(train: Sequence[LabelledSentence], text: Sequence[LabelledSentence]) -> Leaks:
    """Find the sentences and names of a text that occur in the training text."""
    known = {sentence.words for sentence in train}
    names = _names(text)
    return Leaks(
        len(text),
        tuple(at for at, sentence in enumerate(text) if sentence.words in known),
        len(names),
        len(names & _names(train)),
    )


def _names(sentences: Sequence[LabelledSentence]) -> set[tuple[str, str]]:
    return {(s.text_of(span), span.type) for s in sentences for span in s.spans}
