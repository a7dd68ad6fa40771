"""Which tagging scheme a file is written in, and why."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from wordlab.corpus.labelled.schemes import OUTSIDE, SCHEMES, Scheme
from wordlab.corpus.labelled.tag_spelling import NOT_THE_LETTER, ROLES

_PREFIXED = re.compile(r"[BIESLUM]-.+")


def name_scheme(sentences: Sequence[Sequence[str]]) -> tuple[Scheme, str]:
    """Name the scheme that the fewest tags contradict, and say why."""
    none = {"", OUTSIDE, *NOT_THE_LETTER}
    counts = Counter(tag for tags in sentences for tag in tags if tag not in none)
    labelled = counts.total()
    if not labelled:
        return SCHEMES["IOB2"], "there is no tag but O: any scheme fits"
    prefixed = sum(n for tag, n in counts.items() if _PREFIXED.fullmatch(tag) or tag in ROLES)
    if 2 * prefixed <= labelled:
        why = f"{labelled - prefixed:,} of {labelled:,} labels have no letter before the type"
        return SCHEMES["bare"], why
    pairs = Counter(pair for tags in sentences for pair in pairwise((OUTSIDE, *tags, OUTSIDE)))
    misfits = {
        name: sum(count for pair, count in pairs.items() if scheme.clash(*pair) is not None)
        for name, scheme in SCHEMES.items()
        if name != "bare"
    }
    best = min(misfits, key=misfits.__getitem__)
    others = sorted((count, name) for name, count in misfits.items() if name != best)
    against = ", ".join(f"{name} by {count:,}" for count, name in others[:2])
    why = f"contradicted by {misfits[best]:,} of {labelled:,} labels (next best: {against})"
    return SCHEMES[best], why
