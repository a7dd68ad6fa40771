"""How many threads a run computes with: as set, as it began, or as was quickest at its start."""

from pathlib import Path

import torch

from wordlab.runs.environment import ENVIRONMENT, read_environment
from wordlab.runs.files import write_json
from wordlab.training.pace import Pace, candidates, measured_pace
from wordlab.training.settings import TrainingSettings
from wordlab.training.task import Task

_reduced: tuple[int, int] | None = None
"""The number that a run of this process took last, and the number that it had been offered."""


def offered_threads() -> int:
    """As many as PyTorch would use, had no run of this process chosen fewer."""
    now = torch.get_num_threads()
    return _reduced[1] if _reduced is not None and _reduced[0] == now else now


def settle_threads(
    folder: Path, settings: TrainingSettings, task: Task | None
) -> tuple[str, Pace | None]:
    """Set the number of threads, write it into the run's environment, and say why in a line.

    A number in the settings is kept to. A run that goes on keeps the number with which it began,
    for the sums of products may be rounded otherwise with another; therefore it is measured once,
    at the start, and never between epochs.

    Args:
        task: what is trained; None where nothing is to be measured.

    Returns:
        The line, empty where there was no choice, and the pace if it was measured.
    """
    offered, environment = offered_threads(), read_environment(folder)
    begun = environment.get("threads")
    pace = None
    if settings.threads is not None:
        chosen, why = settings.threads, "training.threads"
    elif isinstance(begun, int) and begun <= offered:
        _use(begun, offered)
        return ("" if offered == 1 else f"threads: {begun} of {offered}, as the run began"), None
    elif task is None or offered == 1:
        chosen, why = offered, "all"
    else:
        pace = measured_pace(task, settings, candidates(offered))
        chosen, why = pace.threads, _measured(pace)
    _use(chosen, offered)
    write_json(folder / ENVIRONMENT, {**environment, "threads": chosen, "threads_chosen_by": why})
    return ("" if pace is None else f"threads: {chosen} of {offered}; {why}"), pace


def _measured(pace: Pace) -> str:
    stalled = pace.product_seconds.keys() - pace.step_seconds.keys()
    if not stalled:
        return f"a step took {_each(pace.step_seconds)} (medians of {pace.steps})"
    return f"products took {_each(pace.product_seconds)}: other programs hold cores"


def _each(seconds: dict[int, float]) -> str:
    return ", ".join(f"{1000 * s:,.1f} ms with {number}" for number, s in seconds.items())


def _use(chosen: int, offered: int) -> None:
    global _reduced
    torch.set_num_threads(chosen)
    _reduced = chosen, offered
