"""The compiled library: none but that of the present sources is used."""

import ctypes
import shutil
from pathlib import Path

import pytest

from wordlab.native import library
from wordlab.native.library import compiled_from, kernels

COMPILED = kernels().library
FOLDER = Path(library.__file__).parent


def copied(into: Path) -> list[Path]:
    """The sources, copied."""
    return [Path(shutil.copy(source, into)) for source in sorted(FOLDER.glob("*.?pp"))]


@pytest.mark.skipif(COMPILED is None, reason=str(kernels()))
def test_each_source_counts(tmp_path: Path) -> None:
    assert COMPILED is not None
    assert compiled_from(COMPILED, tmp_path)
    for source in copied(tmp_path):
        assert compiled_from(COMPILED, tmp_path)
        before = source.read_bytes()
        source.write_bytes(before + b"\n")
        assert not compiled_from(COMPILED, tmp_path)
        source.write_bytes(before)


def test_a_library_that_does_not_say_is_not_used(tmp_path: Path) -> None:
    assert copied(tmp_path)
    assert not compiled_from(ctypes.CDLL(None), tmp_path)
