"""Train, score and look inside word-level language models on your own text.

The names below are the library's face; each is loaded when it is first used, so that importing
wordlab costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordlab.corpus.text import Text, read_text, text_of
    from wordlab.errors import WordlabError
    from wordlab.runs.run import Run
    from wordlab.runs.training_run import train

    load = Run.load

__version__ = "0.1.0"

__all__ = ["Run", "Text", "WordlabError", "__version__", "load", "read_text", "text_of", "train"]

_HOMES = {
    "Run": "wordlab.runs.run",
    "Text": "wordlab.corpus.text",
    "WordlabError": "wordlab.errors",
    "read_text": "wordlab.corpus.text",
    "text_of": "wordlab.corpus.text",
    "train": "wordlab.runs.training_run",
}


def __getattr__(name: str) -> Any:
    if name == "load":
        return __getattr__("Run").load
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wordlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
