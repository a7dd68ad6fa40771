"""n-gram models in back-off form: next-word distributions for whole arrays of contexts.

p(w | h) is the probability listed for the n-gram h w where there is one, else b(h) p(w | h'),
with h' the context h without its first word (Katz 1987). An interpolated model has this form too:
its listed probabilities have the shorter contexts' share in them. ARPA files hold this form.

Contexts are numbered from the shortest to the longest: one of k words is named by the number of its
last k - 1 words and its first word. So the contexts of an array are found, for all its rows at
once, by one binary search a word, and all that may follow them lies side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordlab.batching.batch import Batch
from wordlab.batching.windows import Padding, Windows
from wordlab.errors import WordlabError
from wordlab.models.language_model import CountModel, State

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CHUNK_NGRAMS = 1 << 14

LARGEST = 2**63 - 1
"""Of the keys."""


@dataclass(frozen=True)
class Ngrams:
    """n-grams of one length, spelled out.

    Attributes:
        words: their ids, [N, n].
        log_probs: natural logarithm of the last word's probability behind the others, [N].
        backoffs: natural logarithm of the weight that shorter contexts get behind this n-gram, [N];
            0 where nothing longer begins with it.
    """

    words: Integers
    log_probs: Floats
    backoffs: Floats

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Order:
    """The n-grams of one length, by context; both keys are sorted and distinct.

    Attributes:
        contexts: number of the shorter context * V + first word, [C]; a context's place in this
            array is its number. For unigrams one empty context, 0.
        backoffs: natural logarithm of each context's back-off weight, [C].
        ngrams: number of the context * V + last word, [N].
        log_probs: natural logarithm of each n-gram's probability, [N].
    """

    contexts: Integers
    backoffs: Floats
    ngrams: Integers
    log_probs: Floats


class BackoffModel(CountModel):
    """An n-gram model in back-off form.

    A context is read from its last word backwards, as far as the model knows it: start markers
    before the one that the model was counted with change nothing.

    Args:
        orders: n-grams of 1 to n words; each context of k words is listed as a k-gram too, and so
            is what remains of it without its first or last word.
        types: V.
        start: id of the start marker; it is never predicted.
        padding: how `reading` pads; n - 1 start markers or one.
    """

    def __init__(
        self, orders: Sequence[Order], types: int, start: int, padding: Padding = "full"
    ) -> None:
        self.orders = tuple(orders)
        self.types = types
        self.start = start
        self.padding: Padding = padding
        self.reading = Windows(len(self.orders), padding)
        self._unigrams = np.full(types, -np.inf)
        self._unigrams[self.orders[0].ngrams] = self.orders[0].log_probs
        self._unigrams[start] = -np.inf

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many n-grams of 1, 2 .. n words are listed."""
        return tuple(len(order.ngrams) for order in self.orders)

    @property
    def contents(self) -> Mapping[str, int]:
        """The n-grams of each length."""
        return {f"{n}-grams": size for n, size in enumerate(self.sizes, start=1)}

    def predict(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Natural-log probabilities of each target's place. [N, V]"""
        return self.log_probs(batch.inputs), None

    def log_probs(self, inputs: Tensor | NDArray[Any]) -> Tensor:
        """Natural-log probabilities of the next word. [B, n - 1] -> [B, V] float32.

        The start marker's is -inf; without it each row's probabilities sum to 1.
        """
        numbers, rests = self._contexts_of(self._checked(inputs))
        found = np.empty((len(rests[0]), self.types), dtype=np.float32)
        np.add(self._unigrams, rests[0][:, None], out=found, casting="same_kind")
        flat = found.reshape(-1)
        for order, number, rest in zip(self.orders[1:], numbers[1:], rests[1:], strict=True):
            rows = np.flatnonzero(number >= 0)
            keys = number[rows] * self.types
            first = np.searchsorted(order.ngrams, keys)
            sizes = np.searchsorted(order.ngrams, keys + self.types) - first
            listed = _ranges(first, sizes)
            # A key less that of its context is a word, and its place in the context's row.
            places = order.ngrams[listed] + np.repeat(rows * self.types - keys, sizes)
            flat[places] = order.log_probs[listed] + np.repeat(rest[rows], sizes)
        return torch.from_numpy(found)

    def target_log_probs(
        self, inputs: Tensor | NDArray[Any], targets: Tensor | NDArray[Any]
    ) -> Tensor:
        """Natural-log probability of one word behind each context. [B, n - 1], [B] -> [B] float32.

        The same numbers as in `log_probs`, without the others.
        """
        found = self.wide_target_log_probs(np.asarray(inputs), np.asarray(targets))
        return torch.from_numpy(found.astype(np.float32))

    def wide_target_log_probs(self, inputs: NDArray[Any], targets: NDArray[Any]) -> Floats:
        """`target_log_probs` as they were before rounding, float64 [B]."""
        words = targets.astype(np.int64)
        self._check(words)
        contexts = self._checked(inputs)
        # One after the other in the order of their numbers, they are found side by side.
        by_number = self._by_number(contexts)
        contexts, words = contexts[by_number], words[by_number]
        numbers, rests = self._contexts_of(contexts)
        found = self._unigrams[words] + rests[0]
        for order, number, rest in zip(self.orders[1:], numbers[1:], rests[1:], strict=True):
            places = find_keys(order.ngrams, number * self.types + words)
            rows = np.flatnonzero(places >= 0)
            found[rows] = order.log_probs[places[rows]] + rest[rows]
        back = np.empty_like(found)
        back[by_number] = found
        return back

    def _by_number(self, contexts: Integers) -> Integers:
        """An order of rows in which the numbers of their contexts ascend, or nearly so. [B]"""
        key, top = np.zeros(len(contexts), dtype=np.int64), self.types
        for column in reversed(range(contexts.shape[1])):
            if top > LARGEST:  # by so many words that no key is too large
                break
            key, top = key * self.types + contexts[:, column], top * self.types
        return np.argsort(key)

    def _checked(self, inputs: Tensor | NDArray[Any]) -> Integers:
        """Contexts of the model's length, of ids of the vocabulary."""
        contexts = np.asarray(inputs).astype(np.int64)
        if contexts.shape[1:] != (len(self.orders) - 1,):
            raise ValueError(f"contexts of {len(self.orders) - 1} words, not {contexts.shape}")
        self._check(contexts)
        return contexts

    def _contexts_of(self, contexts: Integers) -> tuple[list[Integers], list[Floats]]:
        """For each length of context from 0: its number, and the back-off of all longer ones.

        The number is -1 where a context is not known; each of both lists holds n arrays [B].
        """
        numbers = self.context_numbers(contexts)
        rests = [np.zeros(len(contexts))]
        for order, number in zip(self.orders[:0:-1], numbers[:0:-1], strict=True):
            known = number >= 0
            weight = np.zeros(len(contexts))
            weight[known] = order.backoffs[number[known]]
            rests.append(rests[-1] + weight)
        return numbers, rests[::-1]

    def _check(self, ids: Integers) -> None:
        """Keys are only distinct for ids of the vocabulary."""
        if ids.size and (ids.min() < 0 or ids.max() >= self.types):
            raise IndexError(f"ids of words must be from 0 to {self.types - 1}")

    def context_numbers(self, contexts: Integers) -> list[Integers]:
        """The numbers of each row's last 0, 1 .. k words as contexts; -1 if unknown. k + 1 [B]."""
        numbers = [np.zeros(len(contexts), dtype=np.int64)]
        for distance in range(1, contexts.shape[1] + 1):
            # What is behind an unknown context is unknown: its number is -1, so this is below 0.
            keys = numbers[-1] * self.types + contexts[:, -distance]
            numbers.append(find_keys(self.orders[distance].contexts, keys))
        return numbers

    def ngrams(self, length: int) -> Iterator[Ngrams]:
        """Yield the n-grams of a length, spelled out, some at a time, by context and last word."""
        order = self.orders[length - 1]
        for first in range(0, len(order.ngrams), CHUNK_NGRAMS):
            here = slice(first, first + CHUNK_NGRAMS)
            contexts, last = np.divmod(order.ngrams[here], self.types)
            words = np.column_stack([self._words_of(contexts, length - 1), last])
            backoffs = np.zeros(len(words))
            if length < len(self.orders):
                by_number = self._by_number(words)
                number = self.context_numbers(words[by_number])[length]
                known = number >= 0
                backoffs[by_number[known]] = self.orders[length].backoffs[number[known]]
            yield Ngrams(words, order.log_probs[here], backoffs)

    def _words_of(self, number: Integers, length: int) -> Integers:
        """Spell out contexts of a length. [N] -> [N, length]."""
        words = np.empty((len(number), length), dtype=np.int64)
        for place in range(length):
            number, words[:, place] = np.divmod(
                self.orders[length - place].contexts[number], self.types
            )
        return words

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the padding as flat tensors, by name, to be kept in a file."""
        found = {"about": torch.tensor([len(self.orders), self.types, self.start])}
        for length, order in enumerate(self.orders, start=1):
            for name in ("contexts", "backoffs", "ngrams", "log_probs"):
                found[f"{name}.{length}"] = torch.from_numpy(getattr(order, name))
        return found

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor | NDArray[Any]], padding: Padding = "full"
    ) -> Self:
        """Build the model again from `tensors()`; raise WordlabError where they do not fit."""
        try:
            length, types, start = (int(number) for number in tensors["about"])
            orders = [
                Order(
                    np.asarray(tensors[f"contexts.{n}"]).astype(np.int64, copy=False),
                    np.asarray(tensors[f"backoffs.{n}"]).astype(np.float64, copy=False),
                    np.asarray(tensors[f"ngrams.{n}"]).astype(np.int64, copy=False),
                    np.asarray(tensors[f"log_probs.{n}"]).astype(np.float64, copy=False),
                )
                for n in range(1, length + 1)
            ]
        except (KeyError, ValueError, TypeError) as error:
            raise WordlabError(f"these tensors are no back-off model: {error}") from None
        _check_orders(orders, types, start)
        return cls(orders, types, start, padding)


def find_keys(keys: Integers, wanted: Integers) -> Integers:
    """Return where each wanted key stands in ascending keys; -1 where it does not."""
    if not len(keys):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def _ranges(first: Integers, sizes: Integers) -> Integers:
    """Count up from each first, as many numbers as its size says, one stretch behind the other."""
    ends = np.cumsum(sizes)
    return np.repeat(first - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)


def _check_orders(orders: Sequence[Order], types: int, start: int) -> None:
    """Raise WordlabError where tensors are not those of a model."""
    whole = bool(orders) and 0 <= start < types
    below = 1
    for order in orders:
        whole = (
            whole
            and len(order.contexts) == len(order.backoffs)
            and len(order.ngrams) == len(order.log_probs)
            and _ascending(order.contexts, below * types)
            and _ascending(order.ngrams, len(order.contexts) * types)
        )
        below = len(order.contexts)
    if not whole or orders[0].contexts.tolist() != [0]:
        raise WordlabError("these tensors are no back-off model: their sizes or keys do not fit")


def _ascending(keys: Integers, end: int) -> bool:
    """Whether keys ascend from 0 or more to less than `end`."""
    inside = not len(keys) or bool(keys[0] >= 0 and keys[-1] < end)
    return inside and bool((keys[1:] > keys[:-1]).all())
