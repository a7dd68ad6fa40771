"""Token ids on disk: one flat array of words, each sentence closed by the end marker's id."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wordlab.config import read_json
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError

Ids = NDArray[Any]
"""Token ids, an unsigned integer array; its width depends on the vocabulary's size."""

CHUNK_TOKENS = 1 << 20


@dataclass(frozen=True)
class StoreHeader:
    """What a store holds; kept beside the ids as JSON."""

    tokens: int
    """Ids in the store: words and one end marker a sentence. Each is predicted once."""
    sentences: int
    unknown: int
    dtype: str
    vocabulary: str
    """Hash of the vocabulary that the ids belong to."""
    sha256: str
    """Fingerprint of the ids."""

    @property
    def words(self) -> int:
        """Tokens without the end markers."""
        return self.tokens - self.sentences


@dataclass(frozen=True)
class TokenStore:
    """A memory-mapped text of ids: w1 .. wn END w1 .. wn END and so on, in the text's order.

    Attributes:
        header: what it holds.
        ids: the text.
        start, end, unknown: ids of the markers.
        files: where each file begins that nothing must be carried into; one text if empty.
    """

    header: StoreHeader
    ids: Ids
    start: int
    end: int
    unknown: int
    files: tuple[int, ...] = ()

    @classmethod
    def open(cls, path: Path, vocabulary: Vocabulary) -> "TokenStore":
        """Map the store at `path` (without suffix); raise WordlabError where it is damaged."""
        header_path, ids_path = path.with_suffix(".json"), path.with_suffix(".ids")
        data = read_json(header_path)
        try:
            header = StoreHeader(**data)
            dtype = np.dtype(header.dtype)
            size = ids_path.stat().st_size
        except (TypeError, OSError) as error:
            raise WordlabError(f"is no token store: {error}", where=str(header_path)) from None
        if size != header.tokens * dtype.itemsize:
            raise WordlabError(
                f"holds {size} bytes where its header promises {header.tokens * dtype.itemsize}",
                where=str(ids_path),
                mend="prepare the text again",
            )
        if header.vocabulary != vocabulary.hash:
            raise WordlabError(
                f"belongs to vocabulary {header.vocabulary}, not {vocabulary.hash}",
                where=str(ids_path),
                mend="prepare the text again",
            )
        ids = np.memmap(ids_path, dtype=dtype, mode="r", shape=(header.tokens,))
        return cls(header, ids, vocabulary.start, vocabulary.end, vocabulary.unknown)

    @classmethod
    def in_memory(cls, sentences: Iterable[list[int]], vocabulary: Vocabulary) -> "TokenStore":
        """Hold encoded sentences without a file."""
        dtype = id_type(len(vocabulary))
        chunks = [np.empty(0, dtype), *in_chunks(sentences, vocabulary.end)]
        return cls._of(np.concatenate(chunks).astype(dtype), vocabulary)

    @classmethod
    def joined(cls, stores: Sequence["TokenStore"], vocabulary: Vocabulary) -> "TokenStore":
        """Put texts one behind the other, each a file of its own."""
        ids = np.concatenate([np.empty(0, id_type(len(vocabulary))), *(s.ids for s in stores)])
        ends = np.cumsum([len(store) for store in stores], dtype=np.int64)
        whole = cls._of(ids.astype(id_type(len(vocabulary))), vocabulary)
        return replace(whole, files=(0, *ends[:-1].tolist()))

    @classmethod
    def _of(cls, ids: Ids, vocabulary: Vocabulary) -> "TokenStore":
        header = StoreHeader(
            tokens=len(ids),
            sentences=int((ids == vocabulary.end).sum()),
            unknown=int((ids == vocabulary.unknown).sum()),
            dtype=ids.dtype.str,
            vocabulary=vocabulary.hash,
            sha256=hashlib.sha256(ids.tobytes()).hexdigest(),
        )
        return cls(header, ids, vocabulary.start, vocabulary.end, vocabulary.unknown)

    def __len__(self) -> int:
        return self.header.tokens

    def parts(self) -> Iterator[tuple[int, "TokenStore"]]:
        """Yield the first position of each file, and the file as a text of its own."""
        if len(self.files) < 2:
            yield 0, self
            return
        for first, last in pairwise((*self.files, len(self))):
            header = replace(self.header, tokens=last - first)
            yield first, replace(self, header=header, ids=self.ids[first:last], files=())

    def sentences(self) -> list[NDArray[np.int32]]:
        """The ids of each sentence, without its end marker."""
        ids = np.asarray(self.ids)
        parts = np.split(ids, np.flatnonzero(ids == self.end) + 1)
        return [part[:-1] for part in parts if len(part)]

    def head(self, tokens: int) -> "TokenStore":
        """The first sentences, of so many tokens at most, but one sentence at least."""
        if tokens >= len(self):
            return self
        ends = np.flatnonzero(np.asarray(self.ids) == self.end) + 1
        last = int(ends[max(int(np.searchsorted(ends, tokens, side="right")) - 1, 0)])
        header = replace(self.header, tokens=last)
        return replace(
            self,
            header=header,
            ids=self.ids[:last],
            files=tuple(first for first in self.files if first < last),
        )

    def chunks(self, tokens: int = CHUNK_TOKENS) -> Iterator[tuple[int, Ids]]:
        """Yield (first position, ids) of consecutive stretches of the text."""
        for first in range(0, len(self), tokens):
            yield first, np.asarray(self.ids[first : first + tokens])

    def sentence_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the sentence, from 0, that holds each position."""
        ends = np.flatnonzero(self.ids == self.end)
        return np.searchsorted(ends, positions, side="left")

    def counts(self, types: int) -> NDArray[np.int64]:
        """How often each of `types` ids occurs."""
        total = np.zeros(types, dtype=np.int64)
        for _, ids in self.chunks():
            total += np.bincount(ids, minlength=types)
        return total


def id_type(types: int) -> np.dtype[Any]:
    """The narrowest unsigned integer that holds so many ids, little-endian."""
    return np.dtype("<u2") if types <= 1 << 16 else np.dtype("<u4")


class IdWriter:
    """Writes ids to a file in a buffered stream; the file takes its name when it is whole."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.path = path
        self.dtype = dtype
        self._part = path.with_name(path.name + ".part")
        self._stream = self._part.open("wb")
        self._digest = hashlib.sha256()
        self.tokens = 0

    def write(self, ids: Ids) -> None:
        """Append an array of ids."""
        data = np.ascontiguousarray(ids, dtype=self.dtype).tobytes()
        self._digest.update(data)
        self._stream.write(data)
        self.tokens += len(ids)

    def close(self) -> str:
        """Put the file in its place and return the SHA-256 of its bytes."""
        self._stream.close()
        os.replace(self._part, self.path)
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        """Remove what was written, unless the file was closed and has its place."""
        self._stream.close()
        self._part.unlink(missing_ok=True)


