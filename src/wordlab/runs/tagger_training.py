"""Training a tagger into a run folder: start, checkpoint, resume."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordlab.batching.tagging import TagStore
from wordlab.config import validate
from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.lexicon import WORD, Lexicon
from wordlab.corpus.labelled.spans import LabelledSentence
from wordlab.corpus.labelled.splitting import split
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.corpus.word_vectors import WordVectors, read_vectors
from wordlab.errors import WordlabError
from wordlab.evaluation.tagging.calibration import fit_temperature
from wordlab.runs.environment import ENVIRONMENT, describe_environment
from wordlab.runs.files import filling, require_new, write_json, write_tensors, write_whole
from wordlab.runs.kept_training import KeptTraining
from wordlab.runs.model_files import SETTINGS
from wordlab.runs.preflight import require_memory, tagger_bytes
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import (
    CALIBRATION,
    CORPUS,
    LEXICON,
    VECTORS,
    TaggerRun,
    fresh_tagger,
    sentence_lines,
    write_lexicon,
)
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.training.progress import Epoch
from wordlab.training.tagging import Tagging
from wordlab.training.together.ranks import ALONE, Ranks
from wordlab.training.trainer import Trainer


class TaggerTraining(KeptTraining[TaggerRun]):
    """A tagger that is being trained, with its folder kept up to date.

    Make one with `start` or `resume`, and go through `epochs()`.
    """

    def __init__(
        self,
        run: TaggerRun,
        vectors: Tensor | None,
        notes: Sequence[str] = (),
        ranks: Ranks = ALONE,
    ) -> None:
        self.run = run
        self.ranks = ranks
        self.path = run.path
        self.notes = tuple(notes)
        self.settings = run.settings.training
        self.needed = tagger_bytes(run.settings, run.lexicon, run.tag_set, vectors)
        require_memory(self.needed)
        model = fresh_tagger(run.settings, run.lexicon, run.tag_set, vectors)
        self.train, self.validation = run.sentences("train"), run.sentences("validation")
        types = {span.type for sentence in self.train for span in sentence.spans}
        if not types <= set(run.tag_set.types):
            raise WordlabError("lacks types of the run's own text", where=str(run.path / LEXICON))
        known = _known_types(self.validation, run.tag_set)
        self._validation = TagStore.of_labelled(known, run.lexicon, run.tag_set)
        task = Tagging(
            model,
            TagStore.of_labelled(self.train, run.lexicon, run.tag_set),
            self._validation,
            [sentence.spans for sentence in self.validation],
            run.tag_set,
            run.settings.model.drawn_radius,
        )
        self.trainer: Trainer = Trainer(task, self.settings, ranks)
        self.settle_threads()

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """The lexicon."""
        data = (self.path / LEXICON).read_bytes()
        return {"lexicon": hashlib.sha256(data).hexdigest()[:16]}

    @classmethod
    def start(
        cls,
        settings: TaggerRunSettings,
        path: str | Path,
        *,
        train: Sequence[LabelledSentence] | None = None,
        validation: Sequence[LabelledSentence] | None = None,
        ranks: Ranks = ALONE,
    ) -> "TaggerTraining":
        """Read the texts and lay out a new run folder.

        Args:
            train, validation: sentences in place of the files that `settings.data` names.
            ranks: the processes that train together; this is the first one, the others `follow`.

        Raises:
            WordlabError: where the folder holds something already, or a text cannot be read or
                learned from.
        """
        folder = Path(path)
        require_new(folder, f"choose another folder, or go on with: wordlab resume {path}")
        if settings.training.curriculum:
            raise WordlabError("is of language models", where="training.curriculum")
        if train is None:
            if not settings.data.train:
                raise WordlabError("no training text was named", where="data.train")
            train = read_labelled(settings.data.train, settings.labelled)
        if validation is None and settings.data.validation:
            validation = read_labelled(settings.data.validation, settings.labelled)
        notes = []
        if validation is None:
            train, validation, by = _held_out(train, settings)
            notes.append(f"{len(validation):,} sentences are held out by {by} for validation")
        vectors = _vectors(settings.features.vectors)
        with filling(folder):
            matrix = _lay_out(settings, folder, train, validation, vectors, notes, ranks.size)
            ranks.meet()
            return cls(TaggerRun.load(folder), matrix, notes, ranks)

    @classmethod
    def resume(cls, path: str | Path, ranks: Ranks = ALONE) -> "TaggerTraining":
        """Go on where the last checkpoint stands, or from the start if there is none."""
        run = TaggerRun.load(path)
        if not (run.path / CORPUS).exists():
            raise WordlabError(
                "holds no training text to go on with",
                where=str(path),
                mend="resume the folder that it was copied or exported from",
            )
        self = cls(run, run.vectors(), ranks=ranks)
        self.go_on()
        return self

    def finish(self) -> TaggerRun:
        """Open the run anew, with what was trained and probabilities fitted to validation."""
        run = TaggerRun.load(self.path)
        temperature = fit_temperature(run.model, self._validation)
        write_json(self.path / CALIBRATION, {"temperature": temperature})
        run.model.output.temperature = temperature
        return run


def _lay_out(
    settings: TaggerRunSettings,
    folder: Path,
    train: Sequence[LabelledSentence],
    validation: Sequence[LabelledSentence],
    vectors: WordVectors | None,
    notes: list[str],
    ranks: int,
) -> Tensor | None:
    """Fill a new folder with all but weights; add to the notes, return the vectors."""
    types = tuple(sorted({span.type for sentence in train for span in sentence.spans}))
    if not types:
        raise WordlabError(
            "there is no entity in the training text",
            where=", ".join(settings.data.train),
            mend="give labelled sentences with entities",
        )
    new = {span.type for sentence in validation for span in sentence.spans} - set(types)
    if new:
        notes.append(f"types never seen in training cannot be found: {', '.join(sorted(new))}")
    features = settings.features
    lexicon = Lexicon.of_words(
        (word for sentence in train for word in sentence.words),
        form=features.form,
        features=list(features.names),
        letters=bool(features.letters),
        min_count=features.min_count,
        min_feature_count=features.min_feature_count,
        known=vectors.words if vectors else (),
    )
    tags = TagSet(settings.scheme, types)
    write_lexicon(folder, lexicon, tags)
    (folder / CORPUS).mkdir()
    prints = {}
    for name, text in (("train", train), ("validation", validation)):
        lines = "".join(sentence_lines(text)).encode()
        write_whole(folder / CORPUS / f"{name}.jsonl", lines)
        prints[name] = {"sentences": len(text), "sha256": hashlib.sha256(lines).hexdigest()}
    matrix = None
    if vectors is not None:
        matrix = _begun(folder, lexicon, vectors)
        notes += vectors.notes
        notes += [_coverage(lexicon, vectors, train, validation)]
    write_json(
        folder / ENVIRONMENT,
        {
            **describe_environment(),
            **({"threads": None} if ranks == 1 else {}),  # until they are settled
            "ranks": ranks,
            "data": {
                "train": {"files": settings.data.train, **prints["train"]},
                "validation": {
                    "files": settings.data.validation or "held out",
                    **prints["validation"],
                },
            },
        },
    )
    # Last: a folder with settings is a run folder.
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))
    return matrix


def _known_types(sentences: Sequence[LabelledSentence], tags: TagSet) -> list[LabelledSentence]:
    """Sentences without the entities whose types no tag is for; they count in the F1 only."""
    return [
        LabelledSentence(
            sentence.words,
            tuple(span for span in sentence.spans if span.type in tags.types),
            sentence.line,
            sentence.document,
        )
        for sentence in sentences
    ]


def _held_out(
    train: Sequence[LabelledSentence], settings: TaggerRunSettings
) -> tuple[list[LabelledSentence], list[LabelledSentence], str]:
    share = settings.data.hold_out
    by = "document" if len({sentence.document for sentence in train}) >= 5 else "sentence"
    first, second = split(train, [1 - share, share], by=by, seed=settings.training.seed)
    return first, second, by


def _vectors(source: str) -> WordVectors | None:
    """Pretrained vectors: a file's, a package's, or those of a language model's run."""
    if not source:
        return None
    if (Path(source) / SETTINGS).exists():
        run = Run.load(source)
        return WordVectors(source, run.vocabulary.words, run.word_vectors())
    return read_vectors(source)


