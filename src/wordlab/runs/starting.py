"""Beginning a training, or going on with one, whatever is trained."""

from pathlib import Path

from wordlab.config import read_json
from wordlab.errors import WordlabError
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.opening import is_tagger
from wordlab.runs.settings import RunSettings
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import TaggerTraining
from wordlab.runs.training_run import TrainingRun
from wordlab.training.together.ranks import ALONE, Ranks


def start_run(
    settings: RunSettings | TaggerRunSettings,
    path: str | Path,
    ranks: Ranks = ALONE,
    *,
    jobs: int = 1,
) -> TrainingRun | TaggerTraining:
    """Begin the training that settings describe.

    Where what started the ranks may start them again, a folder that was made with just these
    settings is gone on with.

    Args:
        jobs: processes that read large texts.
    """
    if ranks.restarts and _is_made_with(settings, Path(path)):
        ranks.meet()
        return resume_run(path, ranks)
    if isinstance(settings, RunSettings):
        return TrainingRun.start(settings, path, ranks=ranks, jobs=jobs)
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
