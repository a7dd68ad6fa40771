"""Runs of either kind, opened by what their folder says they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordlab.config import read_json, validate
from wordlab.errors import WordlabError
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.run import Run
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_run import TaggerRun
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import TaggerTraining
from wordlab.runs.training_run import TrainingRun
from wordlab.training.ranks import ALONE, Ranks

TASKS = ("language-model", "tagger")


def task_of(settings: Mapping[str, Any], where: str) -> str:
    """What settings are of: `task`, a language model where they do not say.

    Raises:
        WordlabError: for a task that there is none of.
    """
    task = settings.get("task", TASKS[0])
    if task not in TASKS:
        raise WordlabError(f"{task!r} is no task; allowed: {', '.join(TASKS)}", where=where)
    return str(task)


def settings_of(data: dict[str, Any], source: str) -> RunSettings | TaggerRunSettings:
    """Settings of a run of either kind, from plain values that may say which.

    Args:
        source: the file or option that the values came from, for messages.

    Raises:
        WordlabError: where they are wrong.
    """
    if task_of(data, source) == "tagger":
        return validate(TaggerRunSettings, data, source=source)
    return validate(RunSettings, data, source=source)


def is_tagger(path: str | Path) -> bool:
    """Whether a folder is a tagger's run."""
    settings = Path(path) / SETTINGS
    if not settings.exists():
        return False
    data = read_json(settings)
    return isinstance(data, dict) and data.get("task") == "tagger"


def open_run(path: str | Path) -> Run | TaggerRun:
    """Open a run folder, of a language model or of a tagger."""
    return TaggerRun.load(path) if is_tagger(path) else Run.load(path)


def open_tagger(path: str | Path) -> TaggerRun:
    """Open a tagger's run folder.

    Raises:
        WordlabError: where it is of something else.
    """
    found = open_run(path)
    if isinstance(found, Run):
        raise WordlabError(
            "is the run of a language model, not of a tagger",
            where=str(path),
            mend="train one with wordlab train --task tagger",
        )
    return found


def start_run(
    settings: RunSettings | TaggerRunSettings, path: str | Path, ranks: Ranks = ALONE
) -> TrainingRun | TaggerTraining:
    """Begin the training that settings describe.

    Where what started the ranks may start them again, a folder that was made with just these
    settings is gone on with.
    """
    if ranks.restarts and _is_made_with(settings, Path(path)):
        ranks.meet()
        return resume_run(path, ranks)
    if isinstance(settings, RunSettings):
        return TrainingRun.start(settings, path, ranks=ranks)
    return TaggerTraining.start(settings, path, ranks=ranks)


def follow_run(path: str | Path, ranks: Ranks) -> TrainingRun | TaggerTraining:
    """Train along with the first rank, which starts the run.

    Raises:
        WordlabError: where its folder is not to be seen from here.
    """
    ranks.meet()
    if not (Path(path) / SETTINGS).exists():
        raise WordlabError(
            f"was made by the first rank and is not there for rank {ranks.rank}",
            where=str(path),
            mend="let the run folder be on a disk that all machines share",
        )
    return resume_run(path, ranks)


def resume_run(path: str | Path, ranks: Ranks = ALONE) -> TrainingRun | TaggerTraining:
    """Go on with the training of a run folder."""
    kind = TaggerTraining if is_tagger(path) else TrainingRun
    return kind.resume(path, ranks)


def _is_made_with(settings: RunSettings | TaggerRunSettings, folder: Path) -> bool:
    """Whether a folder is a run with these settings."""
    path = folder / SETTINGS
    return path.exists() and read_json(path) == settings.model_dump(mode="json")
