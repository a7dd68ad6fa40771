"""Training into a run folder: start, checkpoint, resume."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordlab.config import validate
from wordlab.corpus.preparation import prepare
from wordlab.corpus.text import Text, TextSettings, read_text, text_of
from wordlab.errors import WordlabError
from wordlab.models.language_model import CountSettings
from wordlab.runs.environment import describe_environment
from wordlab.runs.files import read_tensors, require_new, write_json, write_tensors, write_whole
from wordlab.runs.model_files import MIXTURE, MODEL, SETTINGS, VOCABULARY, fresh_network
from wordlab.runs.preflight import require_memory
from wordlab.runs.run import CHECKPOINT, CORPUS, ENVIRONMENT, HISTORY, Run, TextLike
from wordlab.runs.settings import RunSettings
from wordlab.training.counting import CountTrainer
from wordlab.training.progress import Epoch, Progress, Step
from wordlab.training.trainer import Trainer


class TrainingRun:
    """A run that is being trained, with its folder kept up to date.

    Make one with `start` or `resume`, and go through `epochs()`.
    """

    def __init__(self, run: Run, notes: Sequence[str] = ()) -> None:
        self.run = run
        self.notes = tuple(notes)
        threads = run.settings.training.threads
        if threads is not None:
            torch.set_num_threads(threads)
        require_memory(run.settings, len(run.vocabulary))
        texts = run.store("train"), run.store("validation")
        settings, types = run.settings, len(run.vocabulary)
        self.trainer = (
            CountTrainer(settings.model, *texts, settings.training, types)
            if isinstance(settings.model, CountSettings)
            else Trainer(fresh_network(settings, run.vocabulary), *texts, settings.training, types)
        )
        self._saved = time.monotonic()

    @classmethod
    def start(
        cls,
        settings: RunSettings,
        path: str | Path,
        *,
        train: Text | None = None,
        validation: Text | None = None,
    ) -> "TrainingRun":
        """Prepare the texts and lay out a new run folder.

        Args:
            train, validation: texts in place of those that `settings.data` names.

        Raises:
            WordlabError: where the folder holds something already, or a text cannot be read.
        """
        folder = Path(path)
        require_new(folder, f"choose another folder, or go on with: wordlab resume {path}")
        require_memory(settings, settings.vocabulary.size or 0)
        if train is None:
            if not settings.data.train:
                raise WordlabError("no training text was named", where="data.train")
            train = read_text(settings.data.train)
        if validation is None and settings.data.validation:
            validation = read_text(settings.data.validation)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WordlabError(error.strerror or str(error), where=str(path)) from None
        try:
            return cls._laid_out(settings, folder, train, validation)
        except BaseException:  # leave no half-made folder in the way of the next try
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def _laid_out(
        cls, settings: RunSettings, folder: Path, train: Text, validation: Text | None
    ) -> "TrainingRun":
        """Fill a new folder with all but weights."""
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
        )
        corpus.vocabulary.save(folder / VOCABULARY)
        write_json(
            folder / ENVIRONMENT,
            {
                **describe_environment(),
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
        return cls(Run.load(folder), corpus.notes(settings.vocabulary))

    @classmethod
    def resume(cls, path: str | Path) -> "TrainingRun":
        """Go on where the last checkpoint stands, or from the start if there is none."""
        folder = Path(path)
        if (folder / MIXTURE).exists():
            raise WordlabError("is a mixture: its members are trained", where=str(path))
        self = cls(Run.load(path))
        if (folder / CHECKPOINT).exists():
            self._restore(folder / CHECKPOINT, folder / MODEL)
        elif (folder / MODEL).exists():
            raise WordlabError(
                f"has trained weights but no {CHECKPOINT} to go on from", where=str(folder)
            )
        return self

    def _restore(self, checkpoint: Path, model: Path) -> None:
        """Take back the state of the checkpoint; the best weights are those of the model file."""
        tensors, metadata = read_tensors(checkpoint)
        if metadata.get("vocabulary") != self.run.vocabulary.hash:
            raise WordlabError("belongs to another vocabulary", where=str(checkpoint))
        try:
            progress = Progress.from_json(json.loads(metadata["progress"]))
        except (KeyError, TypeError, ValueError):
            raise WordlabError("is no checkpoint of training", where=str(checkpoint)) from None
        best: dict[str, Tensor] = {}
        if progress.best is not None:
            best, about = read_tensors(model)
            if int(about.get("epoch", "0")) < progress.best.epoch:
                raise WordlabError(
                    f"is of epoch {about.get('epoch')}, but the best so far was epoch "
                    f"{progress.best.epoch}",
                    where=str(model),
                    mend="copy the run folder again, while nothing is written to it",
                )
        try:
            self.trainer.restore(tensors, progress, best)
        except (RuntimeError, KeyError, ValueError) as error:
            raise WordlabError(
                f"does not fit the folder's settings ({str(error).splitlines()[-1].strip()})",
                where=str(checkpoint),
                mend="put back the settings.json that the run was trained with",
            ) from None

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[Epoch]:
        """Train and yield each epoch when its weights and history are on disk."""
        settings = self.run.settings.training

        def step(report: Step) -> None:
            if on_step is not None:
                on_step(report)
            due = time.monotonic() - self._saved >= settings.checkpoint_seconds
            if due or self.trainer.stopped:
                self.save_checkpoint()

        for epoch in self.trainer.epochs(step):
            if epoch.best:
                about = {**self._metadata(), "epoch": str(epoch.epoch)}
                write_tensors(self.run.path / MODEL, self.trainer.best_weights(), about)
            self._save_history()
            self.save_checkpoint()
            yield epoch

    def save_checkpoint(self) -> None:
        """Write all that resuming needs, as one file that replaces the last."""
        progress = json.dumps(self.trainer.progress.as_json())
        write_tensors(
            self.run.path / CHECKPOINT,
            self.trainer.tensors(),
            {**self._metadata(), "progress": progress},
        )
        self._saved = time.monotonic()

    def _save_history(self) -> None:
        rows = (json.dumps(asdict(row)) + "\n" for row in self.trainer.progress.history)
        write_whole(self.run.path / HISTORY, "".join(rows).encode())

    def _metadata(self) -> dict[str, str]:
        return {"vocabulary": self.run.vocabulary.hash}

    def finish(self) -> Run:
        """Open the run anew, with what was trained."""
        return Run.load(self.run.path)


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
