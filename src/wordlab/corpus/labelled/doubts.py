"""What only a person can judge in labelled sentences: each look finds one kind of doubt."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from wordlab.corpus.labelled.faults import Fault
from wordlab.corpus.labelled.schemes import OUTSIDE
from wordlab.corpus.labelled.spans import LabelledSentence, Span

RARE = 0.2
"""A name that is labelled otherwise in no more than this share of its places is worth a look."""
FEWEST_MENTIONS = 5
LONGEST_NAME = 6
FEWEST_WORDS = 4
"""A shorter sentence may well come twice."""


class Placed(NamedTuple):
    """A sentence, and where in the file a word of it is labelled: line and column."""

    sentence: LabelledSentence
    place: Callable[[int], tuple[int, int]]


def duplicate_sentences(found: Sequence[Placed]) -> Iterator[Fault]:
    """Sentences that came before, labelled alike or otherwise."""
    seen: dict[tuple[str, ...], LabelledSentence] = {}
    for sentence, place in found:
        if len(sentence.words) < FEWEST_WORDS:
            continue
        first = seen.setdefault(sentence.words, sentence)
        if first is sentence:
            continue
        alike = first.spans == sentence.spans
        what = f"the same words as in line {first.line}{'' if alike else ', labelled otherwise'}"
        mend = "leave one out" if alike else "decide which is right"
        yield Fault("duplicate sentence", place(0)[0], 1, what, mend)


def split_entities(found: Sequence[Placed]) -> Iterator[Fault]:
    """Two entities that touch and stand elsewhere as one."""
    lines: dict[tuple[str, ...], int] = {}
    for sentence, place in found:
        for span in sentence.spans:
            lines.setdefault(sentence.words[span.start : span.end], place(span.start)[0])
    for sentence, place in found:
        for left, right in pairwise(sentence.spans):
            joined = sentence.words[left.start : right.end]
            if left.end == right.start and left.type == right.type and joined in lines:
                name = " ".join(joined)
                what = f"{name!r} is two entities here and one in line {lines[joined]}"
                mend = f"join them as one {left.type}"
                yield Fault("split entity", *place(right.start), what, mend)


def inconsistent_names(found: Sequence[Placed]) -> Iterator[Fault]:
    """Names that are labelled otherwise in a few of their places, or not at all."""
    names = {s.words[span.start : span.end] for s, _ in found for span in s.spans}
    mentions: defaultdict[tuple[str, ...], list[tuple[str, tuple[int, int]]]] = defaultdict(list)
    for sentence, place in found:
        for span in _mentions(sentence, names):
            name = sentence.words[span.start : span.end]
            mentions[name].append((span.type, place(span.start)))
    for name, places_of in mentions.items():
        usual, most = Counter(kind for kind, _ in places_of).most_common(1)[0]
        others = len(places_of) - most
        if len(places_of) < FEWEST_MENTIONS or usual == OUTSIDE or others > RARE * len(places_of):
            continue
        for kind, where in places_of:
            if kind != usual:
                is_now = "not labelled" if kind == OUTSIDE else kind
                what = f"{' '.join(name)!r} is {is_now} here and {usual} in {most:,} other places"
                yield Fault("inconsistent name", *where, what, "see if it is meant")


def _mentions(sentence: LabelledSentence, names: set[tuple[str, ...]]) -> Iterator[Span]:
    """Where names stand: as entities, and, as type O, where no word of them is in an entity."""
    yield from sentence.spans
    words, begin = sentence.words, 0
    for end in [*(span.start for span in sentence.spans), len(words)]:
        for start in range(begin, end):
            for stop in range(start + 1, min(start + LONGEST_NAME, end) + 1):
                if words[start:stop] in names:
                    yield Span(start, stop, OUTSIDE)
        begin = next((span.end for span in sentence.spans if span.start == end), end)


def rare_types(found: Sequence[Placed]) -> Iterator[Fault]:
    """Types that occur once only: nothing can be learned from that."""
    counts = Counter(span.type for sentence, _ in found for span in sentence.spans)
    if counts.total() < 10 * len(counts):
        return
    for sentence, place in found:
        for span in sentence.spans:
            if counts[span.type] == 1:
                what = f"the type {span.type!r} occurs only here"
                yield Fault("rare type", *place(span.start), what, "see if it is meant")


LOOKS: tuple[Callable[[Sequence[Placed]], Iterator[Fault]], ...] = (
    duplicate_sentences,
    split_entities,
    inconsistent_names,
    rare_types,
)
