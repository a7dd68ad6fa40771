"""Interpolated modified Kneser-Ney beside KenLM's lmplz: perplexity, time, memory, every n-gram.

    WORDLAB_DATA=FOLDER python benchmarks/kneser_ney.py [--order 5] [--prune 0 0 1] [--rounds 3]
                                                        [--lmplz PATH] [--json]

Trains on FOLDER/ptb/ptb.train.txt and scores ptb.valid.txt: all words and the end marker, each
sentence on its own. lmplz is the one given, the one on the PATH, or one built from the package
`kenlm` of PyPI (needs pip, cmake, a C++ compiler and Boost's program_options, system, thread and
unit_test_framework; a minute, kept in ~/.cache/wordlab). Where there is none, the reason is said
and its half is left out.

lmplz takes <unk> for its own, so it gets the text with another spelling. Its own <unk>, of count 0,
then is one word more for the uniform distribution: `estimate(.., outside=1)`.

lmplz counts the very last n-gram of each order, in the order of its sorting, as often as it occurs
and not by its adjusted count (lm/builder/adjust_counts.cc, behind the loop), which moves the
discounts a little. The order of sentences does not matter to the model but decides which n-gram is
last, so both texts are shown: as it is, and with sentences put last whose last new word makes the
two counts equal.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary, VocabularySettings
from wordlab.evaluation.cross_entropy import perplexity
from wordlab.models.counts.arpa import Arpa, read_arpa, write_arpa
from wordlab.models.counts.backoff import BackoffModel, Ngrams
from wordlab.models.counts.backoff_tables import build_model
from wordlab.models.counts.kneser_ney import estimate
from wordlab.rendering.tables import as_text
from wordlab.table import Column, Table

KENLM = "kenlm==0.3.0"
SPARE = "UNKNOWN-WORD"
"""How <unk> is spelled in lmplz's text."""

MEASURE = """
import resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:]).returncode
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(code)
"""

Sentences = list[list[str]]


class NoKenlmError(Exception):
    """Why there is no lmplz to compare with."""


