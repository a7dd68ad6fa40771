"""A language model's run folder without its texts, with weights in fewer bits if so wished."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wordlab.errors import WordlabError
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.language_model import CountModel, LanguageModel
from wordlab.models.narrow_weights import FLOAT32, narrow, require_kind
from wordlab.runs.environment import ENVIRONMENT, describe_environment
from wordlab.runs.files import filling, require_new, write_json, write_tensors
from wordlab.runs.model_files import KIND, MEMBERS, MODEL, SETTINGS, VOCABULARY
from wordlab.runs.run import CORPUS, Run
from wordlab.runs.settings import DataSettings
from wordlab.table import Column, Table


@dataclass(frozen=True)
class Exported:
    """What was exported, and what it costs.

    Attributes:
        run: the new folder.
        weights: how its weights are kept.
        sizes: bytes of the file with the weights, before and after.
        nats: a token of the run's own validation text, before and after; None where that is not at
            hand.
        targets: of that text.
        protocol: how it was read.
    """

    run: Run
    weights: str
    sizes: tuple[int, int]
    nats: tuple[float, float] | None
    targets: int
    protocol: str

    @property
    def cost(self) -> float | None:
        """Nats a token that the weights' rounding adds."""
        return None if self.nats is None else self.nats[1] - self.nats[0]

    def table(self) -> Table:
        """The figures side by side."""
        before, after = self.nats or (None, None)
        note = "The run's validation text is not at hand: what this costs in nats is not known."
        if self.nats is not None:
            note = f"{self.targets:,} targets of the run's validation text: {self.protocol}."
        return Table.of(
            "Exported",
            ("weights", Column("MiB", 2), Column("nats a token", 5), Column("more", 5)),
            [
                ("as they were", self.sizes[0] / 2**20, before, None),
                (self.weights, self.sizes[1] / 2**20, after, self.cost),
            ],
            note=note,
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        before, after = self.nats or (None, None)
        return {
            "run": str(self.run.path),
            "weights": self.weights,
            "bytes_before": self.sizes[0],
            "bytes": self.sizes[1],
            "targets": self.targets,
            "protocol": self.protocol,
            "nats_per_token_before": before,
            "nats_per_token": after,
            "cost_nats_per_token": self.cost,
        }


def export_model(run: Run, path: str | Path, *, weights: str = FLOAT32) -> Exported:
    """Write a run folder that scores and generates as the run does, without its texts.

    It has settings without the names of files, the vocabulary with its counts, and the weights. It
    cannot be resumed.

    Args:
        weights: of `WEIGHTS`.

    Raises:
        WordlabError: where there is no such kind of weights, the model has none, the run has not
            been trained yet, or the folder holds something already.
    """
    require_kind(weights)
    folder = Path(path)
    require_new(folder)
    tensors = _tensors(run, weights)
    before = (run.path / MODEL).stat().st_size
    with filling(folder):
        run.vocabulary.save(folder / VOCABULARY)
        about = {"vocabulary": run.vocabulary.hash}
        if isinstance(run.model, LanguageModel):
            about[KIND] = weights
        write_tensors(folder / MODEL, tensors, about)
        settings = run.settings.model_copy(update={"data": DataSettings()})
        write_json(folder / SETTINGS, settings.model_dump(mode="json"))
        made = _weighed(run, Run.load(folder), weights, before)
        # The command line goes along with no export: it may name files.
        made_with = {k: v for k, v in describe_environment().items() if k != "command"}
        origin = {**made.as_json(), "run": run.name}
        write_json(folder / ENVIRONMENT, {**made_with, "exported": origin})
    return made


def _tensors(run: Run, weights: str) -> dict[str, Tensor]:
    """What the new folder's model consists of."""
    model = run.model
    if isinstance(model, LanguageModel):
        if model.weights_kept not in (FLOAT32, weights):
            raise WordlabError(
                f"has weights of {model.weights_kept} already",
                where=str(run.path),
                mend="export the run that it was made of",
            )
        return narrow(model, weights)
    if not isinstance(model, CountModel):
        raise WordlabError(
            "is a mixture, which is not exported as one",
            where=str(run.path),
            mend=f"export each folder in {run.path / MEMBERS}, and mix those with wordlab mix",
        )
    if weights != FLOAT32:
        raise WordlabError(
            f"a model of type {run.settings.model.type} is counted: it has no weights to be kept "
            f"as {weights}",
            where=str(run.path),
            mend="export it without --weights, or as ARPA: wordlab arpa write",
        )
    return model.tensors()


def _weighed(run: Run, made: Run, weights: str, before: int) -> Exported:
    """Score the run's validation text with both, if it is there."""
    after = (made.path / MODEL).stat().st_size
    if not (run.path / CORPUS / "validation.json").exists():
        return Exported(made, weights, (before, after), None, 0, "")
    store = run.store("validation")
    reading = run.model.reading.between_epochs(run.settings.training.batch)
    one, two = (
        score_tokens(each.model, store, vocabulary=len(run.vocabulary), reading=reading).score()
        for each in (run, made)
    )
    nats = (one.nats_per_token, two.nats_per_token)
    return Exported(made, weights, (before, after), nats, one.targets, reading.protocol)
