"""n-gram statistics of a text, and how much of a second text they cover."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.store import TokenStore

PART_NGRAMS = 1 << 23
"""About so many n-grams are sorted at a time; more are parted by a hash of the n-gram."""

_CHUNK = 1 << 22


@dataclass(frozen=True)
class NgramStatistics:
    """Counts of the n-grams of a text, over each sentence with one start and one end marker.

    Attributes:
        order: n.
        total: n-grams in the text; a sentence of w words has w + 3 - n.
        distinct: different n-grams.
        count_of_counts: (c, how many n-grams occur c times), ascending in c.
        top: (ids, count) of the most common n-grams, most common first; ties by ids.
        covered: how many n-grams of the second text occur in the first; None without one.
        second_total: n-grams of the second text.
    """

    order: int
    total: int
    distinct: int
    count_of_counts: tuple[tuple[int, int], ...]
    top: tuple[tuple[tuple[int, ...], int], ...]
    covered: int | None = None
    second_total: int = 0

    @property
    def once(self) -> int:
        """n-grams that occur once."""
        return next((types for count, types in self.count_of_counts if count == 1), 0)

    @property
    def coverage(self) -> float | None:
        """Share of the second text's n-grams, each occurrence counted, that the first has."""
        if self.covered is None or not self.second_total:
            return None
        return self.covered / self.second_total

    def ranks(self) -> list[tuple[int, int]]:
        """(rank, count) where the count changes, for a rank-frequency plot; rank 1 is the top."""
        points: list[tuple[int, int]] = []
        rank = 0
        for count, types in reversed(self.count_of_counts):
            points.append((rank + 1, count))
            rank += types
            if types > 1:
                points.append((rank, count))
        return points


