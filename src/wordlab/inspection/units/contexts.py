"""The places of a text where units are highest and lowest, and units that go together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordlab.errors import WordlabError
from wordlab.inspection.units.texts import UnitValues
from wordlab.table import Column, Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Context:
    """A place of a text and the value of a unit there.

    Attributes:
        end: "highest" or "lowest".
        row: of the unit's values.
        text: the word that was read last in brackets, amid those around it.
    """

    unit: int
    end: str
    value: float
    row: int
    text: str


def extreme_contexts(values: UnitValues, units: Sequence[int], count: int = 3) -> list[Context]:
    """The places where each unit is highest and lowest.

    A text that comes again, words and neighbours alike, is shown once.
    """
    found = []
    for unit in units:
        column = values.values[:, unit]
        order = np.argsort(-column, kind="stable")
        for end, rows in (("highest", order), ("lowest", order[::-1])):
            shown: dict[str, int] = {}
            for row in rows:
                if len(shown) == count:
                    break
                shown.setdefault(values.context(int(row)), int(row))
            found += [
                Context(unit, end, float(column[row]), row, text) for text, row in shown.items()
            ]
    return found


def contexts_table(found: Sequence[Context], values: UnitValues) -> Table:
    """A row for each place."""
    after = " and what follows it behind ->" if values.targets else ""
    return Table.of(
        "Where units are highest and lowest",
        ("unit", "", Column("value", 3), "place"),
        [(c.unit, c.end, c.value, c.text) for c in found],
        note=f"Last hidden layer, on {values.text}. In brackets the word that was read last"
        f"{after}.",
    )


@dataclass(frozen=True)
class Group:
    """Units that answer to the same places of a text.

    Attributes:
        units: in rising order; those that answer the other way round have a minus.
        correlation: mean size of the correlation of pairs of them; None for a unit alone.
        words: those at which they are highest on average.
        opposite: those at which they are lowest.
    """

    units: tuple[str, ...]
    correlation: float | None
    words: tuple[str, ...]
    opposite: tuple[str, ...]


def group_units(
    values: UnitValues, *, groups: int = 8, top: int = 8, min_count: int = 3
) -> list[Group]:
    """Cluster units by how alike they answer to a text.

    Agglomerative, by average linkage; the distance of two units is 1 less the size of the
    correlation of their values. Words rank by the mean of the group's standardised values where
    they were read last, units that answer the other way round with the sign turned.

    Args:
        groups: how many; at most as many as units that vary.
        min_count: leave out words that the text has less often.

    Raises:
        WordlabError: where no word of the text comes so often, or no two units vary.
    """
    from sklearn.cluster import AgglomerativeClustering

    x = values.values.astype(np.float64)
    spread = x.std(axis=0)
    varying = np.flatnonzero(spread > 0)
    if len(varying) < 2:
        raise WordlabError("fewer than two units vary on the text", where=values.text)
    z = (x[:, varying] - x[:, varying].mean(axis=0)) / spread[varying]
    correlation = np.clip(z.T @ z / len(z), -1, 1)
    clustering = AgglomerativeClustering(
        n_clusters=min(groups, len(varying)), metric="precomputed", linkage="average"
    )
    labels = clustering.fit_predict(1 - np.abs(correlation))
    words, number = np.unique(values.words, return_inverse=True)
    counts = np.bincount(number)
    kept = np.flatnonzero(counts >= min_count)
    if not len(kept):
        raise WordlabError(
            f"no word comes {min_count} times", where=values.text, mend="read more of it"
        )
    found = []
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        own = correlation[np.ix_(members, members)]
        # The unit that is most like the others says which way is up.
        signs = np.where(own[np.abs(own).sum(axis=1).argmax()] < 0, -1.0, 1.0)
        response = z[:, members] @ signs / len(members)
        means = np.bincount(number, response)[kept] / counts[kept]
        order = np.argsort(-means, kind="stable")
        pairs = np.abs(own)[np.triu_indices(len(members), 1)]
        found.append(
            Group(
                tuple(
                    f"{'-' if sign < 0 else ''}{varying[at]}"
                    for at, sign in zip(members, signs, strict=True)
                ),
                float(pairs.mean()) if len(pairs) else None,
                tuple(str(words[kept[at]]) for at in order[:top]),
                tuple(str(words[kept[at]]) for at in order[::-1][:top]),
            )
        )
    return sorted(found, key=lambda group: -len(group.units))


def groups_table(found: Sequence[Group], values: UnitValues, min_count: int = 3) -> Table:
    """A row for each group, the largest first."""
    return Table.of(
        "Units that answer alike",
        ("size", Column("correlation", 2), "units", "highest at", "lowest at"),
        [
            (
                len(g.units),
                g.correlation,
                _some(g.units),
                ", ".join(g.words),
                ", ".join(g.opposite),
            )
            for g in found
        ],
        note=f"On {values.text}: agglomerative clustering by average linkage, distance 1 - "
        "|correlation| of two units' values. Correlation: mean size over pairs of the group. Words "
        f"that the text has {min_count} times or more, by the mean of the group's standardised "
        "values; a minus marks a unit that answers the other way round.",
    )


def _some(names: Sequence[str], most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
