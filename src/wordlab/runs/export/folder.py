"""A tagger's run folder without its training text."""

from pathlib import Path

from wordlab.runs.export.release import PLAIN, Release
from wordlab.runs.files import filling, require_new, write_json, write_tensors
from wordlab.runs.model_files import MODEL, SETTINGS
from wordlab.runs.tagger_run import CALIBRATION, VECTORS, TaggerRun, write_lexicon
from wordlab.runs.tagger_settings import TaggerDataSettings, TaggerRunSettings


def export_folder(run: TaggerRun, path: str | Path, *, words: str = PLAIN) -> TaggerRun:
    """Write a run folder that tags as the run does, and open it.

    It has settings without the names of files, the list of words, weights and temperature; and the
    vectors of words beyond training, where there are such. It cannot be resumed.

    Args:
        words: "plain", or "hashed": not to be read in the folder.

    Raises:
        WordlabError: where the folder holds something already, or the run has no weights yet.
    """
    folder = Path(path)
    require_new(folder)
    release = Release.of(run, words)
    with filling(folder):
        _fill(folder, run, release)
    return TaggerRun.load(folder)


def _fill(folder: Path, run: TaggerRun, release: Release) -> None:
    settings = _without_files(run.settings)
    write_lexicon(folder, release.lexicon, run.tag_set)
    write_tensors(folder / MODEL, release.model.state_dict(), {})
    if settings.features.vectors:
        further = release.model.words.further.half()  # as they were kept
        write_tensors(folder / VECTORS, {"further": further}, {"source": settings.features.vectors})
    write_json(folder / CALIBRATION, {"temperature": release.model.output.temperature})
    # Last: a folder with settings is a run folder.
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))


def _without_files(settings: TaggerRunSettings) -> TaggerRunSettings:
    """The settings without what they say of the machine's files; of vectors the name stays."""
    vectors = settings.features.vectors
    vectors = Path(vectors).name or vectors
    features = settings.features.model_copy(update={"vectors": vectors})
    return settings.model_copy(update={"data": TaggerDataSettings(), "features": features})
