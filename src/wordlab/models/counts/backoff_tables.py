"""Back-off models out of n-grams that are spelled out, as a file lists them."""

from collections.abc import Sequence

import numpy as np

from wordlab.batching.windows import Padding
from wordlab.models.counts.backoff import LARGEST, BackoffModel, Integers, Ngrams, Order, find_keys


class RepeatedNgramError(ValueError):
    """An n-gram is listed twice.

    Args:
        length: its words.
        row: where it stands the second time in the table of its length.
    """

    def __init__(self, length: int, row: int) -> None:
        self.length = length
        self.row = row
        super().__init__(f"row {row} of the {length}-grams repeats one before it")


def build_model(
    tables: Sequence[Ngrams], types: int, start: int, padding: Padding = "full"
) -> tuple[BackoffModel, int]:
    """Build a model from n-grams of 1, 2 .. n words, each table in any order.

    A model needs each n-gram's context, and what is left of a context without its first or its
    last word. Where a table lacks them, as pruned models may, they are added with the probability
    that backing off gives them: the distributions stay what they were. A word without a unigram,
    and the start marker, has the probability 0.

    Returns:
        The model, and how many n-grams of 2 words or more were added.

    Raises:
        RepeatedNgramError: where an n-gram is listed twice.
    """
    needed = _needed_contexts(tables, types)
    model = BackoffModel([_unigrams(tables[0], types)], types, start, padding)
    added = 0
    for length, table in enumerate(tables[1:], start=2):
        shorter = tables[length - 2]
        model = _with_contexts(model, needed[length - 1], shorter, padding)
        model, more = _with_ngrams(model, table, needed.get(length), padding)
        added += more
    return model, added


def _needed_contexts(tables: Sequence[Ngrams], types: int) -> dict[int, Integers]:
    """The contexts of 1 .. n - 1 words, each without repetition, in the order of their numbers."""
    needed: dict[int, Integers] = {}
    for length in reversed(range(1, len(tables))):
        shorter = tables[length - 1]
        rows = [tables[length].words[:, :-1], shorter.words[shorter.backoffs != 0]]
        if length + 1 in needed:
            rows += [needed[length + 1][:, 1:], needed[length + 1][:, :-1]]
        needed[length] = _distinct(np.concatenate(rows), types)
    return needed


def _distinct(rows: Integers, types: int) -> Integers:
    """Drop repeated rows and sort by last word, at ties by the word before it, and so on."""
    key, top = rows[:, -1], types
    for column in reversed(range(rows.shape[1] - 1)):
        if top * types > LARGEST:  # number the keys anew, without gaps
            key = np.unique(key, return_inverse=True)[1]
            top = len(rows)
        key, top = key * types + rows[:, column], top * types
    return rows[np.unique(key, return_index=True)[1]]


def _unigrams(table: Ngrams, types: int) -> Order:
    _sorted_keys(table.words[:, 0], 1)
    log_probs = np.full(types, -np.inf)
    log_probs[table.words[:, 0]] = table.log_probs
    nothing = np.zeros(1, dtype=np.int64)
    return Order(nothing, np.zeros(1), np.arange(types), log_probs)


def _with_contexts(
    model: BackoffModel, contexts: Integers, shorter: Ngrams, padding: Padding
) -> BackoffModel:
    """Add an order that has contexts only; `shorter` lists their back-off weights."""
    suffixes = model.context_numbers(contexts[:, 1:])[-1]
    keys = suffixes * model.types + contexts[:, 0]
    order = Order(keys, np.zeros(len(keys)), np.empty(0, np.int64), np.empty(0))
    longer = BackoffModel([*model.orders, order], model.types, model.start, padding)
    given = shorter.backoffs != 0
    order.backoffs[longer.context_numbers(shorter.words[given])[-1]] = shorter.backoffs[given]
    return longer


def _with_ngrams(
    model: BackoffModel, table: Ngrams, needed: Integers | None, padding: Padding
) -> tuple[BackoffModel, int]:
    """Fill a last order that has contexts only, with what is listed and what is needed too."""
    keys = _keys(model, table.words)
    listed = _sorted_keys(keys, table.words.shape[1])
    log_probs = np.where(table.words[:, -1] == model.start, -np.inf, table.log_probs)
    added = 0
    if needed is not None:
        missing = needed[find_keys(listed, _keys(model, needed)) < 0]
        added = len(missing)
        backed_off = model.wide_target_log_probs(missing[:, :-1], missing[:, -1])
        keys = np.concatenate([keys, _keys(model, missing)])
        log_probs = np.concatenate([log_probs, backed_off])
    by_context = np.argsort(keys)
    bare = model.orders[-1]
    whole = Order(bare.contexts, bare.backoffs, keys[by_context], log_probs[by_context])
    return BackoffModel([*model.orders[:-1], whole], model.types, model.start, padding), added


def _keys(model: BackoffModel, words: Integers) -> Integers:
    return model.context_numbers(words[:, :-1])[-1] * model.types + words[:, -1]


def _sorted_keys(keys: Integers, length: int) -> Integers:
    """Sort; raise RepeatedNgramError at the first n-gram that stands before it too."""
    by_key = np.argsort(keys, kind="stable")
    ascending = keys[by_key]
    again = ascending[1:] == ascending[:-1]
    if again.any():
        raise RepeatedNgramError(length, int(by_key[1:][again].min()))
    return ascending


def with_sums_of_one(model: BackoffModel) -> BackoffModel:
    """Compute the back-off weights anew, so that each distribution sums to 1.

    b(h) = (1 - sum of p(w | h)) / (1 - sum of p(w | h')) over the words w listed behind h
    (Katz 1987). The unigrams stay what they are.
    """
    padding = model.padding
    renewed = BackoffModel(model.orders[:1], model.types, model.start, padding)
    for length, order in enumerate(model.orders[1:], start=2):
        listed = np.zeros(len(order.contexts))
        below = np.zeros(len(order.contexts))
        first = 0
        for table in model.ngrams(length):
            owners = order.ngrams[first : first + len(table)] // model.types
            first += len(table)
            shorter = renewed.wide_target_log_probs(table.words[:, 1:-1], table.words[:, -1])
            listed += np.bincount(owners, np.exp(table.log_probs), minlength=len(listed))
            below += np.bincount(owners, np.exp(shorter), minlength=len(listed))
        rest = (1 - listed).clip(min=0)
        with np.errstate(divide="ignore"):
            weights = np.log(np.divide(rest, 1 - below, out=rest * 0, where=below < 1))
        backed = Order(order.contexts, weights, order.ngrams, order.log_probs)
        renewed = BackoffModel([*renewed.orders, backed], model.types, model.start, padding)
    return renewed
