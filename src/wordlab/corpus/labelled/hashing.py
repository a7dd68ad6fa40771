"""Values written as keyed hashes: a list that words can be looked up in but not read from."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

METHOD = "blake2b"


@dataclass(frozen=True)
class Hashing:
    """How values are written where nobody is to read them (BLAKE2b, RFC 7693).

    The salt stands beside the hashes, so whoever has them can ask of any word whether it is listed.

    Attributes:
        salt: key of the hashes.
        size: bytes of each.
    """

    salt: bytes
    size: int

    def of(self, column: str, value: str) -> str:
        """What stands for a value; the same value has another hash in another column."""
        text = f"{column}\0{value}".encode("utf-8", "surrogatepass")
        return blake2b(text, key=self.salt, digest_size=self.size).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"method": METHOD, "salt": self.salt.hex(), "bytes": self.size}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of `as_json`.

        Raises:
            KeyError, TypeError, ValueError: where the data are none of a hashing.
        """
        if data["method"] != METHOD:
            raise ValueError(f"{data['method']!r} is no way to hash")
        hashing = cls(bytes.fromhex(data["salt"]), int(data["bytes"]))
        _ = hashing.of("", "")  # refuses sizes that there are none of
        return hashing


@dataclass(frozen=True)
class HashedNumbers:
    """The numbers of a column's values, kept under their hashes and asked for by the values."""

    column: str
    numbers: Mapping[str, int]
    hashing: Hashing

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and self.hashing.of(self.column, value) in self.numbers

    def get(self, value: str, default: int, /) -> int:
        """The number of a value, or the default."""
        return self.numbers.get(self.hashing.of(self.column, value), default)
