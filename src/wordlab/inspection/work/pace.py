"""How quickly a model that is not there yet would train here."""

import numpy as np

from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.inspection.work.parts import WORDS, drawn_sentences
from wordlab.models.language_model import NetworkSettings, OutputSettings, build_model
from wordlab.runs.preflight import duration
from wordlab.runs.threads import offered_threads
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.pace import STEPS, Pace, candidates, measured_pace
from wordlab.training.settings import TrainingSettings

MOST_PARAMETERS = 50_000_000
"""Larger models are described without being made."""
_MILLION = 1_000_000


def pace_of(
    model: NetworkSettings, output: OutputSettings, training: TrainingSettings, types: int
) -> Pace:
    """Time some steps on drawn sentences, with each number of threads in turn.

    Args:
        types: V.
    """
    names = ("<unk>", "<s>", "</s>", *(f"w{number}" for number in range(types - 3)))
    vocabulary = Vocabulary(names, np.ones(types, dtype=np.int64), 0, 1, 2)
    tokens = 2 * (STEPS + 1) * (training.batch + WORDS)
    store = TokenStore.in_memory(drawn_sentences(vocabulary, tokens), vocabulary)
    if "vectors" in type(model).model_fields:  # how they begin costs no step any time
        model = model.model_copy(update={"vectors": "random"})
    training = training.model_copy(update={"curriculum": ()})
    network = build_model(model, output, types, seed=0)
    task = LanguageModelling(network, store, store, training, types)
    return measured_pace(task, training, _tried(training))


def _tried(training: TrainingSettings) -> tuple[int, ...]:
    return candidates(offered_threads()) if training.threads is None else (training.threads,)


def pace_line(pace: Pace) -> str:
    """What a million targets take."""
    rate = pace.targets_per_second
    threads = f"{pace.threads} thread{'s' * (pace.threads > 1)}"
    return (
        f"a million training targets take {duration(_MILLION / rate)} here, {rate:,.0f} a second "
        f"with {threads} in {pace.steps} steps on drawn sentences"
    )
