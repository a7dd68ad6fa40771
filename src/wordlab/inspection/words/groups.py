"""Groups that words of a map are coloured by."""

from collections.abc import Mapping
from pathlib import Path

from wordlab.corpus.readers import read_lines
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.evaluation.bands import band_names, bands_of
from wordlab.inspection.words.space import RunWords

MOST_GROUPS = 20
"""More colours than these nobody can tell apart."""


def word_groups(words: RunWords, colour: str) -> Mapping[str, str]:
    """A group for each word.

    Args:
        colour: "frequency", "class" or a file of words and groups, a tab between.

    Raises:
        WordlabError: where there are no such groups.
    """
    if colour == "frequency":
        return frequency_groups(words.vocabulary)
    if colour == "class":
        return words.classes()
    return read_groups(Path(colour))


def frequency_groups(vocabulary: Vocabulary) -> dict[str, str]:
    """The band of each word's rank in the training text."""
    names, bands = band_names(), bands_of(vocabulary)
    return {word: names[bands[index]] for index, word in enumerate(vocabulary.words)}


def read_groups(path: Path) -> dict[str, str]:
    """Read a word and its group from each line of a file; blank lines are passed over.

    Raises:
        WordlabError: where it cannot be read, a line has no group, or there are too many groups.
    """
    if not path.exists():
        raise WordlabError(
            f"{str(path)!r} is neither frequency nor class nor a file of words",
            where="--colour",
            mend="give a word and its group on each line, a tab between",
        )
    mend = "give a word and its group on each line, a tab between"
    found: dict[str, str] = {}
    for number, line in read_lines(str(path), "word with its group", mend):
        if not line.strip():
            continue
        word, tab, group = line.partition("\t")
        if not tab or not group.strip():
            raise WordlabError("has no group behind a tab", where=f"{path}:{number}:1", mend=mend)
        found[word.strip()] = group.strip()
    groups = len(set(found.values()))
    if not found or groups > MOST_GROUPS:
        raise WordlabError(
            f"has {groups} groups, and 1 to {MOST_GROUPS} can be told apart", where=str(path)
        )
    return found
