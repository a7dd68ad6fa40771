"""Tagging schemes as data: how tags, one a word, spell out entities.

A letter before the type says whether its word may be the first of an entity and whether it may be
the last. Where two words meet, that decides if they belong to one entity, to two, or to none that
the scheme allows (Ramshaw and Marcus 1995 for IOB; Ratinov and Roth 2009 for BILOU).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from wordlab.corpus.labelled.spans import Span
from wordlab.registry import Registry

OUTSIDE = "O"

MOST_PAIRS = 10_000
"""Of tags that are remembered."""


class Letter(NamedTuple):
    """Whether a word is the first of its entity, and the last; None where it may be either."""

    first: bool | None
    last: bool | None


class Tag(NamedTuple):
    """A tag taken apart; the type of the outside tag is empty."""

    letter: str
    type: str


_EDGE = Tag(OUTSIDE, "")


class Clash(NamedTuple):
    """A tag that its neighbour does not allow.

    Attributes:
        of_before: whether it is the first of the two.
        why: in words.
        needless: whether the entities can be read all the same.
    """

    of_before: bool
    why: str
    needless: bool = False


class Meeting(Enum):
    """What is between two neighbouring words, or between a word and the sentence's edge."""

    JOINED = "in one entity"
    APART = "not in one entity"
    ILLEGAL = "illegal"


