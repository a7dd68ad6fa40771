"""An exported tagger in onnxruntime beside wordlab: the same scores, and words a second.

    python benchmarks/onnx_network.py RUN FILE [--sentences 2000] [--rounds 3] [--json]

RUN is a tagger's run folder, FILE labelled sentences. One thread each, in turn. "network" is from
the numbers of words to scores of tags; "whole" from words to tags, nothing known beforehand.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from wordlab.batching.tagging import TagStore
from wordlab.corpus.labelled.lexicon import END
from wordlab.corpus.labelled.release import released
from wordlab.evaluation.tagging.reading import BATCH_WORDS, read_store
from wordlab.models.taggers.chains import best_paths
from wordlab.models.taggers.outputs import ScoredTags
from wordlab.rendering.tables import as_text
from wordlab.runs.export.onnx_file import export_onnx
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table

BATCH = 64
Words = Sequence[Sequence[str]]
Scores = list[NDArray[np.float32]]


class Exported:
    """A run in onnxruntime, with one thread."""

    def __init__(self, run: TaggerRun, folder: Path) -> None:
        about = export_onnx(run, folder / "net.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        # The values of an export are in another order than the run's own.
        self.lexicon, _ = released(run.lexicon, hashed=False)
        self.session = onnxruntime.InferenceSession(about.with_suffix(".onnx"), options)
        data = json.loads(about.read_text())
        self.transitions = [np.array(data[name]) for name in ("links", "begins", "ends")]

    def inputs(self, store: TagStore, sentences: Sequence[int]) -> dict[str, NDArray[np.int64]]:
        """Padded sentences of a store."""
        longest = max(store.lengths[sentences])
        rows = np.full((len(sentences), longest), END, dtype=np.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            words = store.words[store.begins[sentence] : store.begins[sentence + 1]]
            row[: len(words)] = words
        given = {"features": store.table.columns.numpy()[rows]}
        if store.table.letters is not None:
            letters = store.table.letters.numpy()[rows].astype(np.int64)
            given["letters"] = letters[..., : int((letters >= 0).sum(axis=2).max())]
        return given

    def network(self, store: TagStore, at_once: int) -> Scores:
        """The scores of each sentence, so many at a time, of about one length."""
        by_length = np.argsort(-store.lengths, kind="stable").tolist()
        found: Scores = [np.empty((0, 0), dtype=np.float32)] * len(by_length)
        for first in range(0, len(by_length), at_once):
            sentences = by_length[first : first + at_once]
            (scores,) = self.session.run(None, self.inputs(store, sentences))
            for sentence, rows in zip(sentences, scores, strict=True):
                found[sentence] = rows[: store.lengths[sentence]]
        return found

    def whole(self, sentences: Words, at_once: int) -> NDArray[np.int64]:
        """The tags of all words."""
        store = TagStore.of(sentences, self.lexicon)
        paths = [
            best_paths(scores.astype(np.float64), *self.transitions, [1] * len(scores))
            for scores in self.network(store, at_once)
        ]
        return np.concatenate(paths)


@torch.no_grad()
def own_network(run: TaggerRun, store: TagStore) -> Scores:
    """The scores of each sentence by PyTorch, as `read_store` works them out."""
    model, output = run.model, run.model.output
    assert isinstance(output, ScoredTags)
    prepared = torch.cat(list(model.prepare(store.table)))
    found: Scores = [np.empty((0, 0), dtype=np.float32)] * len(store.lengths)
    for batch in store.batches(BATCH_WORDS):
        scores = output.scores(model.encoder(prepared, batch.padded(), batch)).numpy()
        ends = np.cumsum(batch.packing.lengths)[:-1]
        for sentence, rows in zip(
            batch.sentences, np.split(scores[batch.packing.in_turn], ends), strict=True
        ):
            found[sentence] = rows
    return found


def own_whole(run: TaggerRun, sentences: Words) -> NDArray[np.int64]:
    """The tags of all words."""
    store = TagStore.of(sentences, run.lexicon)
    return read_store(run.model, store, run.tag_set, probabilities=False).tags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("file")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = TaggerRun.load(options.run)
    sentences = [s.words for s in run.read([options.file])[: options.sentences]]
    with tempfile.TemporaryDirectory() as folder:
        exported = Exported(run, Path(folder))
    own, theirs = (TagStore.of(sentences, lexicon) for lexicon in (run.lexicon, exported.lexicon))
    ways: dict[str, Callable[[], object]] = {
        "network, wordlab": lambda: own_network(run, own),
        f"network, onnxruntime, {BATCH} sentences at a time": lambda: exported.network(
            theirs, BATCH
        ),
        "network, onnxruntime, one sentence at a time": lambda: exported.network(theirs, 1),
        "whole, wordlab": lambda: own_whole(run, sentences),
        "whole, onnxruntime, one sentence at a time": lambda: exported.whole(sentences, 1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    words = sum(map(len, sentences))
    pairs = zip(own_network(run, own), exported.network(theirs, BATCH), strict=True)
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    same = bool((own_whole(run, sentences) == exported.whole(sentences, 1)).all())
    rates = {name: words / statistics.median(times) for name, times in seconds.items()}
    if options.json:
        print(json.dumps({"words_a_second": rates, "apart": apart, "same_tags": same}, indent=2))
        return
    table = Table.of(
        f"{len(sentences):,} sentences, {words:,} words",
        ("", Column("words a second", 0)),
        list(rates.items()),
        note=f"Medians of {options.rounds} rounds, one thread. Scores differ by {apart:.1e} at "
        f"most; the tags are {'all' if same else 'NOT all'} the same.",
    )
    print(as_text(table), end="")


if __name__ == "__main__":
    main()
