"""ARPA files as run folders, and run folders as ARPA files."""

from pathlib import Path

from wordlab.errors import WordlabError
from wordlab.models.counts.arpa import read_arpa, write_arpa
from wordlab.models.counts.arpa_settings import ArpaSettings
from wordlab.models.counts.backoff import BackoffModel
from wordlab.runs.files import require_new, write_json, write_tensors
from wordlab.runs.model_files import MODEL, SETTINGS, VOCABULARY
from wordlab.runs.run import Run
from wordlab.runs.settings import RunSettings


def import_arpa(
    path: str | Path, folder: str | Path, *, like: Run | None = None, drop: bool = False
) -> tuple[Run, tuple[str, ...]]:
    """Make a run folder of an ARPA file; return the run, and in words what the file lacked.

    Args:
        folder: the run folder to make.
        like: a run whose vocabulary, markers and word forms the model is to take over, so that the
            two can be mixed and compared; None for the file's own words.
        drop: with `like`, leave out the words that its vocabulary lacks; see `Arpa.onto`.

    Raises:
        WordlabError: where the file is no ARPA file, has words that `like` lacks, or the folder
            holds something.
    """
    target = Path(folder)
    require_new(target)
    arpa = read_arpa(path)
    model, notes, vocabulary = arpa.model, arpa.notes, arpa.vocabulary
    settings = RunSettings()
    if like is not None:
        settings, vocabulary = like.settings, like.vocabulary
        model, added = arpa.onto(vocabulary, drop=drop)
        notes = (*notes, *added)
    else:
        unknown, start, end = (arpa.words[index] for index in (arpa.unknown, arpa.start, arpa.end))
        markers = settings.vocabulary.model_copy(
            update={"unknown": unknown, "start": start, "end": end}
        )
        settings = settings.model_copy(update={"vocabulary": markers})
    own = settings.model_copy(update={"model": ArpaSettings(n=len(model.orders))})
    try:
        target.mkdir(parents=True, exist_ok=True)
        vocabulary.save(target / VOCABULARY)
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(folder)) from None
    about = {"vocabulary": vocabulary.hash, "epoch": "1"}
    write_tensors(target / MODEL, model.tensors(), about)
    write_json(target / SETTINGS, own.model_dump(mode="json"))
    return Run.load(target), notes


def export_arpa(run: Run, path: str | Path) -> None:
    """Write a run's n-gram model as an ARPA file, as gzip where the path ends in .gz.

    Raises:
        WordlabError: where the run's model is no n-gram model, or the file cannot be written.
    """
    if not isinstance(run.model, BackoffModel):
        raise WordlabError(
            f"a model of type {run.settings.model.type} has no ARPA form",
            where=str(run.path),
            mend="name a run with model.type=kneser-ney",
        )
    write_arpa(path, run.model, run.vocabulary)
