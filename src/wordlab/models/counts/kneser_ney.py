"""Interpolated modified Kneser-Ney: n-gram models estimated from a text.

Chen and Goodman, "An empirical study of smoothing techniques for language modeling", TR-10-98,
Harvard 1998; details as in KenLM's lmplz (Heafield et al., ACL 2013), whose figures this gives.
With a(g) the adjusted count of the n-gram g = h w,

    p(w | h) = (a(h w) - D(a(h w))) / a(h .) + b(h) p(w | h')
    b(h)     = (sum of D(a(h w)) over the words w seen behind h) / a(h .)

where a(h .) is the sum of a(h w) over w, h' is h without its first word, and below the unigrams
stands the uniform distribution. a is the count in the text for the longest n-grams and for those
that begin with the start marker, else the number of different words seen before the n-gram.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from wordlab.batching.windows import Padding, Windows
from wordlab.corpus.store import Ids, TokenStore
from wordlab.errors import WordlabError
from wordlab.models.counts.backoff import BackoffModel, Floats, Integers, Order
from wordlab.models.language_model import MODELS, CountModel, CountSettings

Discounts = tuple[float, float, float]
"""What is taken off an n-gram of adjusted count 1, 2, and 3 or more."""

FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""Discounts where a text is too small to estimate them, as lmplz's --discount_fallback has them."""