@dataclass(frozen=True)
class Cost:
    """Seconds of wall-clock time and of the processor, and MiB of memory at the peak."""

    seconds: float
    processor: float
    peak: float
    before: float = 0.0
    """MiB before the work began: Python, its libraries and the text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--prune", type=int, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lmplz", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(os.environ["WORDLAB_DATA"]) / "ptb"
    train, valid = (read(folder / f"ptb.{part}.txt") for part in ("train", "valid"))
    with tempfile.TemporaryDirectory() as scratch:
        tables = compare(train, valid, options, Path(scratch))
    if options.json:
        print(json.dumps({table.title: table.records() for table in tables}, indent=2))
    else:
        print("".join(map(as_text, tables)), end="")


def compare(
    train: Sentences, valid: Sentences, options: argparse.Namespace, scratch: Path
) -> list[Table]:
    """All tables."""
    vocabulary = vocabulary_of(train)
    model = estimate(encode(train, vocabulary), options.order, len(vocabulary), prune=options.prune)
    for note in model.notes:
        print("note:", note, file=sys.stderr)
    arpa = scratch / "whole.arpa"
    rows = []
    for name, source in (("wordlab, estimation", train), ("wordlab, text to ARPA", arpa)):
        runs = [our_cost(source, options) for _ in range(options.rounds)]
        rows.append(row_of(name, valid, vocabulary, model.model, runs))
    differences = []
    skipped = ""
    try:
        lmplz = options.lmplz or find_lmplz()
        for name, text in (("as it is", train), ("reordered", with_harmless_end(train))):
            runs = [run_lmplz(lmplz, text, options, scratch) for _ in range(options.rounds)]
            theirs = read_arpa(scratch / "theirs.arpa")
            if text is train:
                rows.append(row_of("KenLM, text to ARPA", valid, *spelled_as_ours(theirs), runs))
            ours = estimate(
                encode(text, vocabulary), options.order, len(vocabulary),
                prune=options.prune, outside=1,
            )  # fmt: skip
            write_arpa(scratch / "ours.arpa", ours.model, vocabulary)
            differences += compare_ngrams(name, read_arpa(scratch / "ours.arpa"), theirs)
    except NoKenlmError as error:
        skipped = f" KenLM is skipped: {error}"
    heads = ("", "n-grams", Column("valid perplexity", 3), "targets", Column("seconds", 2),
             Column("processor", 2), Column("peak MiB", 0), Column("before MiB", 0))  # fmt: skip
    note = (
        f"PTB, order {options.order}; medians of {options.rounds} rounds; wall-clock seconds and"
        f" those of the processor, ours on one core, KenLM's on those that it takes.{skipped}"
    )
    tables = [
        Table.of("Kneser-Ney", heads, rows, note=note),
        scoring(model.model, encode(train, vocabulary), options.rounds),
        whole_distributions(model.model, encode(valid, vocabulary)),
    ]
    if differences:
        heads = ("text", "n", "n-grams", "only in one", "log10 p", "log10 b")
        note = "Largest difference over all n-grams of the two ARPA files."
        tables.append(Table.of("ARPA files", heads, differences, note=note))
    return tables


def read(path: Path) -> Sentences:
    """Sentences, one a line."""
    return [line.split() for line in path.read_text().splitlines()]


def vocabulary_of(sentences: Sentences) -> Vocabulary:
    """All words of a text; its <unk> is the marker."""
    counts = Counter(word for sentence in sentences for word in sentence)
    words = [word for word in counts if word != "<unk>"]
    numbers = np.array([counts[word] for word in words])
    return Vocabulary.from_counts(words, numbers, len(sentences), VocabularySettings())


def encode(sentences: Sentences, vocabulary: Vocabulary) -> TokenStore:
    """A text as ids."""
    return TokenStore.in_memory(map(vocabulary.encode, sentences), vocabulary)


def row_of(
    name: str, valid: Sentences, vocabulary: Vocabulary, model: BackoffModel, runs: Sequence[Cost]
) -> tuple[object, ...]:
    """A row of the first table."""
    nats, targets = 0.0, 0
    for batch in Windows(len(model.orders)).batches(encode(valid, vocabulary), 1 << 14):
        nats -= float(model.target_log_probs(batch.inputs, batch.targets).double().sum())
        targets += len(batch.targets)
    figures = (statistics.median(figure) for figure in zip(*map(astuple, runs), strict=True))
    return name, sum(model.sizes), perplexity(nats / targets), targets, *figures


def scoring(model: BackoffModel, store: TokenStore, rounds: int) -> Table:
    """How fast the training text is scored, all of it as one batch and in batches of 16,384."""
    rows = []
    for size in (len(store), 1 << 14):
        batches = list(Windows(len(model.orders)).batches(store, size))
        targets = sum(len(batch.targets) for batch in batches)
        rates = []
        for _ in range(rounds):
            began, used = time.perf_counter(), time.process_time()
            for batch in batches:
                model.target_log_probs(batch.inputs, batch.targets)
            seconds = time.perf_counter() - began, time.process_time() - used
            rates.append([targets / each for each in seconds])
        rows.append(
            (min(size, targets), targets, *map(statistics.median, zip(*rates, strict=True)))
        )
    heads = ("targets a batch", "targets", Column("targets a second", 0),
             Column("a processor second", 0))  # fmt: skip
    return Table.of(
        "Scoring the training text", heads, rows, note=f"Medians of {rounds}, one thread."
    )


def whole_distributions(model: BackoffModel, store: TokenStore) -> Table:
    """How fast next-word distributions are, and how far from 1 they sum."""
    batches = [batch.inputs for batch in Windows(len(model.orders)).batches(store, 512)][:40]
    seconds, worst = 0.0, 0.0
    for inputs in batches:
        began = time.perf_counter()
        log_probs = model.log_probs(inputs)
        seconds += time.perf_counter() - began
        worst = max(worst, float((log_probs.double().exp().sum(1) - 1).abs().max()))
    contexts = sum(map(len, batches))
    heads = ("contexts", "words each", Column("contexts a second", 0), "sums differ from 1 by")
    row = (contexts, model.types, contexts / seconds, f"{worst:.1e}")
    return Table.of("Next-word distributions", heads, [row], note="Batches of 512, one thread.")


def astuple(cost: Cost) -> tuple[float, ...]:
    return cost.seconds, cost.processor, cost.peak, cost.before


def our_cost(source: Sentences | Path, options: argparse.Namespace) -> Cost:
    """In a process of its own, estimate from sentences, or write an ARPA file from the text."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (source, options.order, options.prune))


def measured(source: Sentences | Path, order: int, prune: Sequence[int]) -> Cost:
    whole = isinstance(source, Path)
    train = [] if whole else source
    vocabulary = vocabulary_of(train)
    store = encode(train, vocabulary)
    before = peak()
    began, used = time.perf_counter(), time.process_time()
    if whole:
        train = read(Path(os.environ["WORDLAB_DATA"]) / "ptb" / "ptb.train.txt")
        vocabulary = vocabulary_of(train)
        store = encode(train, vocabulary)
    found = estimate(store, order, len(vocabulary), prune=prune)
    if whole:
        write_arpa(source, found.model, vocabulary)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    return Cost(seconds, processor, peak(), before)


