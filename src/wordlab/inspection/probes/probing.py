"""Linear probes: is a property of words linearly readable from a layer?

A logistic regression reads labels from frozen activations, and is held against the same
regression on a control task: each word form has a label drawn at random from the property's own
distribution (Hewitt and Liang 2019). Accuracy says what can be read; selectivity, accuracy less
that of the control, how much of it is not just the form known by heart.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordlab.corpus.labelled.word_labels import WordLabels
from wordlab.errors import WordlabError
from wordlab.evaluation.intervals import drawn_means, percentile_interval
from wordlab.inspection.probes.activations import Layers

FEWEST_SENTENCES = 20
MOST_CLASSES = 200
"""More are hardly a property of words, and take hours."""
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""What C is chosen from; the penalty on the weights is their squares over 2 C."""
MOST_STEPS = 1000
RESAMPLES = 1000

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class ProbeSettings:
    """How a probe is trained and judged.

    Attributes:
        hold_out: share of the sentences that it is judged on.
        controls: control tasks, each with labels drawn anew; their mean counts.
        strength: C; None: chosen from `STRENGTHS`, on a quarter of the training sentences.
        with_unknown: train on and judge words that the run does not know too.
        most_words: sentences are drawn until they have so many.
        seed: of all that is drawn.
    """

    hold_out: float = 0.25
    controls: int = 3
    strength: float | None = None
    with_unknown: bool = False
    most_words: int = 10_000
    seed: int = 1


@dataclass(frozen=True)
class ProbedWords:
    """The words that probes are trained and judged on.

    Attributes:
        labels: numbers of the property's classes. [N]
        types: numbers of the words' forms. [N]
        sentences: number of each word's sentence. [N]
        part: 0 in training, 1 where C is chosen on it, 2 held out. [N]
        probed: which of the text's words these are. [M], N of them
        classes: their names.
    """

    labels: Ids
    types: Ids
    sentences: Ids
    part: Ids
    probed: NDArray[np.bool_]
    classes: tuple[str, ...]

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Which words are held out. [N]"""
        return np.equal(self.part, 2)

    def size(self, chosen: NDArray[np.bool_]) -> str:
        """How many some of the words are, and of how many sentences, in words."""
        sentences = len(np.unique(self.sentences[chosen]))
        return f"{int(chosen.sum()):,} words in {sentences:,} sentences"

    @property
    def majority(self) -> float:
        """Accuracy of always saying the class that training has most."""
        most = np.bincount(self.labels[~self.held_out]).argmax()
        return float((self.labels[self.held_out] == most).mean())

    def control_majority(self, settings: ProbeSettings) -> float:
        """The same on the control tasks, their mean."""
        controls = [self.control(number, settings.seed) for number in range(settings.controls)]
        return float(np.mean([replace(self, labels=labels).majority for labels in controls]))

    @property
    def by_form(self) -> float:
        """Accuracy of saying what each form was most in training, else the class of most words."""
        train = ~self.held_out
        counts = np.zeros((int(self.types.max()) + 1, len(self.classes)), dtype=np.int64)
        np.add.at(counts, (self.types[train], self.labels[train]), 1)
        said = counts.argmax(axis=1)
        said[counts.sum(axis=1) == 0] = np.bincount(self.labels[train]).argmax()
        return float((said[self.types] == self.labels)[self.held_out].mean())

    def control(self, number: int, seed: int) -> Ids:
        """Labels that depend on a word's form alone, drawn as training has the classes. [N]"""
        draw = np.random.default_rng([seed, number])
        shares = np.bincount(self.labels[~self.held_out], minlength=len(self.classes))
        drawn = draw.choice(
            len(self.classes), size=int(self.types.max()) + 1, p=shares / shares.sum()
        )
        return np.asarray(drawn[self.types], dtype=np.int64)


@dataclass(frozen=True)
class LayerProbe:
    """What could be read from a layer, on held-out sentences.

    Attributes:
        width: numbers that the probe reads.
        strength: C of its penalty.
        accuracy, control, selectivity: the control's is the mean over the control tasks.
        accuracy_interval, selectivity_interval: 95 %, by the bootstrap over sentences.
        controls: accuracy on each control task.
        converged: whether each training came to its end in MOST_STEPS.
    """

    layer: str
    width: int
    strength: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    control: float
    selectivity: float
    selectivity_interval: tuple[float, float]
    controls: tuple[float, ...]
    converged: bool


def probed_words(
    labels: WordLabels, types: Ids, unknown: NDArray[np.bool_], settings: ProbeSettings
) -> ProbedWords:
    """Number the labels, and part the sentences; equal ones stand in one part.

    Args:
        types: number of each word's form. [M]
        unknown: which words the run does not know. [M]

    Raises:
        WordlabError: where the sentences are too few or the classes too many, or a part has no word
            or one class alone.
    """
    if len(set(labels.sentences)) < FEWEST_SENTENCES:
        raise WordlabError(
            f"{len(set(labels.sentences))} different sentences are too few to hold some out",
            where=labels.name,
            mend=f"give at least {FEWEST_SENTENCES}, with blank lines between in a file",
        )
    every = [label for row in labels.labels for label in row]
    classes = tuple(sorted(set(every)))
    if len(classes) > MOST_CLASSES:
        raise WordlabError(
            f"{len(classes):,} classes are more than {MOST_CLASSES}",
            where=labels.name,
            mend="name the column of the labels with --label-column, or merge some",
        )
    number = {name: at for at, name in enumerate(classes)}
    lengths = [len(words) for words in labels.sentences]
    probed = np.ones_like(unknown) if settings.with_unknown else ~unknown
    words = ProbedWords(
        np.array([number[label] for label in every], dtype=np.int64)[probed],
        np.unique(types[probed], return_inverse=True)[1],
        np.repeat(np.arange(len(lengths)), lengths)[probed],
        np.repeat(_parts(labels, settings), lengths)[probed],
        probed,
        classes,
    )
    if len(np.unique(words.part)) < 3:
        raise WordlabError(
            f"the run knows only {len(words.part):,} of the {len(every):,} words",
            where=labels.name,
            mend="give a text of its words, or probe all words with --with-unknown",
        )
    trained = np.unique(words.labels[words.part == 0]).tolist()
    if len(trained) < 2:
        raise WordlabError(
            f"the words to train on have one class alone: {classes[trained[0]]}",
            where=labels.name,
            mend="give labels of two classes or more",
        )
    return words


