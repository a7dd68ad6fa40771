"""Misspelt tags: which tag of a file's scheme one was meant to be."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from wordlab.corpus.labelled.schemes import OUTSIDE, SCHEMES, Letter, Scheme

ROLES = {
    letter: role
    for name in ("BIOES", "BILOU", "BMES")
    for letter, role in SCHEMES[name].letters.items()
}
"""Letters that some scheme has, and what they mean where it does not."""

RARER = 10
"""A type is taken for a slip of another that is so many times as frequent ..."""
MOST_SLIPS = 3
"""... if it occurs no more often than this ..."""
LIKENESS = 0.8
"""... and is spelled so much alike (difflib's ratio), or with the same letters."""

NOT_THE_LETTER = frozenset("0o\N{GREEK CAPITAL LETTER OMICRON}\N{CYRILLIC CAPITAL LETTER O}")
_OTHER_DASHES = re.compile(r"[_:/.\u2010-\u2015\u2212]")


class TagSpelling:
    """The tags of a file as they are meant to be spelled.

    Args:
        counts: how often each tag occurs.
    """

    def __init__(self, scheme: Scheme, counts: Counter[str]) -> None:
        self.scheme = scheme
        self._types = self._types_of(counts)
        slips = {kind for kind in self._types if self._near(kind) is not None}
        self._right = Counter(
            {
                tag: count
                for tag, count in counts.items()
                if (parsed := scheme.parse(tag)) is not None and parsed.type not in slips
            }
        )
        self._types = self._types_of(self._right)
        self._spelled = {tag.casefold(): tag for tag, _ in reversed(self._right.most_common())}

    def _types_of(self, counts: Counter[str]) -> Counter[str]:
        types: Counter[str] = Counter()
        for tag, count in counts.items():
            parsed = self.scheme.parse(tag)
            if parsed is not None and parsed.letter != OUTSIDE:
                types[parsed.type] += count
        return types

    def is_right(self, tag: str) -> bool:
        """Whether a tag is one of the scheme, and no rare twist of another."""
        return tag == OUTSIDE or tag in self._right

    def meant(self, tags: Sequence[str], index: int) -> tuple[str, str | None]:
        """The kind of slip that a tag of a sentence is, and the tag meant; None if not plain."""
        tag = tags[index]
        if tag in NOT_THE_LETTER:
            return "not the letter O", OUTSIDE
        plain = _OTHER_DASHES.sub("-", tag)
        if plain.casefold() in self._spelled:
            return "stray label", self._spelled[plain.casefold()]
        swapped = self._swapped(plain)
        if swapped is not None:
            return "swapped prefix", swapped
        translated = self._translated(plain)
        if translated is not None:
            return "mixed schemes", translated
        return "stray label", self._with_letter(tags, index) or self._with_type(plain)

    def _swapped(self, tag: str) -> str | None:
        kind, _, letter = tag.rpartition("-")
        is_so = kind in self._types and letter in self.scheme.letters
        return self.scheme.write(letter, kind) if is_so else None

    def _translated(self, tag: str) -> str | None:
        """A tag of another scheme in the letters of this one."""
        letter, _, kind = tag.partition("-")
        if letter not in ROLES or letter in self.scheme.letters or kind not in self._types:
            return None
        return self.scheme.write(self.scheme.letter_of(ROLES[letter]), kind)

    def _with_letter(self, tags: Sequence[str], index: int) -> str | None:
        """A bare type with the letter that its place wants."""
        kind = tags[index]
        if kind not in self._types:
            return None
        before = self.scheme.parse(tags[index - 1]) if index else None
        goes_on = before is not None and before.type == kind
        return self.scheme.write(self.scheme.letter_of(Letter(not goes_on, None)), kind)

    def _with_type(self, tag: str) -> str | None:
        """A tag with the type that its own is a misspelling of."""
        parsed = self.scheme.parse(tag)
        if parsed is None:
            return None
        near = self._near(parsed.type)
        return None if near is None else self.scheme.write(parsed.letter, near)

    def _near(self, kind: str) -> str | None:
        """The far more frequent type that a rare one is a misspelling of."""
        own = max(self._types[kind], 1)
        for other, count in self._types.most_common():
            if count < RARER * own or own > MOST_SLIPS:
                return None
            likeness = difflib.SequenceMatcher(None, kind.lower(), other.lower()).ratio()
            if sorted(kind.lower()) == sorted(other.lower()) or likeness >= LIKENESS:
                return other
        return None
