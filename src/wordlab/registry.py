"""Parts by name: registering a part offers it in settings and puts it under its contract tests."""

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from wordlab.errors import WordlabError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from short names to parts of one kind.

    Args:
        noun: what the parts are, for error messages ("activation").
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._parts: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files a part under `name`; a name is taken once."""

        def file(part: T) -> T:
            if name in self._parts:
                raise ValueError(f"{self.noun} {name!r} is registered already")
            self._parts[name] = part
            return part

        return file

    def __getitem__(self, name: str) -> T:
        """Return the part called `name`; raise WordlabError with the names there are."""
        if name not in self._parts:
            raise WordlabError(self.refusal(name))
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def items(self) -> Iterator[tuple[str, T]]:
        """Names with their parts, in the order of registration."""
        return iter(self._parts.items())

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def refusal(self, name: object) -> str:
        """Say that `name` is not here, what was probably meant, and what is allowed."""
        close = difflib.get_close_matches(str(name), self._parts, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        return f"{name!r} is no {self.noun}; {meant}allowed: {', '.join(self._parts)}"