def _parts(labels: WordLabels, settings: ProbeSettings) -> Ids:
    """The part of each sentence: 0 to train on, 1 to choose C on, 2 held out. [S]"""
    distinct = {words: at for at, words in enumerate(dict.fromkeys(labels.sentences))}
    order = np.random.default_rng([settings.seed, 1]).permutation(len(distinct))
    held_out = max(1, round(settings.hold_out * len(order)))
    choose = max(1, round((len(order) - held_out) / 4))
    part = np.zeros(len(order), dtype=np.int64)
    part[order[:held_out]] = 2
    part[order[held_out : held_out + choose]] = 1
    return part[[distinct[words] for words in labels.sentences]]


def probe_layers(layers: Layers, words: ProbedWords, settings: ProbeSettings) -> list[LayerProbe]:
    """Train and judge a probe on each layer.

    Args:
        layers: what each makes of each word of the text. name -> [M, D]
    """
    return [_probe(name, units[words.probed], words, settings) for name, units in layers.items()]


def _probe(
    name: str, units: NDArray[np.float32], words: ProbedWords, settings: ProbeSettings
) -> LayerProbe:
    """One layer: the property, and the control tasks with the same C."""
    held_out = words.held_out
    x = _scaled(units, ~held_out)
    strength, converged = _strength(x, words, settings)
    right, ended = _right(x, words.labels, ~held_out, strength)
    converged &= ended
    controls = []
    for number in range(settings.controls):
        labels = words.control(number, settings.seed)
        on_control, ended = _right(x, labels, ~held_out, strength)
        controls.append(on_control[held_out])
        converged &= ended
    accuracies = np.stack([right[held_out], np.mean(controls, axis=0)], axis=1)
    drawn = _drawn_accuracies(accuracies, words.sentences[held_out], settings.seed)
    accuracy, control = accuracies.mean(axis=0).tolist()
    return LayerProbe(
        layer=name,
        width=units.shape[1],
        strength=strength,
        accuracy=accuracy,
        accuracy_interval=percentile_interval(drawn[:, 0]),
        control=control,
        selectivity=accuracy - control,
        selectivity_interval=percentile_interval(drawn[:, 0] - drawn[:, 1]),
        controls=tuple(float(each.mean()) for each in controls),
        converged=converged,
    )


def _scaled(units: NDArray[np.float32], train: NDArray[np.bool_]) -> Values:
    """Columns of mean 0 and deviation 1 in training; one that is always the same is 0."""
    x = units.astype(np.float64)
    x -= x[train].mean(axis=0)
    deviation = x[train].std(axis=0)
    x /= np.where(deviation > 1e-9, deviation, np.inf)
    return x


def _strength(x: Values, words: ProbedWords, settings: ProbeSettings) -> tuple[float, bool]:
    """C: as told, or the best on training sentences set aside; the smallest at a tie."""
    if settings.strength is not None:
        return settings.strength, True
    accuracies, converged = [], True
    for strength in STRENGTHS:
        right, ended = _right(x, words.labels, words.part == 0, strength)
        accuracies.append(float(right[words.part == 1].mean()))
        converged &= ended
    return STRENGTHS[int(np.argmax(accuracies))], converged


def _right(
    x: Values, labels: Ids, train: NDArray[np.bool_], strength: float
) -> tuple[Values, bool]:
    """Train on some rows: 1 where a row is rightly read, else 0; and whether training ended. [N]"""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels[train])) < 2:  # a control may draw one class alone
        return (labels == labels[train][0]).astype(np.float64), True
    regression = LogisticRegression(C=strength, max_iter=MOST_STEPS, tol=1e-3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        regression.fit(x[train], labels[train])
    ended = not any(issubclass(each.category, ConvergenceWarning) for each in told)
    return (regression.predict(x) == labels).astype(np.float64), ended


def _drawn_accuracies(right: Values, sentences: Ids, seed: int) -> Values:
    """Accuracies when held-out sentences are drawn anew, with one draw for all. [resamples, K]"""
    _, numbers = np.unique(sentences, return_inverse=True)
    ones = np.ones_like(right)
    totals, counts = (_added_up(table, numbers) for table in (right, ones))
    return drawn_means(totals, counts, resamples=RESAMPLES, seed=seed)


def _added_up(table: Values, numbers: Ids) -> Values:
    """The rows of each number added up. [N, K] -> [S, K]"""
    sums = np.zeros((int(numbers.max()) + 1, table.shape[1]))
    np.add.at(sums, numbers, table)
    return sums
