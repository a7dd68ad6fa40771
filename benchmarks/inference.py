"""Scoring, generating and tagging: words a second, alternated, beside plain PyTorch and ONNX.

    python benchmarks/inference.py RUN TEXT [--tagger RUN] [--sentences 300] [--hypotheses 20]
        [--words 40] [--rounds 5] [--json]

RUN is a language model's run, TEXT a sentence a line. All ways run in turn, `--rounds` times, with
one thread each; seconds are the processor's, so that other work beside it counts for little.

Scoring is from words' numbers to the nats of each word; wordlab's is with ranks. "text" is the
first sentences of TEXT, each on its own from a zero state. "hypotheses" are so many variants of
each of a tenth of them, which differ behind a place drawn in the sentence's second half, as a
recogniser's do. Plain is nn.Embedding, nn.LSTM and log_softmax over the same weights, a sentence at
a time, as tutorials score; it is there for LSTMs without normalised layers. onnxruntime reads the
network that `wordlab export RUN net.onnx` writes, a sentence at a time. int8 is
`wordlab export RUN small --weights int8`.

Generating draws `--words` words behind the first words of TEXT, one continuation or 20 at a time;
plain keeps its state too. Tagging is of the same sentences, all at once and one at a time.
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
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.sequences import Sentences, Stream
from wordlab.batching.windows import Windows
from wordlab.corpus.preparation import encode, encode_in_memory
from wordlab.corpus.store import TokenStore
from wordlab.evaluation.cross_entropy import score_tokens
from wordlab.models.recurrent.encoder import RecurrentEncoder
from wordlab.models.recurrent.lstm import LstmCell
from wordlab.models.softmax_output import SoftmaxOutput
from wordlab.rendering.tables import as_text
from wordlab.runs.export.language_model import export_model
from wordlab.runs.export.onnx_language_model import export_onnx_model
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.table import Column, Table

Rows = list[list[int]]
State = list[tuple[Tensor, Tensor]]
Way = Callable[[], float | None]
"""Does the work once; returns nats a word, where there are such."""


class Plain(nn.Module):
    """A run's LSTM as PyTorch's tutorials write it."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        encoder, output = run.network.encoder, run.network.output
        assert isinstance(encoder, RecurrentEncoder)
        assert isinstance(output, SoftmaxOutput)
        self.opening = _opening(run)
        self.embedding = encoder.embedding
        self.layers = nn.ModuleList(map(_torch_layer, encoder.cells))
        self.projection = output.projection or nn.Identity()
        self.weight, self.bias = output.weight, output.bias

    @staticmethod
    def serves(run: Run) -> bool:
        """Whether the run's network is one that plain PyTorch has."""
        encoder, output = run.network.encoder, run.network.output
        return (
            isinstance(encoder, RecurrentEncoder)
            and not encoder.settings.layer_norm
            and all(isinstance(cell, LstmCell) for cell in encoder.cells)
            and isinstance(output, SoftmaxOutput)
        )

    def forward(
        self, words: Tensor, state: list[tuple[Tensor, Tensor]] | None
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Ids [S, T] -> log-probabilities [S, T, V], and the state after."""
        x, after = self.embedding(words), []
        for number, layer in enumerate(self.layers):
            x, then = layer(x, state[number] if state else None)
            after.append(then)
        logits = functional.linear(self.projection(x), self.weight, self.bias)
        return functional.log_softmax(logits, dim=-1), after

    def score(self, rows: Rows) -> float:
        """Nats a word."""
        nats = 0.0
        for row in rows:
            log_probs, _ = self(torch.tensor([[self.opening, *row[:-1]]]), None)
            nats -= float(log_probs[0, torch.arange(len(row)), torch.tensor(row)].sum())
        return nats / sum(map(len, rows))

    def draw(self, prompt: Sequence[int], count: int, words: int) -> None:
        """Continue a prompt, the state kept."""
        state, given = None, torch.tensor([[self.opening, *prompt]] * count)
        for _ in range(words):
            log_probs, state = self(given, state)
            given = torch.multinomial(log_probs[:, -1].exp(), 1)


def _torch_layer(cell: nn.Module) -> nn.LSTM:
    """A cell as torch's layer, whose gates come in another order."""
    assert isinstance(cell, LstmCell)
    layer = nn.LSTM(cell.inputs, cell.units, batch_first=True)
    none = torch.zeros(4 * cell.units)
    values = {
        "weight_ih_l0": cell.weight_inputs,
        "weight_hh_l0": cell.weight_hidden,
        "bias_ih_l0": none if cell.bias is None else cell.bias,
        "bias_hh_l0": none if cell.bias_hidden is None else cell.bias_hidden,
    }
    for name, value in values.items():
        assert value is not None
        i, f, o, g = value.detach().chunk(4)
        layer.get_parameter(name).data = torch.cat([i, f, g, o])
    return layer


class Exported:
    """The run's network in onnxruntime, with one thread."""

    def __init__(self, run: Run, folder: Path) -> None:
        about = json.loads(export_onnx_model(run, folder / "net.onnx").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(folder / "net.onnx", options)
        self.opening = about["opening"]
        first, *parts = self.session.get_inputs()
        self.width = first.shape[1] if not parts else 0
        self.state = {part.name: np.zeros((1, part.shape[1]), np.float32) for part in parts}

    def score(self, rows: Rows) -> float:
        """Nats a word, a sentence at a time."""
        nats = 0.0
        for row in rows:
            if self.width:
                padded = [self.opening] * self.width + row
                words = [padded[place : place + self.width] for place in range(len(row))]
            else:
                words = [[self.opening, *row[:-1]]]
            given = {"words": np.array(words), **self.state}
            (log_probs,) = self.session.run(["log_probs"], given)
            nats -= float(log_probs.reshape(len(row), -1)[range(len(row)), row].sum())
        return nats / sum(map(len, rows))


def _opening(run: Run) -> int:
    stream = isinstance(run.model.reading, Stream)
    return run.vocabulary.end if stream else run.vocabulary.start


def own_score(run: Run, rows: Rows) -> float:
    """Nats a word by wordlab."""
    store = TokenStore.in_memory((row[:-1] for row in rows), run.vocabulary)
    own = run.model.reading  # the same, but that every word is predicted
    reading = Windows(own.order) if isinstance(own, Windows) else Sentences()
    types = len(run.vocabulary)
    return score_tokens(run.model, store, vocabulary=types, reading=reading).score().nats_per_token


def hypotheses(rows: Rows, each: int, types: int) -> Rows:
    """Variants of each sentence that differ behind a place in its second half."""
    draw, found = np.random.default_rng(1), []
    for row in rows:
        for _ in range(each):
            place = int(draw.integers(len(row) // 2, len(row)))
            swapped = draw.integers(3, types, len(row) - 1 - place).tolist()
            found.append([*row[: len(row) - 1 - len(swapped)], *swapped, row[-1]])
    return found


def scoring(run: Run, small: Run, onnx: Exported, rows: Rows) -> dict[str, Way]:
    """Ways to score some sentences."""
    ways: dict[str, Way] = {
        "wordlab": lambda: own_score(run, rows),
        "wordlab, int8": lambda: own_score(small, rows),
        "onnxruntime, a sentence at a time": lambda: onnx.score(rows),
    }
    if Plain.serves(run):
        plain = Plain(run)
        ways["plain PyTorch, a sentence at a time"] = lambda: plain.score(rows)
    return ways


def generating(run: Run, small: Run, prompt: str, count: int, words: int) -> dict[str, Way]:
    """Ways to continue a prompt."""
    options = {"count": count, "words": words, "end": False, "unknown": True}

    def own(given: Run) -> Way:
        return lambda: given.generate(prompt, **options) and None

    ways = {"wordlab": own(run), "wordlab, int8": own(small)}
    if Plain.serves(run):
        plain = Plain(run)
        (ids,) = encode(run.text([prompt]), run.vocabulary)
        ways["plain PyTorch"] = lambda: plain.draw(ids, count, words)
    return ways


def tagging(tagger: TaggerRun, lines: list[str]) -> dict[str, Way]:
    """Ways to tag lines."""

    def one_by_one() -> None:
        for line in lines:
            tagger.tag(line, tokens="spaces")

    return {
        "wordlab": lambda: tagger.tag(lines, tokens="spaces") and None,
        "wordlab, a sentence at a time": one_by_one,
    }


@torch.no_grad()
def measured(what: str, words: int, ways: dict[str, Way], rounds: int) -> list[dict[str, object]]:
    """Words a second of each way, in turn: median, least and most; and nats a word."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    nats: dict[str, float | None] = {}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            nats[name] = way()
            if turn:  # the first warms up
                rates[name].append(words / (time.process_time() - start))
    return [
        {
            "what": what,
            "way": name,
            "words": words,
            "median": statistics.median(found),
            "least": min(found),
            "most": max(found),
            "nats_a_word": nats[name],
            "rates": found,
        }
        for name, found in rates.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("text")
    parser.add_argument("--tagger")
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--hypotheses", type=int, default=20)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = Run.load(options.run)
    lines = Path(options.text).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line.strip()][: options.sentences]
    store = encode_in_memory(run.text(lines), run.vocabulary)
    ends = np.flatnonzero(store.ids == store.end) + 1
    rows = [part.tolist() for part in np.split(store.ids.astype(np.int64), ends)[:-1]]
    several = hypotheses(rows[::10], options.hypotheses, len(run.vocabulary))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        small = export_model(run, Path(folder) / "small", weights="int8").run
        assert small.network is not None  # read before the folder goes
        onnx = Exported(run, Path(folder))
    for what, given in (("score text", rows), ("score hypotheses", several)):
        words = sum(map(len, given))
        found += measured(what, words, scoring(run, small, onnx, given), options.rounds)
    prompt = " ".join(lines[0].split()[: max(1, run.model.reading.fewest_words)])
    for count in (1, 20):
        ways = generating(run, small, prompt, count, options.words)
        found += measured(f"generate, {count}", count * options.words, ways, options.rounds)
    if options.tagger:
        ways = tagging(TaggerRun.load(options.tagger), lines)
        words = sum(len(line.split()) for line in lines)
        found += measured("tag", words, ways, options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    columns = ("", "way", "words", *(Column(name, 0) for name in ("median", "least", "most")))
    table = Table.of(
        f"Words a second of one thread, {options.rounds} rounds in turn",
        (*columns, Column("nats a word", 5)),
        [tuple(value for name, value in row.items() if name != "rates") for row in found],
    )
    print(as_text(table), end="")


if __name__ == "__main__":
    main()
