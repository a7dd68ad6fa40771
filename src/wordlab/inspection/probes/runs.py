"""Probes of the networks that a run keeps: which layer shows a property of words, and when."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from wordlab.corpus.labelled.word_labels import WordLabels
from wordlab.errors import WordlabError
from wordlab.inspection.probes.activations import read_words
from wordlab.inspection.probes.probing import (
    MOST_STEPS,
    LayerProbe,
    ProbedWords,
    ProbeSettings,
    probe_layers,
    probed_words,
)
from wordlab.runs.kept_networks import KEPT, KeptNetwork, kept_networks
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table


@dataclass(frozen=True)
class RunProbe:
    """The probes of a run's networks, with what they depend on."""

    run: str
    labels: WordLabels
    words: ProbedWords
    settings: ProbeSettings
    protocol: str
    unknown: float
    """Share of the words that the run does not know."""
    trained_on: float | None
    """Share of the sentences that stand in the run's training text; None: it is not there."""
    notes: tuple[str, ...] = ()
    """What is to be known of the networks, a sentence each."""
    networks: dict[str, str] = field(default_factory=dict)
    """Name of each network -> epochs of its training."""
    found: dict[str, list[LayerProbe]] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """The data and the yardsticks, and a row for each layer."""
        return [self._about(), self._layers()]

    def as_json(self) -> dict[str, Any]:
        """Raw figures."""
        words, settings = self.words, self.settings
        return {
            "run": self.run,
            "property": self.labels.name,
            "classes": list(words.classes),
            "training_words": int((~words.held_out).sum()),
            "held_out_words": int(words.held_out.sum()),
            "unknown_share": self.unknown,
            "trained_on_share": self.trained_on,
            "majority": words.majority,
            "control_majority": words.control_majority(settings),
            "by_form": words.by_form,
            **asdict(settings),
            "layers": [
                {"network": name, "epochs": self.networks[name], **asdict(probe)}
                for name, probes in self.found.items()
                for probe in probes
            ],
        }

    def _about(self) -> Table:
        words, held_out = self.words, self.words.held_out
        control = words.control_majority(self.settings)
        seen = np.isin(words.types[held_out], words.types[~held_out])
        unknown = "probed too" if self.settings.with_unknown else "read but not probed"
        known = self.trained_on
        trained_on = "not known: no training text" if known is None else f"{100 * known:.2f} %"
        sizes = Counter(words.labels.tolist())
        most = [f"{words.classes[c]} {count:,}" for c, count in sizes.most_common(8)]
        more = len(sizes) - len(most)
        pairs = [
            ("property", self.labels.name),
            ("read as", self.labels.how),
            ("classes", f"{', '.join(most)}{f', {more} more' if more else ''}"),
            ("the probe is trained on", words.size(~held_out)),
            ("held out to judge it on", words.size(held_out)),
            ("held-out words whose form it was trained on", f"{100 * seen.mean():.2f} %"),
            ("sentences that the run itself was trained on", trained_on),
            ("words that the run does not know", f"{100 * self.unknown:.2f} %, {unknown}"),
            ("always the probe's most frequent class", f"{100 * words.majority:.2f} % right"),
            ("the same on the control tasks", f"{100 * control:.2f} % right"),
            ("each form's most frequent class", f"{100 * words.by_form:.2f} % right"),
        ]
        return Table.of_pairs(
            f"Probing {self.run}", pairs, note=f"A word is looked at {self.protocol}."
        )

    def _layers(self) -> Table:
        rows = [
            (
                f"{name} ({self.networks[name]})",
                probe.layer,
                probe.width,
                probe.strength,
                probe.accuracy,
                _interval(probe.accuracy_interval),
                probe.control,
                probe.selectivity,
                _interval(probe.selectivity_interval),
            )
            for name, probes in self.found.items()
            for probe in probes
        ]
        return Table.of(
            "Accuracy on held-out sentences",
            (
                "network (epochs)",
                "layer",
                "width",
                Column("C", 3),
                Column("accuracy", 2, percent=True),
                "95 % interval",
                Column("control", 2, percent=True),
                Column("selectivity", 2, percent=True),
                "95 % interval of it",
            ),
            rows,
            note=" ".join(self._notes()),
        )

    def _notes(self) -> list[str]:
        """What stands under the figures, a sentence each."""
        slow = sum(not probe.converged for probes in self.found.values() for probe in probes)
        return [
            *self.notes,
            f"Control: each form has a random label; the mean of {self.settings.controls}.",
            "Intervals: the bootstrap over held-out sentences, for this split and these labels.",
            *([f"{slow} rows had not converged after {MOST_STEPS:,} steps."] if slow else []),
        ]


def probe_run(
    run: Run | TaggerRun,
    labels: WordLabels,
    *,
    networks: Sequence[str] = KEPT,
    settings: ProbeSettings | None = None,
) -> RunProbe:
    """Probe each layer of the networks that a run keeps for a property of words.

    Args:
        networks: of `KEPT`; those that the run does not keep are passed over.

    Raises:
        WordlabError: where the run is no network or keeps none of these, or the labels are too few
            or all alike.
    """
    kept = kept_networks(run)
    chosen = [network for network in kept if network.name in networks]
    if not chosen:
        raise WordlabError(
            "keeps no last network apart from the best one",
            where=str(run.path),
            mend="name another with --network",
        )
    settings = settings or ProbeSettings()
    labels = _drawn(labels, settings)
    read = read_words(run, labels.sentences)
    words = probed_words(labels, read.types, read.unknown, settings)
    found = RunProbe(
        run.name,
        labels,
        words,
        settings,
        read.protocol,
        float(read.unknown.mean()),
        read.trained_on(),
        _notes(run, networks, chosen),
    )
    for network in chosen:
        found.networks[network.name] = network.epochs
        found.found[network.name] = probe_layers(read.layers(network.load()), words, settings)
    return found


def _notes(
    run: Run | TaggerRun, asked: Sequence[str], chosen: Sequence[KeptNetwork]
) -> tuple[str, ...]:
    notes = []
    if len(chosen) < len(set(asked)):
        notes.append("The run keeps no last network apart from the best one.")
    if "untrained" in asked and isinstance(run, TaggerRun) and run.settings.features.vectors:
        notes.append("Training began with other vectors of words than the untrained network has.")
    return tuple(notes)


def _drawn(labels: WordLabels, settings: ProbeSettings) -> WordLabels:
    """So many sentences, drawn at random, as have the words that settings allow, in their order."""
    lengths = np.array([len(words) for words in labels.sentences])
    order = np.random.default_rng([settings.seed, 0]).permutation(len(lengths))
    taken = order[: int(np.searchsorted(np.cumsum(lengths[order]), settings.most_words)) + 1]
    return labels.only(np.sort(taken).tolist())


def _interval(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{100 * low:.2f} to {100 * high:.2f}"
