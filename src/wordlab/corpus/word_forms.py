"""Word forms: what a model sees in place of a word as it is spelled in the text."""

import re
from collections.abc import Callable, Container

from wordlab.registry import Registry

WordForm = Callable[[str, Container[str]], str]
"""(word as spelled, known words) -> form; a form may depend on what is known."""

WORD_FORMS: Registry[WordForm] = Registry("word form")

_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")


@WORD_FORMS.register("as-is")
def as_is(word: str, known: Container[str]) -> str:
    """The word as it is spelled."""
    return word


@WORD_FORMS.register("lower")
def lower(word: str, known: Container[str]) -> str:
    """The word in lower case."""
    return word.lower()


@WORD_FORMS.register("cs224d")
def cs224d(word: str, known: Container[str]) -> str:
    """The rule of CS224d, assignment 2: lower case; digits of unknown letterless words become DG.

    A lower-cased word that is known stays. Else, where it has no letter, each digit becomes `DG`,
    and a result that starts with `DG` loses its commas.

    >>> cs224d("1,987", ())
    'DGDGDGDG'
    """
    form = word.lower()
    if form in known or _LETTER.search(form):
        return form
    form = _DIGIT.sub("DG", form)
    return form.replace(",", "") if form.startswith("DG") else form
