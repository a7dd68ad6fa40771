"""Runs of either kind, opened by what their folder says they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordlab.config import read_json, validate
from wordlab.errors import WordlabError
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.run import Run
from wordlab.runs.settings import RunSettings

if TYPE_CHECKING:  # what only one kind of run needs, and training, is loaded where it is used
    from wordlab.runs.tagger_run import TaggerRun
    from wordlab.runs.tagger_settings import TaggerRunSettings

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


def settings_of(data: dict[str, Any], source: str) -> "RunSettings | TaggerRunSettings":
    """Settings of a run of either kind, from plain values that may say which.

    Args:
        source: the file or option that the values came from, for messages.

    Raises:
        WordlabError: where they are wrong.
    """
    if task_of(data, source) == "tagger":
        from wordlab.runs.tagger_settings import TaggerRunSettings

        return validate(TaggerRunSettings, data, source=source)
    return validate(RunSettings, data, source=source)


def is_tagger(path: str | Path) -> bool:
    """Whether a folder is a tagger's run."""
    settings = Path(path) / SETTINGS
    if not settings.exists():
        return False
    data = read_json(settings)
    return isinstance(data, dict) and data.get("task") == "tagger"


def open_run(path: str | Path) -> "Run | TaggerRun":
    """Open a run folder, of a language model or of a tagger."""
    if not is_tagger(path):
        return Run.load(path)
    from wordlab.runs.tagger_run import TaggerRun

    return TaggerRun.load(path)


def open_tagger(path: str | Path) -> "TaggerRun":
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
