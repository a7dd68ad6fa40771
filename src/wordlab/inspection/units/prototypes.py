"""The top words of each class by position: by the network, by the data, and by chance.

What a network makes of a single word amid average ones is no fact about a text: a word that
training has once can come out on top. So its top words stand beside those that the labels favour,
and both beside what chance gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.errors import WordlabError
from wordlab.inspection.units.layers import Floats, position_name
from wordlab.inspection.units.log_odds import ClassCounts, neighbours
from wordlab.inspection.units.switching import Change
from wordlab.inspection.units.views import View
from wordlab.table import Column, Table

Ids = NDArray[np.int64]

DRAWS = 5
"""Of each control."""


@dataclass(frozen=True)
class Prototype:
    """A word of training as a sign of a class.

    Attributes:
        probability: of the class, by the network.
        z: by the data, log-odds over their deviation.
        count: how often training has the word at the position, of a place of any class or none.
        own: how often of a place of the class.
    """

    word: str
    probability: float
    z: float
    count: int
    own: int


@dataclass(frozen=True)
class Chance:
    """How well the network's top words fit the data, and what chance gives.

    Attributes:
        probability: of the class, mean of the network's top words.
        purity: of the places with a top word, the share that is of the class; mean of the words.
        z: mean of the data's top words.
    """

    probability: float
    purity: float
    z: float


@dataclass(frozen=True)
class ClassWords:
    """The top words of a class at a position.

    Attributes:
        by_network, by_data: the first the best.
        measured: of these words.
        chance: where the output reads the units in a drawn order, and labels are dealt anew.
    """

    name: str
    position: int
    by_network: tuple[Prototype, ...]
    by_data: tuple[Prototype, ...]
    measured: Chance
    chance: Chance


@dataclass(frozen=True)
class Prototypes:
    """The top words of all classes at some positions.

    Attributes:
        protocol: how the network was asked.
        words: how many were ranked.
        min_count: how often training has each of them at least.
    """

    protocol: str
    words: int
    min_count: int
    found: tuple[ClassWords, ...]

    def tables(self) -> list[Table]:
        """For each position its top words, and what chance gives."""
        tables = []
        for position in dict.fromkeys(item.position for item in self.found):
            rows = [item for item in self.found if item.position == position]
            where = f"{position_name(position)} (position {position})"
            tables += [self._words(rows, where), self._chance(rows, where)]
        return tables

    def _words(self, rows: Sequence[ClassWords], where: str) -> Table:
        least = f" seen {self.min_count} times or more" if self.min_count > 1 else ""
        return Table.of(
            f"Top words of each class, {where}",
            ("class", "by the network", "by the data"),
            [(c.name, _listed(c.by_network), _listed(c.by_data)) for c in rows],
            note=f"{self.words:,} words of training{least}. Network: by the probability of the "
            f"class. {self.protocol} Data: by log-odds of the word with the class against without, "
            "over their deviation (Monroe et al. 2008).",
        )

    def _chance(self, rows: Sequence[ClassWords], where: str) -> Table:
        heads = (
            "class",
            Column("probability", 3),
            Column("probability by chance", 3),
            Column("labelled so", 1, percent=True),
            Column("labelled so by chance", 1, percent=True),
            Column("z", 1),
            Column("z by chance", 1),
        )
        return Table.of(
            f"What these words are worth, {where}",
            heads,
            [
                (
                    c.name,
                    c.measured.probability,
                    c.chance.probability,
                    c.measured.purity,
                    c.chance.purity,
                    c.measured.z,
                    c.chance.z,
                )
                for c in rows
            ],
            note="Means of the top words. Probability, and labelled so (the share of the word's "
            "places in training that are of the class): of the network's; by chance: of its top "
            "words where the output reads the hidden units in a drawn order. z: of the data's; by "
            f"chance: where labels are dealt anew to the places. {DRAWS} draws each.",
        )


def prototypes(
    view: View,
    *,
    positions: Sequence[int] | None = None,
    top: int = 10,
    min_count: int = 1,
    seed: int = 1,
) -> Prototypes:
    """Rank the words of training for each class at some positions.

    Args:
        view: of a run, by `view_of`.
        positions: None for the usual ones: a tagger's centre word and the word before; all of a
            language model's, the last word first.
        top: how many words.
        min_count: leave out words that training has less often.
        seed: of the draws of the controls.

    Raises:
        WordlabError: where there is no such position, or no word comes so often.
    """
    draw = np.random.default_rng(seed)
    orders = [_in_order(draw.permutation(view.units)) for _ in range(DRAWS)]
    kept = view.words.at_least(min_count)
    found = []
    for position in _chosen(view, positions):
        around = neighbours(view.rows, view.sentences, position)
        counts = _counts(view, around, view.labels)
        dealt = [_counts(view, around, draw.permutation(view.labels)) for _ in orders]
        own = view.probabilities(position)
        others = [view.probabilities(position, order) for order in orders]
        for number, name in enumerate(view.classes):
            z, share = counts.z(number), counts.share(number)
            by_network, by_data = _best(own[:, number], kept, top), _best(z, kept, top)
            signs = [
                Prototype(
                    word,
                    float(own[at, number]),
                    float(z[at]),
                    int(counts.every[at]),
                    int(counts.of_class[number, at]),
                )
                for at, word in ((at, view.words.words[at]) for at in (*by_network, *by_data))
            ]
            tops = [(p[:, number], _best(p[:, number], kept, top)) for p in others]
            chance_z = [c.z(number) for c in dealt]
            found.append(
                ClassWords(
                    name,
                    position,
                    tuple(signs[: len(by_network)]),
                    tuple(signs[len(by_network) :]),
                    Chance(
                        float(own[by_network, number].mean()),
                        float(share[by_network].mean()),
                        float(z[by_data].mean()),
                    ),
                    Chance(
                        float(np.mean([p[best].mean() for p, best in tops])),
                        float(np.mean([share[best].mean() for _, best in tops])),
                        float(np.mean([each[_best(each, kept, top)].mean() for each in chance_z])),
                    ),
                )
            )
    return Prototypes(view.protocol, len(kept), min_count, tuple(found))


def _chosen(view: View, positions: Sequence[int] | None) -> Sequence[int]:
    """The usual positions, or those that are asked for."""
    if positions is None:
        usual = [position for position in (0, -1) if position in view.positions]
        return usual if 0 in usual else view.positions[::-1]
    for position in positions:
        if position not in view.positions:
            allowed = ", ".join(map(str, view.positions))
            raise WordlabError(
                f"{position} is no position of this view; allowed: {allowed}, all",
                where="--position",
            )
    return positions


def _counts(view: View, around: Ids, labels: Ids) -> ClassCounts:
    return ClassCounts.of(around, labels, words=len(view.words.words), classes=len(view.classes))


def _best(values: Floats, kept: Ids, top: int) -> Ids:
    """The kept words with the largest values, the largest first."""
    best: Ids = kept[np.argsort(-values[kept], kind="stable")[:top]]
    return best


def _in_order(order: Ids) -> Change:
    """Features with the units in another order; what stands behind the units stays."""
    places = torch.from_numpy(order)

    def change(features: Tensor) -> Tensor:
        return torch.cat([features[:, places], features[:, len(places) :]], dim=1)

    return change


def _listed(words: Sequence[Prototype]) -> str:
    return ", ".join(item.word for item in words)
