"""The compiled kernels: a plain library without Python's interface, left out where no compiler is.

All else about the package stands in pyproject.toml. What is compiled carries a digest of its
sources, by which `wordlab.native.library` sees a library that was not compiled from them.
"""

from hashlib import sha256
from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("src/wordlab/native")
SOURCES = sorted(FOLDER.glob("*.?pp"))


def digest() -> str:
    """Of all sources, in the order of their names."""
    return sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()


setup(
    ext_modules=[
        Extension(
            "wordlab.native._kernels",
            sources=[str(FOLDER / "kernels.cpp")],
            depends=[str(source) for source in SOURCES],
            define_macros=[("WORDLAB_SOURCES", f'"{digest()}"')],
            extra_compile_args=["-std=c++17", "-O3", "-fno-math-errno", "-fopenmp"],
            extra_link_args=["-fopenmp"],
            language="c++",
            optional=True,
        )
    ]
)