def count_ngrams(
    store: TokenStore, order: int, types: int, *, top: int = 50, second: TokenStore | None = None
) -> NgramStatistics:
    """Count the n-grams of a text exactly, in bounded memory.

    Args:
        types: size of the vocabulary that both texts were encoded with.
        second: a text whose coverage by the n-grams of the first is wanted.
    """
    longest = max(len(store), len(second) if second is not None else 0)
    columns = -(-order // _ids_a_column(types))
    parts = max(1, -(-longest * columns // PART_NGRAMS))
    counts_seen: Counter[int] = Counter()
    best: list[tuple[int, tuple[int, ...]]] = []
    total = covered = second_total = 0
    with ExitStack() as stack:
        first_parts = _parted(store, order, types, parts, stack)
        second_parts = _parted(second, order, types, parts, stack)
        for first_keys, second_keys in zip(first_parts, second_parts, strict=True):
            total += len(first_keys)
            second_total += len(second_keys)
            rows, counts, others = _group(first_keys, second_keys)
            covered += int(others[counts > 0].sum())
            rows, counts = rows[counts > 0], counts[counts > 0]
            values, frequency = np.unique(counts, return_counts=True)
            counts_seen.update(dict(zip(values.tolist(), frequency.tolist(), strict=True)))
            best = sorted([*best, *_top_of(rows, counts, order, types, top)])[:top]
    return NgramStatistics(
        order=order,
        total=total,
        distinct=sum(counts_seen.values()),
        count_of_counts=tuple(sorted(counts_seen.items())),
        top=tuple((ids, -negative) for negative, ids in best),
        covered=covered if second is not None else None,
        second_total=second_total,
    )


def _windows(store: TokenStore, order: int) -> Iterator[NDArray[Any]]:
    """Yield [N, n] arrays of the n-grams START w1 .. wn END of each sentence, in chunks."""
    for first in range(0, len(store), _CHUNK):
        # An n-gram is named by its last token, which lies in this chunk.
        begin = max(first - order, 0)
        stream = np.asarray(store.ids[begin : first + _CHUNK])
        if begin == 0:
            stream = np.concatenate([np.full(1, store.end, stream.dtype), stream])
        ends = stream == store.end
        # Each end is also the place of the next sentence's start: duplicate it as START.
        repeats = np.where(ends, 2, 1)
        wide = np.repeat(stream, repeats)
        last_of = np.cumsum(repeats) - 1
        wide[last_of[ends]] = store.start
        token_at = np.repeat(np.arange(len(stream)), repeats) + begin - (1 if begin == 0 else 0)
        if len(wide) < order:
            continue
        rows = np.lib.stride_tricks.sliding_window_view(wide, order)
        last = rows[:, -1]
        inner_end = (rows[:, :-1] == store.end).any(axis=1)
        inside = ~inner_end & (last != store.start) & (token_at[order - 1 :] >= first)
        yield rows[inside]


def _parted(
    store: TokenStore | None, order: int, types: int, parts: int, stack: ExitStack
) -> Iterator[NDArray[np.int64]]:
    """Yield the n-grams as packed keys [N, columns], in parts by a hash of the key.

    Several parts go through files in a temporary folder, so that the text is gone over once.
    """
    columns = -(-order // _ids_a_column(types))
    chunks = (_pack(rows, types) for rows in _windows(store, order)) if store is not None else ()
    if parts == 1:
        yield np.concatenate([np.empty((0, columns), dtype=np.int64), *chunks])
        return
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngrams-")))
    paths = [folder / str(part) for part in range(parts)]
    with ExitStack() as opened:
        streams = [opened.enter_context(path.open("wb")) for path in paths]
        for keys in chunks:
            mixed = keys.astype(np.uint64).sum(axis=1) * np.uint64(0x9E3779B97F4A7C15)
            owners = (mixed >> np.uint64(40)) % np.uint64(parts)
            by_owner = keys[np.argsort(owners, kind="stable")]
            ends = np.cumsum(np.bincount(owners.astype(np.int64), minlength=parts))
            for stream, piece in zip(streams, np.split(by_owner, ends[:-1]), strict=True):
                stream.write(np.ascontiguousarray(piece).tobytes())
    for path in paths:
        yield np.fromfile(path, dtype=np.int64).reshape(-1, columns)
        path.unlink()


def _ids_a_column(types: int) -> int:
    return max(1, int(63 // np.log2(max(types, 2))))


def _pack(rows: NDArray[Any], types: int) -> NDArray[np.int64]:
    step = _ids_a_column(types)
    columns = []
    for first in range(0, rows.shape[1], step):
        key = np.zeros(len(rows), dtype=np.int64)
        for index in range(first, min(first + step, rows.shape[1])):
            key = key * types + rows[:, index]
        columns.append(key)
    return np.stack(columns, axis=1)


def _unpack(keys: NDArray[np.int64], order: int, types: int) -> list[tuple[int, ...]]:
    step = _ids_a_column(types)
    parts = []
    for column, first in enumerate(range(0, order, step)):
        width = min(step, order - first)
        key = keys[:, column].copy()
        digits = np.empty((len(keys), width), dtype=np.int64)
        for index in reversed(range(width)):
            key, digits[:, index] = np.divmod(key, types)
        parts.append(digits)
    return [tuple(int(i) for i in row) for row in np.concatenate(parts, axis=1)]


def _group(
    first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys with their counts in the first and in the second array."""
    keys = np.concatenate([first, second])
    origin = np.zeros(len(keys), dtype=np.int64)
    origin[len(first) :] = 1
    order = np.lexsort(tuple(keys[:, c] for c in reversed(range(keys.shape[1]))))
    keys, origin = keys[order], origin[order]
    if not len(keys):
        return keys, origin, origin
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    begins = np.flatnonzero(new)
    in_second = np.add.reduceat(origin, begins)
    sizes = np.diff(np.append(begins, len(keys)))
    return keys[begins], sizes - in_second, in_second


def _top_of(
    keys: NDArray[np.int64], counts: NDArray[np.int64], order: int, types: int, top: int
) -> list[tuple[int, tuple[int, ...]]]:
    if not len(counts) or top < 1:
        return []
    threshold = np.sort(counts)[-min(top, len(counts))]
    above = np.flatnonzero(counts > threshold)
    level = np.flatnonzero(counts == threshold)[: top - len(above)]  # keys ascend: ties by ids
    chosen = np.concatenate([above, level])
    return [
        (-int(count), ids)
        for count, ids in zip(counts[chosen], _unpack(keys[chosen], order, types), strict=True)
    ]
