"""A tagger as it may be passed on."""

import copy
from dataclasses import dataclass
from typing import Self

from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.release import released
from wordlab.errors import WordlabError
from wordlab.models.taggers.tagger import Tagger
from wordlab.runs.tagger_run import TaggerRun

PLAIN, HASHED = "plain", "hashed"
WORDS = (PLAIN, HASHED)
"""Ways to write the list of words."""


@dataclass(frozen=True)
class Release:
    """A run's tagger with a lexicon that tells no more of the training text than it must.

    Attributes:
        model: finds what the run's own does.
    """

    lexicon: Lexicon
    model: Tagger

    @classmethod
    def of(cls, run: TaggerRun, words: str) -> Self:
        """Take over a run's tagger as it was trained best; the run stays as it is.

        Args:
            words: of `WORDS`.

        Raises:
            WordlabError: where there is no such way to write words.
        """
        if words not in WORDS:
            raise WordlabError(
                f"{words!r} is no way to write words; allowed: {', '.join(WORDS)}", where="--words"
            )
        lexicon, order = released(run.lexicon, hashed=words == HASHED)
        model = copy.deepcopy(run.model)
        model.words.reorder(order)
        return cls(lexicon, model)
