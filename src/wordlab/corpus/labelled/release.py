"""A lexicon that may be passed on: what it tells of its training text is taken out."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.hashing import Hashing
from wordlab.corpus.labelled.lexicon import MARKERS, WORD, Lexicon

SALT_BYTES, HASH_BYTES = 16, 8

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Which old number each new number of a lexicon had.

    Attributes:
        columns: of each feature; the markers stay.
        letters: of the characters; the markers stay.
        further: of the word forms beyond training, counted from 0.
    """

    columns: Mapping[str, Numbers]
    letters: Numbers
    further: Numbers


def released(
    lexicon: Lexicon, *, hashed: bool, hash_bytes: int = HASH_BYTES
) -> tuple[Lexicon, Order]:
    """The lexicon without counts, its values in alphabetical order and, if wished, as hashes.

    As it was made, the order is that of the first words of the training text. A lexicon that is
    hashed already stays so.

    Args:
        hash_bytes: of each hash; more where two values of a column would have the same one.
    """
    if not hashed or lexicon.hashing is not None:
        return _in_order(lexicon)
    while True:
        hashing = Hashing(secrets.token_bytes(SALT_BYTES), hash_bytes)
        written = _written(lexicon, hashing)
        words = (*written.columns[WORD], *written.further)
        if all(len(set(values)) == len(values) for values in (words, *written.columns.values())):
            return _in_order(written)
        hash_bytes += 1


def _written(lexicon: Lexicon, hashing: Hashing) -> Lexicon:
    """The same lexicon with hashes for values."""
    columns = {
        name: tuple(hashing.of(name, value) for value in values)
        for name, values in lexicon.columns.items()
    }
    further = tuple(hashing.of(WORD, value) for value in lexicon.further)
    return replace(lexicon, columns=columns, further=further, hashing=hashing)


def _in_order(lexicon: Lexicon) -> tuple[Lexicon, Order]:
    order = Order(
        {name: _behind_markers(values) for name, values in lexicon.columns.items()},
        _behind_markers(lexicon.letters),
        _sorted_places(lexicon.further),
    )
    return replace(
        lexicon,
        columns={name: tuple(sorted(values)) for name, values in lexicon.columns.items()},
        counts=(0,) * len(lexicon.counts),
        letters="".join(sorted(lexicon.letters)),
        further=tuple(sorted(lexicon.further)),
    ), order


def _sorted_places(values: Sequence[str]) -> Numbers:
    return np.array(sorted(range(len(values)), key=values.__getitem__), dtype=np.int64)


def _behind_markers(values: Sequence[str]) -> Numbers:
    return np.array([*chain(range(MARKERS), _sorted_places(values) + MARKERS)], dtype=np.int64)