@dataclass(frozen=True)
class Scheme:
    """A way to write entities as tags.

    Attributes:
        letters: what stands before the type; the letter "" of bare labels is the type alone.
        between: a letter that is used only where two entities of a type touch; empty for none.
    """

    name: str
    letters: Mapping[str, Letter]
    between: str = ""
    _known: dict[tuple[str, str], "Clash | None"] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Pairs of tags that were looked at before; there are few."""

    def parse(self, tag: str) -> Tag | None:
        """Take a tag apart; None if it is none of this scheme."""
        if tag == OUTSIDE:
            return Tag(OUTSIDE, "")
        if "" in self.letters:
            return Tag("", tag) if tag else None
        letter, _, kind = tag.partition("-")
        return Tag(letter, kind) if letter in self.letters else None

    def write(self, letter: str, kind: str) -> str:
        """Put a tag together."""
        return f"{letter}-{kind}" if letter and kind else letter or kind

    def tags_of(self, kind: str) -> list[str]:
        """All tags for a type."""
        return [self.write(letter, kind) for letter in self.letters]

    def meeting(self, before: Tag, after: Tag) -> Meeting:
        """What two tags say that stand side by side; the outside tag is a sentence's edge too."""
        last = True if before.letter == OUTSIDE else self.letters[before.letter].last
        first = True if after.letter == OUTSIDE else self.letters[after.letter].first
        same = before.type == after.type and OUTSIDE not in (before.letter, after.letter)
        if same and last is not True and first is not True:
            return Meeting.JOINED
        return Meeting.ILLEGAL if last is False or first is False else Meeting.APART

    def clash(self, before: str, after: str) -> Clash | None:
        """What is wrong with a tag beside another; `OUTSIDE` stands for a sentence's edge."""
        if (before, after) not in self._known:
            if len(self._known) > MOST_PAIRS:
                self._known.clear()
            self._known[before, after] = self._clash(before, after)
        return self._known[before, after]

    def _clash(self, before: str, after: str) -> Clash | None:
        left, right = self.parse(before) or _EDGE, self.parse(after)
        if right is None:
            return Clash(False, f"{after!r} is no tag of {self.name}")
        if self.meeting(left, right) is Meeting.ILLEGAL:
            if right.letter != OUTSIDE and self.letters[right.letter].first is False:
                kind = right.type or "entity"
                return Clash(False, f"{after!r} goes on with no {kind} before it")
            return Clash(True, f"the entity of {before!r} does not end")
        if self.between:
            of_before = self.letters[self.between].last is True
            tag, other = (left, right) if of_before else (right, left)
            if tag.letter == self.between and (tag.type != other.type or other.letter == OUTSIDE):
                shown = before if of_before else after
                why = f"{shown!r} touches no other {tag.type or 'entity'}"
                return Clash(of_before, why, needless=True)
        return None

    def clashes(self, tags: Sequence[str]) -> Iterator[tuple[int, Clash]]:
        """Yield each tag of a sentence that the scheme does not allow where it stands."""
        for index, (before, after) in enumerate(pairwise((OUTSIDE, *tags, OUTSIDE))):
            found = self.clash(before, after)
            if found is not None:
                yield index - found.of_before, found

    def spans(self, tags: Sequence[str], *, lenient: bool = False) -> list[Span]:
        """Read the entities out of the tags of a sentence.

        Args:
            lenient: count also what does not begin or end as the scheme wants, as the script
                conlleval does; else only well-formed entities.
        """
        parsed = [self.parse(tag) or _EDGE for tag in tags]
        found = []
        start = 0
        for index, tag in enumerate(parsed):
            after = parsed[index + 1] if index + 1 < len(parsed) else _EDGE
            if self.meeting(tag, after) is Meeting.JOINED:
                continue
            is_entity = tag.letter != OUTSIDE
            if is_entity and (lenient or self._is_whole(parsed[start : index + 1])):
                found.append(Span(start, index + 1, tag.type))
            start = index + 1
        return found

    def _is_whole(self, piece: Sequence[Tag]) -> bool:
        first, last = self.letters[piece[0].letter].first, self.letters[piece[-1].letter].last
        return first is not False and last is not False

    def tags(self, spans: Sequence[Span], length: int) -> list[str]:
        """Write entities as tags.

        Raises:
            ValueError: where two entities of a type touch and the scheme cannot tell them apart.
        """
        written = [OUTSIDE] * length
        ends = {(span.end, span.type) for span in spans}
        begins = {(span.start, span.type) for span in spans}
        for start, end, kind in spans:
            for index in range(start, end):
                after_own = index == start and (start, kind) in ends
                before_own = index == end - 1 and (end, kind) in begins
                role = Letter(index == start, index == end - 1)
                letter = self._letter(role, after_own, before_own)
                written[index] = self.write(letter, kind)
        if "" in self.letters and any((span.end, span.type) in begins for span in spans):
            raise ValueError("entities of one type touch, which bare labels cannot show")
        return written

    def _letter(self, role: Letter, after_own: bool, before_own: bool) -> str:
        """The letter for a word; `after_own`: the entity before it, of its type, touches it."""
        if self.between:
            needed = after_own if self.letters[self.between].first else before_own
            if needed:
                return self.between
        return self.letter_of(role)

    def letter_of(self, role: Letter) -> str:
        """The letter for a word with this place in its entity; None where that is not known."""
        for letter, allowed in self.letters.items():
            fits = all(
                None in (may, is_so) or may == is_so
                for may, is_so in zip(allowed, role, strict=True)
            )
            if fits and (letter != self.between or not letter):
                return letter
        raise AssertionError(f"{self.name} has no letter for {role}")


SCHEMES: Registry[Scheme] = Registry("tagging scheme")
"""By preference, where a text fits several."""


def _file(name: str, letters: Mapping[str, Letter], between: str = "") -> None:
    SCHEMES.register(name)(Scheme(name, letters, between))


_four = (Letter(True, False), Letter(False, False), Letter(False, True), Letter(True, True))
_file("IOB2", {"B": Letter(True, None), "I": Letter(False, None)})
_file("IOB1", {"I": Letter(None, None), "B": Letter(True, None)}, between="B")
_file("BIOES", dict(zip("BIES", _four, strict=True)))
_file("BILOU", dict(zip("BILU", _four, strict=True)))
_file("BMES", dict(zip("BMES", _four, strict=True)))
_file("IOE2", {"E": Letter(None, True), "I": Letter(None, False)})
_file("IOE1", {"I": Letter(None, None), "E": Letter(None, True)}, between="E")
_file("bare", {"": Letter(None, None)})
