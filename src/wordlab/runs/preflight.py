"""What a training needs, worked out before any work is done."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.errors import WordlabError
from wordlab.models.language_model import NetworkSettings, build_model
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_run import fresh_tagger
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.training.memory import kept_bytes, training_bytes
from wordlab.training.pace import Pace
from wordlab.training.trainer import Trainer

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")


def needed_bytes(settings: RunSettings, vocabulary: int) -> int:
    """Memory of a network in training, worked out without allocating it; 0 for others."""
    if not isinstance(settings.model, NetworkSettings):
        return 0
    types = max(vocabulary, 4, settings.output.fewest_classes)
    with torch.device("meta"):
        model = build_model(settings.model, settings.output, types, seed=0)
    return training_bytes(model, model.costs(), settings.training, types)


def tagger_bytes(
    settings: TaggerRunSettings, lexicon: Lexicon, tags: TagSet, vectors: Tensor | None
) -> int:
    """Memory of a tagger in training, worked out without allocating it.

    Args:
        vectors: that its word vectors begin as, if any.
    """
    if vectors is not None:
        features = settings.features.model_copy(update={"words": vectors.shape[1]})
        settings = settings.model_copy(update={"features": features})
    with torch.device("meta"):
        model = fresh_tagger(settings, lexicon, tags, None)
    return training_bytes(model, model.costs(), settings.training, len(tags.tags))


def available_bytes() -> int | None:
    """Memory that programs can still have; None where the system does not say."""
    return _kibibytes(_MEMINFO, "MemAvailable:")


def resident_bytes() -> int | None:
    """Memory that this program has; None where the system does not say."""
    return _kibibytes(_STATUS, "VmRSS:")


def _kibibytes(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(name)]
    return 1024 * int(found[0]) if found else None


def require_memory(needed: int) -> None:
    """Raise WordlabError if the weights and what goes with them cannot fit into memory.

    Args:
        needed: by `needed_bytes` or `tagger_bytes`, with what is known of the vocabulary so far.
    """
    available = available_bytes()
    if available is not None and needed > available:
        gibi = 1 << 30
        raise WordlabError(
            f"training would need {needed / gibi:,.1f} GiB, and {available / gibi:,.1f} GiB of "
            "memory are free",
            where="model.hidden",
            mend="choose fewer hidden units, a shorter embedding or a smaller vocabulary",
        )


@dataclass(frozen=True)
class Expectation:
    """What a training is expected to take from here on.

    Attributes:
        seconds: to the last epoch, if nothing ends it before.
        epochs: that are still to come; targets: of each, without those of a curriculum's stages.
        minutes: of the budget that are left, if there is one.
        bytes: the most that the program will hold; None where the system does not say.
        free: bytes that it can still have.
    """

    seconds: float
    epochs: int
    targets: int
    pace: Pace
    minutes: float | None
    bytes: int | None
    free: int | None

    def line(self) -> str:
        """All of it in plain words."""
        work = f"{self.epochs} epoch{'s' * (self.epochs > 1)} of {self.targets:,} targets"
        work += f" at {self.pace.targets_per_second:,.0f} a second"
        time = f"{duration(self.seconds)} at most ({work})"
        if self.minutes is not None and 60 * self.minutes < self.seconds:
            done = self.epochs * 60 * self.minutes / self.seconds
            time = f"{duration(60 * self.minutes)} ({done:.1f} of {work})"
        mebi = 1 << 20
        memory = ""
        if self.bytes is not None and self.free is not None:
            memory = f", {self.bytes / mebi:,.0f} MiB of memory ({self.free / mebi:,.0f} are free)"
        return f"expected: {time}{memory}"


def duration(seconds: float) -> str:
    """A time in words, in two units at most.

    >>> duration(4.2), duration(250), duration(7510)
    ('5 s', '4 min 10 s', '2 h 5 min')
    """
    whole = -(-seconds // 1)
    if whole < 60:
        return f"{whole:.0f} s"
    if whole < 3600:
        return f"{whole // 60:.0f} min {whole % 60:.0f} s"
    return f"{whole // 3600:.0f} h {whole % 3600 // 60:.0f} min"


def expectation(trainer: Trainer, needed: int, pace: Pace) -> Expectation:
    """What the rest of a training takes.

    Args:
        needed: bytes by formula, of which what stands before the first step is there already.
        pace: as it was measured.
    """
    settings, progress, task = trainer.settings, trainer.progress, trainer.task
    judged = task.judged_targets(settings.score_targets) / pace.scored_per_second
    coming = range(progress.epoch, settings.epochs)
    trained = sum(task.targets(settings.left_out(epoch)) for epoch in coming)
    left = None
    if settings.minutes is not None:
        left = max(0.0, settings.minutes - progress.seconds / 60)
    resident = resident_bytes()
    there = kept_bytes(sum(p.numel() for p in trainer.model.parameters()), settings)
    return Expectation(
        trained / pace.targets_per_second + len(coming) * judged,
        len(coming),
        task.targets(0),
        pace,
        left,
        None if resident is None else resident + needed - there,
        available_bytes(),
    )
