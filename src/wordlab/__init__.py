"""Train, score and look inside word-level language models and entity taggers on your own text.

The names below are the library's face; each is loaded when it is first used, so that importing
wordlab costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordlab.corpus.text import Text, read_text, text_of
    from wordlab.errors import WordlabError
    from wordlab.runs.opening import open_run as load
    from wordlab.runs.run import Run
    from wordlab.runs.tagger_run import TaggerRun
    from wordlab.runs.tagger_training import train_tagger
    from wordlab.runs.training_run import train

__version__ = "0.1.0"

__all__ = [
    "Run",
    "TaggerRun",
    "Text",
    "WordlabError",
    "__version__",
    "load",
    "read_text",
    "text_of",
    "train",
    "train_tagger",
]

_HOMES = {
    "Run": "wordlab.runs.run",
    "TaggerRun": "wordlab.runs.tagger_run",
    "Text": "wordlab.corpus.text",
    "WordlabError": "wordlab.errors",
    "read_text": "wordlab.corpus.text",
    "text_of": "wordlab.corpus.text",
    "train": "wordlab.runs.training_run",
    "train_tagger": "wordlab.runs.tagger_training",
}


def __getattr__(name: str) -> Any:
    if name == "load":
        return import_module("wordlab.runs.opening").open_run
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wordlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
