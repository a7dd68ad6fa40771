"""What a training needs, worked out before any work is done."""

from pathlib import Path

import torch

from wordlab.errors import WordlabError
from wordlab.models.language_model import NetworkSettings, build_model
from wordlab.runs.settings import RunSettings
from wordlab.training.memory import training_bytes

_MEMINFO = Path("/proc/meminfo")


def needed_bytes(settings: RunSettings, vocabulary: int) -> int:
    """Memory of a network in training, worked out without allocating it; 0 for others."""
    if not isinstance(settings.model, NetworkSettings):
        return 0
    types = max(vocabulary, 4, settings.output.fewest_classes)
    with torch.device("meta"):
        model = build_model(settings.model, settings.output, types, seed=0)
    return training_bytes(model, settings.training)


def available_bytes() -> int | None:
    """Memory that programs can still have; None where the system does not say."""
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    kibibytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(kibibytes[0]) if kibibytes else None


def require_memory(settings: RunSettings, vocabulary: int) -> None:
    """Raise WordlabError if the weights and what goes with them cannot fit into memory.

    Args:
        vocabulary: V, or what is known of it so far.
    """
    available = available_bytes()
    needed = needed_bytes(settings, vocabulary)
    if available is not None and needed > available:
        gibi = 1 << 30
        raise WordlabError(
            f"training would need {needed / gibi:,.1f} GiB, and {available / gibi:,.1f} GiB of "
            "memory are free",
            where="model.hidden",
            mend="choose fewer hidden units, a shorter embedding or a smaller vocabulary",
        )
