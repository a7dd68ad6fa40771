"""What a text asks of a model, each context once: the same beginnings are not worked out again."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from wordlab.batching.batch import Batch, Questions
from wordlab.corpus.store import Ids, TokenStore

Indices = NDArray[np.int64]

_SHIFT = 32
"""Two ids make one number: the first is so many bits up."""


def numbered(first: Ids, second: Ids) -> Indices:
    """Number the distinct pairs of two columns of ids from 0. [N], [N] -> [N]"""
    found: Indices = np.unique(_joined(first, second), return_inverse=True)[1]
    return found


def _joined(first: Ids, second: Ids) -> Indices:
    return (first.astype(np.int64) << _SHIFT) | second.astype(np.int64)


def ask(
    store: TokenStore,
    places: Indices,
    contexts: Indices,
    inputs: Ids,
    size: int,
    *,
    time: int | None = None,
    counted: bool = True,
    parents: Indices | None = None,
) -> Iterator[Questions]:
    """Yield the questions about some places of a text, up to `size` contexts at a time.

    Args:
        contexts: the number of the context at each place; all numbers from 0 on are there. [P]
        inputs: what is read of each context. [contexts], or windows [contexts, n - 1]
        time: of sequences, which of their words is read; None for windows.
        counted: whether there is anything to be predicted; else the inputs are only read.
        parents: of each context. [contexts]
    """
    targets = np.asarray(store.ids[places])
    keys, first, pairs = np.unique(
        _joined(contexts, targets), return_index=True, return_inverse=True
    )
    rows, chosen = keys >> _SHIFT, keys & ((1 << _SHIFT) - 1)
    once = np.searchsorted(rows, np.arange(len(inputs)))  # a pair of each context
    stretches = -(-len(inputs) // size)
    bounds = np.linspace(0, len(inputs), stretches + 1).astype(np.int64)
    for low, high in pairwise(bounds.tolist()):
        begin, end = np.searchsorted(rows, (low, high)) if counted else (0, 0)
        here = (pairs >= begin) & (pairs < end)
        some = once[low:high] if counted else once[:0]
        batch = Batch(
            torch.from_numpy(inputs[low:high].astype(np.int64)),
            torch.from_numpy(chosen[some]),
            places[first[some]],
            store.ids,
            steps=() if time is None else (high - low,),
            counted=None if counted else torch.empty(0, dtype=torch.int64),
            continues=bool(time),
        )
        yield Questions(
            batch,
            rows[begin:end] - low,
            chosen[begin:end],
            places[here],
            pairs[here] - begin,
            None if parents is None else parents[low:high],
        )


def repeated(store: TokenStore, begins: Indices) -> float:
    """The share of the words of some sentences whose beginning up to them stood there before."""
    contexts = np.zeros(len(begins), dtype=np.int64)
    words = distinct = 0
    while len(begins):
        words, distinct = words + len(begins), distinct + int(contexts.max()) + 1
        read = np.asarray(store.ids[begins])
        goes_on = read != store.end
        contexts = numbered(contexts[goes_on], read[goes_on])
        begins = begins[goes_on] + 1
    return 1 - distinct / max(words, 1)


def ask_sentences(
    store: TokenStore, begins: Indices, size: int, unpredicted: int
) -> Iterator[list[Questions]]:
    """Ask for the first words of some sentences, then for all second words, and so on.

    Sentences that were alike so far share a context.

    Args:
        begins: where the sentences begin in the text.
        unpredicted: first words of each sentence that are no targets.
    """
    contexts = np.zeros(len(begins), dtype=np.int64)
    inputs, parents = np.array([store.start]), None
    time = 0
    while len(begins):
        places = begins + time
        yield list(
            ask(
                store,
                places,
                contexts,
                inputs,
                size,
                time=time,
                counted=time >= unpredicted,
                parents=parents,
            )
        )
        read = np.asarray(store.ids[places])
        goes_on = read != store.end
        begins, read, before = begins[goes_on], read[goes_on], contexts[goes_on]
        contexts = numbered(before, read)
        _, firsts = np.unique(contexts, return_index=True)
        inputs, parents = read[firsts], before[firsts]
        time += 1