@MODELS.register("kneser-ney")
class KneserNeySettings(CountSettings):
    """Interpolated modified Kneser-Ney, in back-off form."""

    type: Literal["kneser-ney"] = "kneser-ney"
    n: int = Field(default=5, ge=1, le=16)
    """Length of the n-grams."""
    padding: Padding = "full"
    """full: every word is a target; single: a sentence's first n - 2 words are none."""
    prune: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Leave out n-grams of 1, 2 .. words that occur so often or less; the first must be 0, the
    last holds for all longer ones."""

    @property
    def reading(self) -> Windows:
        """Windows of n tokens."""
        return Windows(self.n, self.padding)

    @property
    def yardstick(self) -> Windows:
        """The same windows."""
        return self.reading

    def fit(self, store: TokenStore, vocabulary: int) -> tuple[CountModel, tuple[str, ...]]:
        """Estimate the model."""
        found = estimate(store, self.n, vocabulary, prune=self.prune, padding=self.padding)
        return found.model, found.notes

    def restore(self, tensors: Mapping[str, Tensor]) -> CountModel:
        """Take back a model from its `tensors`."""
        return BackoffModel.from_tensors(tensors, self.padding)


@dataclass(frozen=True)
class KneserNey:
    """An estimated model and how it came about.

    Attributes:
        model: the model in back-off form.
        discounts: D1, D2 and D3+ for n-grams of 1, 2 .. n words.
        notes: what could not be estimated, and what stands in its place.
    """

    model: BackoffModel
    discounts: tuple[Discounts, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Grams:
    """The different n-grams of one length in a text.

    They are numbered by last word, at ties by the word before it, and so on. The arrays are the
    narrowest that hold their numbers, since they are what limits the size of a text.

    Attributes:
        firsts, lasts: first and last word of each, [G].
        suffixes: number of each without its first word, among the n-grams one shorter, [G].
        contexts: number of each without its last word, [G].
        counts: how often each occurs, [G].
    """

    firsts: Ids
    lasts: Ids
    suffixes: Ids
    contexts: Ids
    counts: Ids

    def __len__(self) -> int:
        return len(self.counts)


def estimate(
    store: TokenStore,
    order: int,
    types: int,
    *,
    prune: Sequence[int] = (),
    outside: int = 0,
    padding: Padding = "full",
) -> KneserNey:
    """Estimate a model of `order` words from a text; every word and end marker is counted.

    Each sentence is counted with one start marker, which is never predicted.

    Args:
        types: V, the size of the vocabulary that the text was encoded with.
        prune: n-grams of 1, 2 .. n words that occur so often or less are left out of the model;
            the last number holds for all longer ones. The first must be 0. As lmplz's --prune,
            discounts are estimated before, and b(h) takes over what the left out ones had.
        outside: words that the vocabulary lacks but the uniform distribution is spread over too;
            their share is missing from the sum of 1. lmplz on a text without unknown words counts
            its own <unk> as one.
        padding: how the model's reading pads; no matter for the estimate.

    Raises:
        WordlabError: where the text is empty or `order` or `prune` make no sense.
    """
    thresholds = _thresholds(order, prune)
    if not len(store):
        raise WordlabError("there is no sentence to count n-grams in", mend="give a text")
    grams = _count(store, order, types)
    notes: list[str] = []
    discounts: list[Discounts] = []
    orders: list[Order] = []
    # Of the n-grams one shorter: their probabilities, and their numbers as the model's contexts.
    lower, places = np.array([1 / (types - 1 + outside)]), np.zeros(1, dtype=np.int64)
    for length, threshold in enumerate(thresholds, start=1):
        here = grams[length - 1]
        adjusted = _adjusted_counts(here, grams[length] if length < order else None, store.start)
        found, note = estimate_discounts(adjusted)
        discounts.append(found)
        if note:
            numbers = ", ".join(f"{discount:g}" for discount in found)
            notes.append(f"{length}-grams: {note}; their discounts are {numbers}")
        kept = here.counts > threshold if length > 1 else np.ones(types, dtype=bool)
        lower, weights = _interpolate(here, adjusted, kept, found, lower)
        if length == 1:
            lower[store.start] = 0
            keys = places
        else:
            keys, weights, places = _contexts(here, grams[length - 2], kept, weights, places, types)
        orders.append(_order(here, kept, lower, keys, weights, places, types))
    model = BackoffModel(orders, types, store.start, padding)
    return KneserNey(model, tuple(discounts), tuple(notes))


def _thresholds(order: int, prune: Sequence[int]) -> list[int]:
    """One threshold for each length of n-gram."""
    if order < 1:
        raise WordlabError(f"an n-gram has 1 word or more, not {order}")
    given = [*prune] or [0]
    if given[0] != 0 or any(later < earlier for earlier, later in pairwise(given)):
        raise WordlabError(
            f"cannot prune by the counts {' '.join(map(str, given))}",
            mend="start with 0, for the words themselves, and let no count be below the one before",
        )
    if len(given) > order:
        raise WordlabError(f"there are {len(given)} counts to prune {order} orders by")
    return given + given[-1:] * (order - len(given))


def estimate_discounts(adjusted: Ids) -> tuple[Discounts, str]:
    """D1, D2 and D3+ by counts of counts, and a note where the fallback had to be taken.

    With n_j the number of n-grams of adjusted count j and Y = n_1 / (n_1 + 2 n_2),
    D_j = j - (j + 1) Y n_(j+1) / n_j (Chen and Goodman 1998, equation 26).

    Args:
        adjusted: adjusted counts of the n-grams of one length, [G].
    """
    n = np.bincount(np.minimum(adjusted, 5), minlength=6).tolist()
    absent = [j for j in (1, 2, 3) if not n[j]]
    if absent:
        return FALLBACK, f"none has the adjusted count {absent[0]}"
    y = n[1] / (n[1] + 2 * n[2])
    d1, d2, d3 = (j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
    # 0 would leave nothing for unseen words where all that was seen has this count.
    if min(d1, d2, d3) <= 0:
        return FALLBACK, f"counts of counts give the discounts {d1:.3g}, {d2:.3g}, {d3:.3g}"
    return (d1, d2, d3), ""


def _count(store: TokenStore, order: int, types: int) -> list[_Grams]:
    """Count the n-grams of 1 to `order` words."""
    tokens, depths = _with_starts(store)
    narrow = np.int32 if max(len(tokens), types) < 1 << 31 else np.int64
    words = np.arange(types, dtype=tokens.dtype)
    nothing = np.zeros(types, dtype=narrow)
    # The start marker itself is counted 0 times: it is no word that follows another.
    grams = [_Grams(words, words, nothing, nothing, store.counts(types).astype(narrow))]
    numbers = tokens.astype(np.int64)  # of the n-gram that ends at each token
    for length in range(2, order + 1):
        ends = np.flatnonzero(depths >= length)
        keys, found, counts = np.unique(
            numbers[ends] * types + tokens[ends - length + 1],
            return_inverse=True,
            return_counts=True,
        )
        suffixes = keys // types
        firsts = (keys - suffixes * types).astype(tokens.dtype)
        contexts = np.empty(len(keys), dtype=narrow)
        contexts[found] = numbers[ends - 1]
        numbers[ends] = found
        lasts = grams[-1].lasts[suffixes]
        grams.append(
            _Grams(firsts, lasts, suffixes.astype(narrow), contexts, counts.astype(narrow))
        )
    return grams


def _with_starts(store: TokenStore) -> tuple[Ids, NDArray[np.int64]]:
    """Set a start marker before each sentence; number the tokens of each sentence from 1."""
    ids = np.asarray(store.ids)
    firsts = np.append(0, np.flatnonzero(ids[:-1] == store.end) + 1)
    tokens = np.insert(ids, firsts, store.start)
    begins = firsts + np.arange(len(firsts))
    lengths = np.diff(np.append(begins, len(tokens)))
    return tokens, np.arange(1, len(tokens) + 1) - np.repeat(begins, lengths)


def _adjusted_counts(here: _Grams, longer: _Grams | None, start: int) -> Ids:
    """How often each n-gram counts: in how many ways it goes on to the left, or how often it is."""
    if longer is None:
        return here.counts
    ways = np.bincount(longer.suffixes, minlength=len(here))
    return np.where(here.firsts == start, here.counts, ways)


def _interpolate(
    grams: _Grams,
    adjusted: Ids,
    kept: NDArray[np.bool_],
    discounts: Discounts,
    lower: Floats,
) -> tuple[Floats, Floats]:
    """Estimate the n-grams of one length from those one shorter.

    Args:
        lower: probabilities of the n-grams one shorter, [S].

    Returns:
        p(w | h) of each n-gram [G]; b(h) of each one shorter [S], 0 where nothing follows it.
    """
    discount = np.array([0, *discounts])[np.minimum(adjusted, 3)]
    totals = np.bincount(grams.contexts, adjusted, minlength=len(lower))
    # An n-gram that is left out gives up its whole count.
    freed = np.bincount(grams.contexts, np.where(kept, discount, adjusted), minlength=len(lower))
    weights = np.divide(freed, totals, out=np.zeros(len(lower)), where=totals > 0)
    own = (adjusted - discount) / totals[grams.contexts]
    return own + weights[grams.contexts] * lower[grams.suffixes], weights


def _contexts(
    grams: _Grams,
    shorter: _Grams,
    kept: NDArray[np.bool_],
    weights: Floats,
    places: Integers,
    types: int,
) -> tuple[Integers, Floats, Integers]:
    """Number the contexts that n-grams of one length are left in, without gaps.

    Args:
        shorter: the n-grams one shorter, which the contexts are among, [S].
        places: the numbers of the contexts one shorter still.

    Returns:
        The contexts' keys and weights, as `Order` holds them; the number of each of `shorter`.
    """
    used = np.zeros(len(shorter), dtype=bool)
    used[grams.contexts[kept]] = True
    keys = places[shorter.suffixes[used]] * types + shorter.firsts[used]
    return keys, weights[used], np.cumsum(used) - 1


def _order(
    grams: _Grams,
    kept: NDArray[np.bool_],
    probabilities: Floats,
    contexts: Integers,
    weights: Floats,
    places: Integers,
    types: int,
) -> Order:
    """Sort the n-grams of one length by context and last word."""
    ngrams = places[grams.contexts[kept]] * types + grams.lasts[kept]
    by_context = np.argsort(ngrams)
    with np.errstate(divide="ignore"):  # the start marker's probability is 0
        log_probs = np.log(probabilities[kept][by_context])
    return Order(contexts, np.log(weights), ngrams[by_context], log_probs)