def write_store(path: Path, chunks: Iterable[Ids], vocabulary: Vocabulary) -> TokenStore:
    """Write a stream of ids to `path` (.ids and .json) in one pass and map it.

    Args:
        chunks: stretches of the stream, in which each sentence is closed by the end marker.
    """
    dtype = id_type(len(vocabulary))
    sentences = unknown = 0
    try:
        with IdWriter(path.with_suffix(".ids"), dtype) as writer:
            for ids in chunks:
                sentences += int((ids == vocabulary.end).sum())
                unknown += int((ids == vocabulary.unknown).sum())
                writer.write(ids)
            # There is a header only while its own ids are there.
            path.with_suffix(".json").unlink(missing_ok=True)
            digest = writer.close()
        header = StoreHeader(writer.tokens, sentences, unknown, dtype.str, vocabulary.hash, digest)
        part = path.with_suffix(".json.part")
        part.write_text(json.dumps(asdict(header), indent=2) + "\n")
        os.replace(part, path.with_suffix(".json"))
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(path)) from None
    return TokenStore.open(path, vocabulary)


def in_chunks(sentences: Iterable[list[int]], end: int) -> Iterator[Ids]:
    """Close each sentence with `end` and gather sentences to arrays of about CHUNK_TOKENS."""
    waiting: list[int] = []
    for ids in sentences:
        waiting.extend(ids)
        waiting.append(end)
        if len(waiting) >= CHUNK_TOKENS:
            yield np.array(waiting, dtype=np.uint32)
            waiting = []
    if waiting:
        yield np.array(waiting, dtype=np.uint32)
