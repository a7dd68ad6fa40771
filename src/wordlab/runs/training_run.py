"""Training into a run folder: start, checkpoint, resume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wordlab.config import validate
from wordlab.corpus.preparation import prepare
from wordlab.corpus.text import Text, TextSettings, read_text, text_of
from wordlab.errors import WordlabError
from wordlab.models.language_model import CountSettings
from wordlab.runs.environment import ENVIRONMENT, describe_environment
from wordlab.runs.files import alone_in, filling, require_new, was_cut_short, write_json
from wordlab.runs.kept_training import KeptTraining
from wordlab.runs.model_files import MIXTURE, SETTINGS, VOCABULARY, fresh_network
from wordlab.runs.preflight import needed_bytes, require_memory
from wordlab.runs.run import CORPUS, Run, TextLike
from wordlab.runs.settings import RunSettings
from wordlab.training.counting import CountTrainer
from wordlab.training.language_modelling import LanguageModelling
from wordlab.training.progress import Epoch
from wordlab.training.together.ranks import ALONE, Ranks
from wordlab.training.trainer import Trainer


class TrainingRun(KeptTraining[Run]):
    """A language model that is being trained, with its folder kept up to date.

    Make one with `start` or `resume`, and go through `epochs()`.
    """

    def __init__(self, run: Run, notes: Sequence[str] = (), ranks: Ranks = ALONE) -> None:
        self.run = run
        self.ranks = ranks
        self.path = run.path
        self.notes = tuple(notes)
        self.settings = run.settings.training
        self.needed = needed_bytes(run.settings, len(run.vocabulary))
        require_memory(self.needed)
        texts = run.store("train"), run.store("validation")
        settings, types = run.settings, len(run.vocabulary)
        self.trainer: CountTrainer | Trainer
        if isinstance(settings.model, CountSettings):
            self.trainer = CountTrainer(settings.model, *texts, self.settings, types)
        else:
            network = fresh_network(settings, run.vocabulary)
            task = LanguageModelling(network, *texts, self.settings, types)
            self.trainer = Trainer(task, self.settings, ranks)
        self.settle_threads()

    @property
    def metadata(self) -> dict[str, str]:
        """The vocabulary."""
        return {"vocabulary": self.run.vocabulary.hash}

    @classmethod
    def start(
        cls,
        settings: RunSettings,
        path: str | Path,
        *,
        train: Text | None = None,
        validation: Text | None = None,
        ranks: Ranks = ALONE,
        jobs: int = 1,
    ) -> "TrainingRun":
        """Prepare the texts and lay out a new run folder.

        In a folder where this was killed, go on with what is read of the texts.

        Args:
            train, validation: texts in place of those that `settings.data` names.
            ranks: the processes that train together; this is the first one, the others `follow`.
            jobs: processes that read large texts.

        Raises:
            WordlabError: where the folder holds something already, or a text cannot be read.
        """
        folder = Path(path)
        if not was_cut_short(folder) or (folder / SETTINGS).exists():
            require_new(folder, f"choose another folder, or go on with: wordlab resume {path}")
        require_memory(needed_bytes(settings, settings.vocabulary.size or 0))
        if train is None:
            if not settings.data.train:
                raise WordlabError("no training text was named", where="data.train")
            train = read_text(settings.data.train)
        if validation is None and settings.data.validation:
            validation = read_text(settings.data.validation)
        with alone_in(folder), filling(folder):
            notes = _lay_out(settings, folder, train, validation, ranks.size, jobs)
            ranks.meet()
            return cls(Run.load(folder), notes, ranks)

    @classmethod
    def resume(cls, path: str | Path, ranks: Ranks = ALONE) -> "TrainingRun":
        """Go on where the last checkpoint stands, or from the start if there is none."""
        folder = Path(path)
        if (folder / MIXTURE).exists():
            raise WordlabError("is a mixture: its members are trained", where=str(path))
        if (folder / SETTINGS).exists() and not (folder / CORPUS).exists():
            raise WordlabError(
                "holds no training text to go on with",
                where=str(path),
                mend="resume the run that it was exported from",
            )
        self = cls(Run.load(path), ranks=ranks)
        self.go_on()
        return self

    def finish(self) -> Run:
        """Open the run anew, with what was trained."""
        return Run.load(self.run.path)


def _lay_out(
    settings: RunSettings,
    folder: Path,
    train: Text,
    validation: Text | None,
    ranks: int,
    jobs: int,
) -> Sequence[str]:
    """Fill a new folder with all but weights; return the notes."""
    others = {}
    if validation is not None:
        layout = settings.data.validation_layout or settings.text.layout
        own = settings.text.model_copy(update={"layout": layout})
        others = {"validation": validation.with_settings(own)}
    corpus = prepare(
        train.with_settings(settings.text),
        others,
        settings.vocabulary,
        folder / CORPUS,
        hold_out=0.0 if validation else settings.data.hold_out,
        seed=settings.training.seed,
        jobs=jobs,
    )
    counts = settings.model.reading.target_counts(corpus.stores["train"], len(corpus.vocabulary))
    settings = settings.model_copy(update={"output": settings.output.fitted(counts)})
    corpus.vocabulary.save(folder / VOCABULARY)
    write_json(
        folder / ENVIRONMENT,
        {
            **describe_environment(),
            **({"threads": None} if ranks == 1 else {}),  # until they are settled
            "ranks": ranks,
            "data": {
                "train": train.name,
                "validation": validation.name if validation else "held out",
                **{name: asdict(store.header) for name, store in corpus.stores.items()},
                "types": corpus.types,
            },
        },
    )
    # Last: a folder with settings is a run folder.
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))
    return corpus.notes(settings.vocabulary)


def train(
    train: TextLike | None = None,
    validation: TextLike | None = None,
    *,
    run: str | Path,
    settings: RunSettings | Mapping[str, Any] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Run:
    """Train a model into a new run folder and return the run.

    Args:
        train: the training text; None for the one that the settings name.
        validation: the text that chooses the best epoch; None for the settings' own, or for some
            held-out sentences of the training text.
        run: the folder to make.
        settings: RunSettings, or a mapping of the same shape as its TOML file, for example
            {"model": {"hidden": [256]}, "training": {"epochs": 5}}.
        on_epoch: called with each finished epoch.
    """
    if not isinstance(settings, RunSettings):
        settings = validate(RunSettings, dict(settings or {}), source="settings")
    texts = [
        source if isinstance(source, Text) or source is None else _as_text(source)
        for source in (train, validation)
    ]
    if isinstance(train, Text) and settings.text == TextSettings():
        settings = settings.model_copy(update={"text": train.settings})
    training = TrainingRun.start(settings, run, train=texts[0], validation=texts[1])
    for epoch in training.epochs():
        if on_epoch is not None:
            on_epoch(epoch)
    return training.finish()


def _as_text(source: str | Path | Sequence[str]) -> Text:
    return read_text(source) if isinstance(source, str | Path) else text_of(source)
