"""Mixing runs into a run: weights by EM on a text, members copied into the folder."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.preparation import encode_in_memory
from wordlab.corpus.store import TokenStore
from wordlab.corpus.text import Text
from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import batch_for, observe
from wordlab.models.dynamic import gradient_sizes
from wordlab.models.language_model import LanguageModel
from wordlab.models.mixture import Mixture, fit_weights
from wordlab.runs.environment import ENVIRONMENT
from wordlab.runs.files import filling, require_new, write_json, write_tensors
from wordlab.runs.model_files import (
    GRADIENTS,
    MEMBERS,
    MIXTURE,
    MODEL,
    SETTINGS,
    VOCABULARY,
    MixtureSettings,
    load_mixture,
)
from wordlab.runs.run import CORPUS, Run


def mix(
    runs: Sequence[Run], text: Text, folder: str | Path, settings: MixtureSettings | None = None
) -> Run:
    """Mix runs into a new run folder, with the weights under which a text is most probable.

    Args:
        runs: at least one, over one vocabulary; the first one's settings say how texts are read.
        text: the text that the weights are fitted to; never one of the training texts.
        folder: the run folder to make.
        settings: buckets, caches and so on; `members` and `weights` are filled in here.

    Raises:
        WordlabError: where the vocabularies differ, or the members cannot read in one way.
    """
    names = _names(runs)
    first = runs[0]
    for run, name in zip(runs, names, strict=True):
        if run.vocabulary.hash != first.vocabulary.hash:
            raise WordlabError(
                f"{name} has another vocabulary ({run.vocabulary.hash}) than {names[0]} "
                f"({first.vocabulary.hash})",
                where=str(run.path),
                mend="train both with the same training text and the same [vocabulary]",
            )
    path = Path(folder)
    require_new(path)
    chosen = (settings or MixtureSettings(members=names)).model_copy(
        update={"members": names, "weights": ()}
    )
    store = encode_in_memory(first.text(text), first.vocabulary)
    if not len(store):
        raise WordlabError("has no sentence to fit weights to", where=text.name)
    with filling(path):
        _lay_out(runs, names, path)
        if chosen.dynamic_rate:
            _write_gradient_sizes(runs, names, path)
        write_json(path / MIXTURE, chosen.model_dump(mode="json"))
        mixture = load_mixture(path, first.vocabulary)
        weights = fit(mixture, store)
        fitted = chosen.model_copy(update={"weights": tuple(map(tuple, weights.tolist()))})
        write_json(path / MIXTURE, fitted.model_dump(mode="json"))
    return Run.load(path)


def fit(mixture: Mixture, store: TokenStore) -> NDArray[np.float64]:
    """The best weights of a mixture on a text. [buckets, members]"""
    size = batch_for(mixture, len(mixture.buckets.of_word))
    # Filled in place, as in `score_tokens`.
    log_probs = np.empty((len(store), len(mixture.members)))
    buckets = np.empty(len(store), dtype=np.int64)
    filled = 0
    for first, part in store.parts():
        state = None
        for batch in mixture.reading.batches(part, size):
            found, state = mixture.predict_members(batch, state)
            target = batch.targets[:, None]
            here = slice(filled, filled + len(target))
            for member, p in enumerate(found):
                log_probs[here, member] = p.gather(1, target)[:, 0].numpy()
            buckets[here] = mixture.bucket_of(batch)
            filled = here.stop
            observe(filled - first, len(part))
    return fit_weights(log_probs[:filled], buckets[:filled], len(mixture.buckets.names))


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    """The runs' own names, numbered where two are alike."""
    names: list[str] = []
    for run in runs:
        name, number = run.name, 1
        while name in names:
            number += 1
            name = f"{run.name}-{number}"
        names.append(name)
    return tuple(names)


def _lay_out(runs: Sequence[Run], names: Sequence[str], path: Path) -> None:
    """Copy what the members need, and the texts of the first."""
    first = runs[0].path
    for run, name in zip(runs, names, strict=True):
        member = path / MEMBERS / name
        member.mkdir(parents=True)
        for file in (SETTINGS, VOCABULARY, MODEL, MIXTURE):
            if (run.path / file).exists():
                _copy(run.path / file, member / file)
        if (run.path / MEMBERS).is_dir():
            shutil.copytree(run.path / MEMBERS, member / MEMBERS)
    for file in (SETTINGS, VOCABULARY, ENVIRONMENT):
        if (first / file).exists():
            _copy(first / file, path / file)
    if (first / CORPUS).is_dir():
        shutil.copytree(first / CORPUS, path / CORPUS, copy_function=_copy)


def _write_gradient_sizes(runs: Sequence[Run], names: Sequence[str], path: Path) -> None:
    """What dynamic evaluation has to know of each network's training text."""
    for run, name in zip(runs, names, strict=True):
        if isinstance(run.model, LanguageModel):
            sizes = gradient_sizes(run.model, run.store("train"))
            about = {"vocabulary": run.vocabulary.hash}
            write_tensors(path / MEMBERS / name / GRADIENTS, sizes, about)


def _copy(source: Path | str, target: Path | str) -> None:
    """Share the bytes where the disk allows: nothing here is ever written in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