def peak() -> float:
    """The most memory that this process ever held, in MiB.

    getrusage would do, but it counts what the parent held before this program was loaded.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run_lmplz(
    lmplz: Path, sentences: Sentences, options: argparse.Namespace, scratch: Path
) -> Cost:
    """Have lmplz write theirs.arpa."""
    text = "\n".join(" ".join(sentence) for sentence in sentences).replace("<unk>", SPARE)
    (scratch / "train.txt").write_text(text + "\n")
    prune = ["--prune", *map(str, options.prune)] if options.prune else []
    command = [str(lmplz), "-o", str(options.order), *prune, "-S", "2G", "-T", str(scratch),
               "--text", str(scratch / "train.txt"), "--arpa", str(scratch / "theirs.arpa"),
               "--discount_fallback"]  # fmt: skip
    # A small process between, for the reason that `peak` gives.
    command = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoKenlmError(f"{lmplz} failed: {' '.join(done.stderr.split())[-300:]}")
    return Cost(*map(float, done.stdout.split()))


def find_lmplz() -> Path:
    """The lmplz on the PATH, or one built from the package on PyPI."""
    if found := shutil.which("lmplz"):
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wordlab" / KENLM
    if not (cache / "build" / "bin" / "lmplz").exists():
        for tool in ("cmake", "make", "c++"):
            if shutil.which(tool) is None:
                raise NoKenlmError(f"no lmplz on the PATH, and no {tool} to build it with")
        cache.mkdir(parents=True, exist_ok=True)
        print("building lmplz in", cache, file=sys.stderr)
        run("pip", sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
            "kenlm", "--dest", str(cache), KENLM)  # fmt: skip
        (archive,) = cache.glob("*.tar.gz")
        shutil.unpack_archive(archive, cache)
        (source,) = (path.parent for path in cache.glob("*/CMakeLists.txt"))
        run("cmake (is Boost there?)", "cmake", "-S", str(source), "-B", str(cache / "build"),
            "-DCMAKE_BUILD_TYPE=Release")  # fmt: skip
        run("the compiler", "cmake", "--build", str(cache / "build"), "--target", "lmplz")
    return cache / "build" / "bin" / "lmplz"


def run(step: str, *command: str) -> None:
    """Run a step of the build; raise NoKenlmError with the end of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        raise NoKenlmError(f"{step} failed: {said}")


def spelled_as_ours(theirs: Arpa) -> tuple[Vocabulary, BackoffModel]:
    """The model of lmplz with <unk> for the spare spelling, which is what it was trained on."""
    words = [f"{word} of lmplz" if word == "<unk>" else word for word in theirs.words]
    unknown = words.index(SPARE)
    words[unknown] = "<unk>"
    counts = np.zeros(len(words), dtype=np.int64)
    return Vocabulary(tuple(words), counts, unknown, theirs.start, theirs.end), theirs.model


def with_harmless_end(sentences: Sentences) -> Sentences:
    """Put sentences last so that the last new word never follows the same word twice.

    All n-grams that end in such a word occur once for each word before them, so what is counted by
    occurrence and by words before is the same.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    holding: dict[str, list[int]] = {}
    for index, sentence in enumerate(sentences):
        for word in sentence:
            if counts[word] < 50:
                holding.setdefault(word, []).append(index)
    for last, places in holding.items():
        moved = [sentences[index] for index in dict.fromkeys(places)]
        before = [pair for sentence in moved for pair in zip(["<s>", *sentence], sentence)]  # noqa: B905
        befores = [first for first, word in before if word == last]
        inside = Counter(word for sentence in moved for word in sentence)
        alone = [word for word, count in inside.items() if count == counts[word]]
        if alone == [last] and len(set(befores)) == len(befores):
            kept = set(places)
            return [s for index, s in enumerate(sentences) if index not in kept] + moved
    raise ValueError("no word of the text will do")


def compare_ngrams(name: str, ours: Arpa, theirs: Arpa) -> list[tuple[object, ...]]:
    """A row for each length: how many n-grams, and the largest differences."""
    ids = {word: index for index, word in enumerate(ours.words)}
    spare = len(ids)  # lmplz's own <unk>
    named = {"<unk>": spare, SPARE: ours.unknown}
    places = np.array([named.get(word, ids.get(word, -1)) for word in theirs.words])
    if (places < 0).any():
        raise ValueError("the two files differ in their words")
    first = renumbered(ours.model, np.arange(spare), spare + 1)
    second = renumbered(theirs.model, places, spare + 1)
    rows = []
    for n, (a, b) in enumerate(zip(first.orders, second.orders, strict=True), start=1):
        alone = len(np.setxor1d(a.ngrams, b.ngrams)) + len(np.setxor1d(a.contexts, b.contexts))
        same = alone == 0
        rows.append(
            (
                name,
                n,
                ours.model.sizes[n - 1],
                alone,
                f"{largest(a.log_probs, b.log_probs):.1e}" if same else "-",
                f"{largest(a.backoffs, b.backoffs):.1e}" if same else "-",
            )
        )
    return rows


def renumbered(model: BackoffModel, ids: np.ndarray, types: int) -> BackoffModel:
    """The same n-grams over other ids."""
    tables = []
    for n in range(1, len(model.orders) + 1):
        parts = list(model.ngrams(n))
        words, log_probs, backoffs = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("words", "log_probs", "backoffs")
        )
        tables.append(Ngrams(ids[words], log_probs, backoffs))
    return build_model(tables, types, int(ids[model.start]))[0]


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of decimal logarithms where both are finite."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[both] - b[both]).max(initial=0)) / float(np.log(10))


if __name__ == "__main__":
    main()
