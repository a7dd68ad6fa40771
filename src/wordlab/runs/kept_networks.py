"""The networks that a run folder keeps: untrained, of the best epoch, and of the last."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wordlab.errors import WordlabError
from wordlab.models.language_model import LanguageModel
from wordlab.models.taggers.tagger import Tagger
from wordlab.runs.files import read_tensors
from wordlab.runs.model_files import MODEL, fresh_network
from wordlab.runs.run import CHECKPOINT, CORPUS, Run
from wordlab.runs.tagger_run import TaggerRun, fresh_tagger
from wordlab.training.averaging import WeightAverage
from wordlab.training.progress import Progress

Network = LanguageModel | Tagger

KEPT = ("untrained", "best", "last")


@dataclass(frozen=True)
class KeptNetwork:
    """A network of a run.

    Attributes:
        name: of `KEPT`.
        epochs: how long it was trained, in words.
        load: reads it, ready to predict.
    """

    name: str
    epochs: str
    load: Callable[[], Network]


def kept_networks(run: Run | TaggerRun) -> list[KeptNetwork]:
    """List what a run folder keeps; the last network only where it is not the best.

    The untrained one is drawn anew from the run's seed, and begun from the training text where the
    settings say so and the text is still there. The vectors of a tagger's own words begin at
    random, also where training began them as pretrained ones, which a folder does not keep.

    Raises:
        WordlabError: where the run is no network, or has no finished epoch.
    """
    best = _best(run)
    _, about = read_tensors(run.path / MODEL)
    found = [
        KeptNetwork("untrained", "0", lambda: fresh(run)),
        KeptNetwork("best", about.get("epoch", "unknown"), lambda: best),
    ]
    path = run.path / CHECKPOINT
    if path.exists():
        tensors, metadata = read_tensors(path)
        progress = _progress(metadata, str(path))
        if progress.best is None or progress.epoch > progress.best.epoch or progress.batch:
            trained = str(progress.epoch)
            trained += f" and {progress.batch:,} batches" if progress.batch else ""
            found.append(KeptNetwork("last", trained, lambda: _last(run, tensors)))
    return found


def fresh(run: Run | TaggerRun) -> Network:
    """The network of a run as it was before training."""
    if isinstance(run, TaggerRun):
        return fresh_tagger(run.settings, run.lexicon, run.tag_set, run.vectors()).eval()
    network = fresh_network(run.settings, run.vocabulary)
    if (run.path / CORPUS / "train.json").exists():
        network.encoder.start_from_text(run.store("train"), run.settings.training.seed)
    return network.eval()


def _best(run: Run | TaggerRun) -> Network:
    return run.model if isinstance(run, TaggerRun) else run.network


def _progress(metadata: dict[str, Any], where: str) -> Progress:
    try:
        return Progress.from_json(json.loads(metadata["progress"]))
    except (KeyError, TypeError, ValueError):
        raise WordlabError("is no checkpoint of training", where=where) from None


def _last(run: Run | TaggerRun, tensors: dict[str, Tensor]) -> Network:
    """The network of a checkpoint, its weights averaged as they are when an epoch is scored."""
    network = fresh(run)
    try:
        network.load_state_dict(_part(tensors, "model."))
        average = WeightAverage(network, run.settings.training.averaging)
        average.restore(_part(tensors, "average."))
        with average.applied():
            weights = average.weights()
        network.load_state_dict(weights)
    except (RuntimeError, KeyError) as error:
        raise WordlabError(
            f"does not fit the folder's settings ({str(error).splitlines()[-1].strip()})",
            where=str(run.path / CHECKPOINT),
            mend="put back the settings.json that the run was trained with",
        ) from None
    return network


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
