"""Files of a run folder: written whole or not at all, read with care."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from wordlab.errors import WordlabError

AT_WORK = "at-work"
"""File in a folder that is being filled; left behind by who is killed."""

FORMAT = "1"
"""Of the tensor files; `read_tensors` takes none that is not marked with one."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that, whatever happens, `path` holds the old bytes or the new ones.

    Raises:
        WordlabError: where the disk is full or cannot be written; the old file stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        kept = "; what was saved before is whole" if path.exists() else ""
        raise WordlabError(
            f"cannot be saved: {error.strerror or error}{kept}",
            where=str(path),
            mend="free some space or choose another folder",
        ) from None


def require_new(path: Path, mend: str = "choose another folder") -> None:
    """Raise WordlabError unless `path` is free for a new folder: not there, or empty."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WordlabError("is there already and is not empty", where=str(path), mend=mend)


def was_cut_short(folder: Path) -> bool:
    """Whether who was `alone_in` a folder was killed there."""
    return (folder / AT_WORK).exists()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder, mark that it is worked in, and keep others out while the context lasts.

    Raises:
        WordlabError: where it cannot be made, or someone is at work in it.
    """
    mark = folder / AT_WORK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = mark.open("ab")
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(folder)) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WordlabError(
                "another training is being prepared in it",
                where=str(folder),
                mend="choose another folder",
            ) from None
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Make a folder, and take it away again where what is to fill it fails.

    Raises:
        WordlabError: where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(folder)) from None
    try:
        yield
    except BaseException:  # leave no half-made folder in the way of the next try
        shutil.rmtree(folder, ignore_errors=True)
        raise


def next_free(path: Path) -> Path:
    """Return the path itself, or the first of path-2, path-3 .. that is not there yet."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def write_json(path: Path, data: Any) -> None:
    """Write a value as readable JSON."""
    write_whole(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and text as one safetensors file, marked as one of wordlab."""
    owned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_whole(path, safetensors.torch.save(owned, metadata={"wordlab": FORMAT, **metadata}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file written by `write_tensors`.

    Raises:
        WordlabError: where it is missing, cut short, or no safetensors file.
    """
    try:
        # In one read: a file that is opened twice may be replaced in between.
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except FileNotFoundError:
        raise WordlabError("there is no such file", where=str(path)) from None
    except (OSError, safetensors.SafetensorError) as error:
        raise WordlabError(
            f"is cut short or no safetensors file ({error})",
            where=str(path),
            mend="copy it again from where it came",
        ) from None
    if "wordlab" not in metadata:
        raise WordlabError("is not a file of wordlab", where=str(path))
    return tensors, metadata
