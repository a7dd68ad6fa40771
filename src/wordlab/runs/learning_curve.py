"""A tagger's learning curve: its settings trained anew on parts of its own training text."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordlab.chart import Axis, Chart
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.labelled.splitting import nested
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.evaluation import TaggingEvaluation
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.tagger_run import CALIBRATION, TaggerRun
from wordlab.runs.tagger_training import TaggerTraining
from wordlab.table import Column, Table

CURVE = "curve"
PARTS = {"quarter": 0.25, "half": 0.5}
"""What is trained beside the run itself, and in which folder of `CURVE`."""


@dataclass(frozen=True)
class CurvePoint:
    """A training on some of the text.

    Attributes:
        part: its name: a key of `PARTS`, or "all".
        run: its folder.
        sentences, entities: of its training text.
        seconds: of training.
        evaluation: on the text that all are scored on.
    """

    part: str
    run: Path
    sentences: int
    entities: int
    seconds: float
    evaluation: TaggingEvaluation

    @classmethod
    def of(
        cls, part: str, run: TaggerRun, sentences: Sequence[LabelledSentence], name: str
    ) -> "CurvePoint":
        """Score a finished training."""
        train = run.sentences("train")
        return cls(
            part,
            run.path,
            len(train),
            sum(len(sentence.spans) for sentence in train),
            sum(epoch.seconds for epoch in run.history),
            run.evaluate_sentences(sentences, name),
        )


@dataclass(frozen=True)
class LearningCurve:
    """How the F1 of a text grows with the training text.

    Attributes:
        points: from the smallest part to all.
        drawn: what the parts are whole of: "document" or "sentence".
        seed: that they were drawn with.
    """

    points: tuple[CurvePoint, ...]
    drawn: str
    seed: int

    @property
    def note(self) -> str:
        """The protocol."""
        scored = self.points[-1].evaluation
        return (
            f"Entities of {scored.text}, {len(scored.entities):,} sentences, strict; 95 % "
            f"intervals, bootstrap over its sentences. The parts are whole {self.drawn}s drawn "
            f"with seed {self.seed}, the quarter out of the half, each trained once with the "
            "run's settings and validation text: for as many epochs, so in fewer steps. Another "
            "seed moves the F1, too."
        )

    def table(self) -> Table:
        """A row for each part."""
        shares = [
            Column(name, 2, percent=True) for name in ("F1", "from", "to", "precision", "recall")
        ]
        head = ("training text", "sentences", "entities")
        rows = []
        for point in self.points:
            total, (low, high) = point.evaluation.total, point.evaluation.interval
            scores = (total.f1, low, high, total.precision, total.recall)
            rows.append((point.part, point.sentences, point.entities, *scores, point.seconds))
        return Table.of(
            "Learning curve", (*head, *shares, Column("seconds", 1)), rows, note=self.note
        )

    def chart(self) -> Chart:
        """F1 against sentences, with its intervals."""
        return Chart(
            title="Learning curve",
            mark="line",
            data=self.table(),
            x=Axis("sentences", "sentences of training", log=True),
            y=Axis("F1", "F1 of entities"),
            low="from",
            high="to",
            description="F1 of entities against the number of training sentences; bars are 95 % "
            "intervals.",
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        points = []
        for point in self.points:
            total, (low, high) = point.evaluation.total, point.evaluation.interval
            scores = {
                "entity_f1": total.f1,
                "entity_f1_low": low,
                "entity_f1_high": high,
                "entity_precision": total.precision,
                "entity_recall": total.recall,
            }
            about = {"sentences": point.sentences, "entities": point.entities}
            own = {"seconds": point.seconds, "run": str(point.run)}
            points.append({"part": point.part, **about, **scores, **own})
        text = self.points[-1].evaluation.text
        return {"text": text, "drawn": self.drawn, "seed": self.seed, "curve": points}


def learning_curve(
    run: TaggerRun,
    sentences: Sequence[LabelledSentence],
    name: str,
    *,
    train: Callable[[TaggerTraining], TaggerRun] | None = None,
) -> LearningCurve:
    """Train a run's settings on a quarter and on half of its training text, and score all three.

    The trainings are kept in the run's folder: finished ones are not repeated, one that was cut
    off is resumed.

    Args:
        sentences: what is scored.
        name: of that text.
        train: takes a training to its end, which may show how it goes.

    Raises:
        WordlabError: where the run is not finished, its training text is not in its folder, or
            what is kept there is not of this run.
    """
    if not (run.path / CALIBRATION).exists():
        raise WordlabError(
            "its training is not finished, so smaller ones cannot be held against it",
            where=str(run.path),
            mend=f"let it end: wordlab resume {run.path}",
        )
    whole = CurvePoint.of("all", run, sentences, name)
    seed = run.settings.training.seed
    parts, drawn = nested(run.sentences("train"), list(PARTS.values()), seed=seed)
    points = [
        CurvePoint.of(part, _trained(run, part, text, train or _to_the_end), sentences, name)
        for part, text in zip(PARTS, parts, strict=True)
    ]
    return LearningCurve((*points, whole), drawn, seed)


def _to_the_end(training: TaggerTraining) -> TaggerRun:
    for _ in training.epochs():
        pass
    return training.finish()


def _trained(
    run: TaggerRun,
    part: str,
    text: list[LabelledSentence],
    train: Callable[[TaggerTraining], TaggerRun],
) -> TaggerRun:
    """The run of a part: as it is kept, or trained now."""
    folder, validation = run.path / CURVE / part, run.sentences("validation")
    if not (folder / SETTINGS).exists():
        shutil.rmtree(folder, ignore_errors=True)  # killed before its texts were laid out
        return train(TaggerTraining.start(run.settings, folder, train=text, validation=validation))
    kept = TaggerRun.load(folder)
    texts = kept.sentences("train"), kept.sentences("validation")
    if kept.settings != run.settings or texts != (text, validation):
        raise WordlabError(
            "was trained with other settings or texts than the run",
            where=str(folder),
            mend="delete it, and it is trained anew",
        )
    return kept if (folder / CALIBRATION).exists() else train(TaggerTraining.resume(folder))