def _begun(folder: Path, lexicon: Lexicon, vectors: WordVectors) -> Tensor:
    """The vectors of the lexicon's words; those of words beyond training go into the folder.

    These are kept in half precision, and rounded so from the beginning.
    """
    further = torch.from_numpy(vectors.of(lexicon.further)).half()
    write_tensors(folder / VECTORS, {"further": further}, {"source": vectors.source})
    own = torch.from_numpy(vectors.of(lexicon.columns[WORD]))
    return torch.cat([own, further.float()])


def _coverage(
    lexicon: Lexicon,
    vectors: WordVectors,
    train: Sequence[LabelledSentence],
    validation: Sequence[LabelledSentence],
) -> str:
    """What share of the words of each text has a pretrained vector."""
    form, rows = WORD_FORMS[lexicon.form], vectors.rows
    shares = []
    for text in (train, validation):
        words = [word for sentence in text for word in sentence.words]
        covered = sum(form(word, rows) in rows for word in words)
        shares.append(f"{100 * covered / max(len(words), 1):.1f} %")
    return f"{vectors.source} has vectors for {shares[0]} of training, {shares[1]} of validation"


def train_tagger(
    train: Sequence[LabelledSentence] | None = None,
    validation: Sequence[LabelledSentence] | None = None,
    *,
    run: str | Path,
    settings: TaggerRunSettings | Mapping[str, Any] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TaggerRun:
    """Train a tagger into a new run folder and return the run.

    Args:
        train, validation: sentences; None for the files that the settings name.
        run: the folder to make.
        settings: TaggerRunSettings, or a mapping of the same shape as its TOML file.
        on_epoch: called with each finished epoch.
    """
    if not isinstance(settings, TaggerRunSettings):
        settings = validate(TaggerRunSettings, dict(settings or {}), source="settings")
    training = TaggerTraining.start(settings, run, train=train, validation=validation)
    for epoch in training.epochs():
        if on_epoch is not None:
            on_epoch(epoch)
    return training.finish()
