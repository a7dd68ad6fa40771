"""Plant faults in a copy of the source and see that the tests catch each of them.

python benchmarks/planted_faults.py [WORD ...]    only faults of files with one of the words
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from wordlab.rendering.tables import as_text
from wordlab.table import Table

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fault:
    """A change that must make a test fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str


FAULTS = (
    Fault(
        "two entities of one word read as one of two",
        "corpus/labelled/schemes.py",
        "if same and last is not True and first is not True:",
        "if same:",
        "tests/corpus/labelled/test_schemes.py",
    ),
    Fault(
        "an entity that ends a word late",
        "corpus/labelled/schemes.py",
        "found.append(Span(start, index + 1, tag.type))",
        "found.append(Span(start, min(index + 2, len(parsed)), tag.type))",
        "tests/corpus/labelled/test_schemes.py",
    ),
    Fault(
        "right by the first word and the type alone",
        "evaluation/tagging/tallies.py",
        "        for span in set(true) & set(found):\n",
        "        for span in [s for s in true if (s[0], s[2]) in {(f[0], f[2]) for f in found}]:\n",
        "tests/evaluation/test_tagging.py",
    ),
    Fault(
        "characters behind a word's end read too",
        "models/taggers/features.py",
        "values.masked_fill(outside[:, None], -torch.inf).amax(dim=2)",
        "values.amax(dim=2)",
        "tests/models/taggers",
    ),
    Fault(
        "an exported list of characters in the order of first sight",
        "corpus/labelled/release.py",
        'letters="".join(sorted(lexicon.letters))',
        "letters=lexicon.letters",
        "tests/corpus/labelled/test_release.py",
    ),
    Fault(
        "two words under one hash",
        "corpus/labelled/release.py",
        "        hash_bytes += 1\n",
        "        return _in_order(written)\n",
        "tests/corpus/labelled/test_release.py",
    ),
    Fault(
        "padding read as words in an exported network",
        "models/taggers/onnx_graph.py",
        "*weights, lengths, **about",
        '*weights, "", **about',
        "tests/models/taggers/test_onnx_graph.py",
    ),
    Fault(
        "the marker of a sentence's start shared with unknown words",
        "batching/tagging.py",
        "self.words.new_tensor([START, END])",
        "self.words.new_tensor([0, END])",
        "tests/models/taggers",
    ),
    Fault(
        "L2 on the biases",
        "training/optimizers.py",
        "plain = [p for p in dense if p.dim() < 2 or",
        "plain = [p for p in dense if",
        "tests/contracts/test_parts.py tests/training",
    ),
    Fault(
        "a chain whose illegal links are only unlikely",
        "models/taggers/chains.py",
        "NEVER = -1e4",
        "NEVER = -3.0",
        "tests/models/taggers",
    ),
    Fault(
        "a second reading that is told apart by types alone",
        "models/taggers/paths.py",
        "goes_on = fits[here, None, :] & spelling.meets(here)",
        "goes_on = fits[here, None, :] & np.ones_like(spelling.joins)",
        "tests/models/taggers/test_paths.py",
    ),
    Fault(
        "a reading's probability without the other ways to spell it",
        "models/taggers/paths.py",
        "total: Floats = np.logaddexp.reduce(",
        "total: Floats = np.max(",
        "tests/models/taggers/test_paths.py",
    ),
    Fault(
        "an entity's probability without what may not follow it",
        "models/taggers/chains.py",
        "out_of = free[tags[row[inner]]]",
        "out_of = self.links[tags[row[inner]]]",
        "tests/models/taggers",
    ),
    Fault(
        "a repair that keeps the sentence it cannot mend",
        "corpus/labelled/repair.py",
        "        if number in left_out:\n            continue\n",
        "",
        "tests/corpus/labelled",
    ),
    Fault(
        "the LSTM's forget gate with the input gate's slope",
        "models/recurrent/lstm.py",
        "torch.mul(dc_here, earlier, out=d_f)",
        "torch.mul(dc_here, g, out=d_f)",
        "tests/models/test_recurrent.py",
    ),
    Fault(
        "the GRU's reset gate behind the product in the backward pass only",
        "models/recurrent/gru.py",
        "torch.mul(d_reset, h, out=d_r)",
        "torch.mul(d_g, h, out=d_r)",
        "tests/models/test_recurrent.py",
    ),
    Fault(
        "truncation a step too short",
        "models/recurrent/encoder.py",
        "lengths = np.minimum(packing.time[rows], back) + 1",
        "lengths = np.minimum(packing.time[rows], back - 1) + 1",
        "tests/models/test_recurrent.py",
    ),
    Fault(
        "a stream whose state is dropped between segments",
        "models/language_model.py",
        "state if state and batch.continues else ()",
        "()",
        "tests/contracts/test_language_models.py",
    ),
    Fault(
        "sentences that see the word they predict",
        "batching/sequences.py",
        "np.maximum(positions - 1, 0)",
        "np.maximum(positions, 0)",
        "tests/batching",
    ),
    Fault(
        "a neural cache that looks ahead",
        "models/caches.py",
        "seen = (there < here)",
        "seen = (there <= here)",
        "tests/contracts/test_predictors.py",
    ),
    Fault(
        "dynamic evaluation that forgets how large gradients were",
        "models/dynamic.py",
        "1 / (size / mean + FLOOR)",
        "torch.ones_like(size)",
        "tests/models/test_adaptive.py",
    ),
    Fault(
        "a class sample whose filling counts",
        "models/class_sample.py",
        "value=_ABSENT",
        "value=0.0",
        "tests/models/test_class_sample.py",
    ),
    Fault(
        "weight dropout that is not made up for",
        "models/recurrent/cell.py",
        "like.new_tensor(1 / (1 - dropped / 2**16))",
        "like.new_tensor(1.0)",
        "tests/models/test_recurrent.py",
    ),
    Fault(
        "scores that are kept batch by batch",
        "evaluation/cross_entropy.py",
        "                column[here] = values",
        "                column[here] = values\n"
        '                score_tokens.__dict__.setdefault("kept", []).append(np.copy(values))',
        "tests/evaluation/test_memory.py",
    ),
    Fault(
        "a cache carried over a file's end",
        "corpus/store.py",
        "if len(self.files) < 2:",
        "if len(self.files) < 20:",
        "tests/cli/test_mixing.py",
    ),
    Fault(
        "samples of the classes without their correction",
        "models/class_sample.py",
        "functional.pad(included.log(), ",
        "functional.pad(0 * included.log(), ",
        "tests/models/test_class_sample.py",
    ),
    Fault(
        "Kneser-Ney from raw counts",
        "models/counts/kneser_ney.py",
        "    if longer is None:\n        return here.counts\n",
        "    if longer is None or True:\n        return here.counts\n",
        "tests/models/counts",
    ),
    Fault(
        "perplexity as 2^nats",
        "evaluation/cross_entropy.py",
        "else math.exp(nats_per_token)",
        "else 2**nats_per_token",
        "tests/golden/test_by_hand.py",
    ),
    Fault(
        "vocabulary from validation text too",
        "corpus/preparation.py",
        "numbered = number_text(train, folder",
        "both = [train, *others.values()]\n"
        "    lines = tuple(line for text in both for line in text.lines)\n"
        "    numbered = number_text(Text((), train.settings, lines), folder",
        "tests/corpus/test_preparation.py",
    ),
    Fault(
        "words alike in their first eight bytes taken for the same",
        "corpus/spellings.py",
        "        found &= self._tails[slots] == tails\n",
        "",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "words of 17 bytes and more looked up by 16",
        "corpus/spellings.py",
        "        found[long[rest > _HALF]] = False\n",
        "",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "no-break spaces that part no words",
        "corpus/spellings.py",
        "    if ascii_only:\n        return False\n",
        "    return False\n",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "a line too long that ends in the next block",
        "corpus/readers.py",
        "return end < 0 or end >= PIECE_BYTES",
        "return end < 0",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "lines counted from a piece's own first",
        "corpus/readers.py",
        "    if not stretch.begin:\n        return 0\n",
        "    return 0\n",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "sentences held out by the draws of each piece",
        "corpus/preparation.py",
        "        for piece, own in self.text.pieces:\n",
        "        for piece, own in self.text.pieces:\n"
        "            draw = np.random.default_rng(self.seed)\n",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "pieces of a changed file taken for done",
        "corpus/pieces.py",
        "about.st_size, about.st_mtime_ns]",
        "0, 0]",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "an old header beside new ids",
        "corpus/store.py",
        '            path.with_suffix(".json").unlink(missing_ok=True)\n',
        "",
        "tests/corpus/test_numbering.py",
    ),
    Fault(
        "probabilities in the order of their contexts",
        "models/counts/backoff.py",
        "        back[by_number] = found\n        return back\n",
        "        return found\n",
        "tests/models/counts",
    ),
    Fault(
        "last batch dropped",
        "batching/windows.py",
        "        if held:\n            yield _batch(store, *_joined(waiting))",
        "        if held == size:\n            yield _batch(store, *_joined(waiting))",
        "tests/properties tests/golden/test_by_hand.py",
    ),
    Fault(
        "a target in its own context",
        "batching/windows.py",
        "token = stream[reach - distance : reach - distance + count]",
        "token = stream[reach - distance + 1 : reach - distance + 1 + count]",
        "tests/contracts/test_language_models.py",
    ),
    Fault(
        "a p-value from draws that were not moved to 0",
        "evaluation/intervals.py",
        "np.abs(drawn - observed) >=",
        "np.abs(drawn) >=",
        "tests/evaluation",
    ),
    Fault(
        "tokens drawn in place of sentences",
        "evaluation/comparison.py",
        "    unit = sentences[compared]\n",
        "    unit = np.arange(len(compared))\n",
        "tests/evaluation",
    ),
    Fault(
        "the shared words not renormalised",
        "evaluation/shared_words.py",
        "inside - inside.logsumexp(",
        "inside - whole.logsumexp(",
        "tests/evaluation",
    ),
    Fault(
        "a training that was cut off is begun anew",
        "runs/sweep.py",
        "    if (run / SETTINGS).exists():\n",
        "    if False:\n",
        "tests/cli/test_sweep.py",
    ),
    Fault(
        "the worst tagger of a sweep named best",
        "inspection/sweep.py",
        "(max if higher else min)",
        "(min if higher else max)",
        "tests/inspection/test_sweep.py",
    ),
    Fault(
        "the parts of a learning curve trained on the whole text",
        "runs/learning_curve.py",
        "folder, train=text, validation",
        'folder, train=run.sentences("train"), validation',
        "tests/runs/test_learning_curve.py",
    ),
    Fault(
        "a failing training stops the sweep in silence",
        "cli/sweep.py",
        "    if failed:\n        raise",
        "    if failed and False:\n        raise",
        "tests/cli/test_sweep.py",
    ),
    Fault(
        "the start marker predicted",
        "batching/windows.py",
        "        targets = stream[reach:]\n",
        "        targets = stream[reach:].copy()\n"
        "        targets[:-1][targets[:-1] == store.end] = store.start\n",
        "tests/properties tests/golden/test_by_hand.py",
    ),
    Fault(
        "gradient of the output bias dropped",
        "models/softmax_nats.py",
        "        d_bias += p.sum(dim=0)\n",
        "",
        "tests/contracts/test_language_models.py tests/inspection",
    ),
    Fault(
        "gradient of a target's own logit dropped",
        "models/softmax_nats.py",
        "p.new_full((len(x), 1), -share)",
        "p.new_full((len(x), 1), 0.0)",
        "tests/contracts/test_language_models.py",
    ),
    Fault(
        "gradients of the compiled softmax scaled twice",
        "models/softmax_nats.py",
        "        factor = scale.to(gradients[0].dtype) / ctx.scale\n",
        "        factor = scale.to(gradients[0].dtype)\n",
        "tests/native",
    ),
    Fault(
        "many batches at the rate of the first",
        "training/trainer.py",
        "(seen + at * size) / targets",
        "seen / targets",
        "tests/training/test_window_steps.py",
    ),
    Fault(
        "a compiled step where words are dropped",
        "training/window_steps.py",
        "        and (features.word_dropout, features.dropout) == (0, 0)\n",
        "",
        "tests/training/test_window_steps.py",
    ),
    Fault(
        "a cluster's own probability left out of its words'",
        "models/adaptive_softmax.py",
        "            parts.append(inside + head[:, words + number, None])",
        "            parts.append(inside)",
        "tests/models/test_adaptive_softmax.py",
    ),
    Fault(
        "noise taken for as frequent as it is drawn once",
        "models/noise_contrastive.py",
        "torch.log(self.noise * shares[words])",
        "torch.log(shares[words])",
        "tests/models/test_noise_contrastive.py",
    ),
    Fault(
        "a run that goes on measures its threads anew",
        "runs/threads.py",
        "    elif isinstance(begun, int) and begun <= offered:",
        "    elif isinstance(begun, int) and begun < 0:",
        "tests/runs/test_threads.py",
    ),
    Fault(
        "steps that are timed draw from the chance of others",
        "training/pace.py",
        "    with torch.random.fork_rng(devices=[]):",
        "    with torch.enable_grad():",
        "tests/training/test_pace.py",
    ),
    Fault(
        "unknown targets left out of the score",
        "evaluation/cross_entropy.py",
        "        nats = self.nats if chosen is None else self.nats[chosen]",
        "        chosen = self.targets != 0 if chosen is None else chosen\n"
        "        nats = self.nats if chosen is None else self.nats[chosen]",
        "tests/contracts/test_language_models.py tests/runs",
    ),
    Fault(
        "the interval draws tokens, not sentences",
        "evaluation/evaluation.py",
        "bootstrap_perplexity(tokens.nats, store.sentence_of(tokens.positions))",
        "bootstrap_perplexity(tokens.nats, tokens.positions)",
        "tests/evaluation",
    ),
    Fault(
        "frequency bands upside down",
        "evaluation/bands.py",
        "ranks[words] = np.arange(1, len(words) + 1)",
        "ranks[words] = np.arange(len(words), 0, -1)",
        "tests/evaluation",
    ),
    Fault(
        "the adjusted perplexity of known targets only",
        "evaluation/evaluation.py",
        "adjusted_nats(self.overall.nats_per_token",
        "adjusted_nats(self.known.nats_per_token",
        "tests/evaluation",
    ),
    Fault(
        "the optimiser's state kept at a rollback",
        "training/trainer.py",
        "        self._optimizer = OptimizerSet(self.settings.optimizer, self.model)\n",
        "",
        "tests/training",
    ),
    Fault(
        "dropout while scoring",
        "training/trainer.py",
        "            self.model.eval()\n",
        "",
        "tests/training",
    ),
    Fault(
        "a checkpoint without the random state",
        "training/trainer.py",
        '        self._rng.set_state(tensors["random"])\n',
        "",
        "tests/runs",
    ),
    Fault(
        "answers that wait for acknowledgements",
        "server/listening.py",
        "    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n",
        "",
        "tests/server/test_listening.py",
    ),
    Fault(
        "words taken out of a context one place late",
        "inspection/attribution/ablation.py",
        "self.without[rows[edits] - 1, targets[edits]] = values[edits]",
        "self.without[rows[edits] - 2, targets[edits]] = values[edits]",
        "tests/inspection/test_attribution.py",
    ),
    Fault(
        "vectors of another run not turned",
        "inspection/words/alignment.py",
        "turned: Floats = vectors @ rotation",
        "turned: Floats = vectors",
        "tests/inspection/test_word_spaces.py",
    ),
    Fault(
        "the wrong units switched off",
        "inspection/units/switching.py",
        "held[:, list(self.units)] = held.new_tensor(self.values)",
        "held[:, [u - 1 for u in self.units]] = held.new_tensor(self.values)",
        "tests/inspection/test_units.py",
    ),
    Fault(
        "carriers named by the text that they are checked on",
        "inspection/units/carriers.py",
        "chosen = int(np.argmax(named_on.harm[:, column]))",
        "chosen = int(np.argmax(checked_on.harm[:, other]))",
        "tests/inspection/test_units.py",
    ),
    Fault(
        "a beginning that goes on from the state of another",
        "batching/questions.py",
        "inputs, parents = read[firsts], before[firsts]",
        "inputs, parents = read[firsts], before[firsts[::-1]]",
        "tests/evaluation/test_questions.py",
    ),
    Fault(
        "a generated word after the state of another sentence",
        "generation/next_words.py",
        "state_rows(self._state, self._rows_of(before))",
        "state_rows(self._state, self._rows_of(before[::-1]))",
        "tests/contracts/test_predictors.py -k growing",
    ),
    Fault(
        "an old form of weights that have changed",
        "models/operands.py",
        "return form if unchanged and form.serves else weight",
        "return form if form.serves else weight",
        "tests/models/test_operands.py",
    ),
    Fault(
        "products of int8 without the scale of their rows",
        "models/int8.py",
        "block.mul_(self.scale).mul_(scale)",
        "block.mul_(self.scale)",
        "tests/models/test_operands.py",
    ),
    Fault(
        "scales of int8 weights taken as they come",
        "models/narrow_weights.py",
        "(scale.isfinite() & (scale >= 0))",
        "scale.isfinite()",
        "tests/runs/test_language_model_export.py -k hostile",
    ),
    Fault(
        "a state that an exported network does not take up",
        "models/onnx_graph.py",
        'before = [graph.add("Unsqueeze", part, axis) for part in parts]',
        'before = [graph.add("Sub", *2 * [graph.add("Unsqueeze", p, axis)]) for p in parts]',
        "tests/contracts/test_language_models.py -k onnx",
    ),
    Fault(
        "a report's text that is not escaped",
        "rendering/tables.py",
        'f"<td{kind}>{html.escape(cell)}</td>"',
        'f"<td{kind}>{cell}</td>"',
        "tests/reports -k every_cell",
    ),
    Fault(
        "each rank's own mean in place of the joint one",
        "training/trainer.py",
        "else loss.nats / targets",
        "else loss.nats / loss.targets / self.ranks.size",
        "tests/training/test_ranks.py",
    ),
    Fault(
        "lanes that change their rank at a resume",
        "training/together/ranks.py",
        "tuple(part[self.rank :: self.size] for part in state)",
        "state",
        "tests/training/test_ranks.py",
    ),
    Fault(
        "a rank's own rows counted twice",
        "training/together/gradient_sums.py",
        "    gradient[own.rows] = 0\n",
        "",
        "tests/training/test_ranks.py",
    ),
    Fault(
        "one rank's gradient added to itself",
        "training/together/sums_by_memory.py",
        "torch.add(whole[0], whole[1], out=total)",
        "torch.add(whole[0], whole[0], out=total)",
        "tests/training/test_ranks.py",
    ),
    Fault(
        "gradients of a third rank left out",
        "training/together/sums_by_memory.py",
        "for more in whole[2:]:",
        "for more in whole[3:]:",
        "tests/training/test_ranks.py",
    ),
    Fault(
        "weights of whole numbers judged by wide ones",
        "models/softmax_output.py",
        "weight = form if isinstance(form, Tensor) else form.exact",
        "weight = self.weight",
        "tests/native/test_judgement.py",
    ),
    Fault(
        "a rank that left is waited for",
        "training/together/board.py",
        "self._gone[self._rank][0] = 1",
        "self._gone[self._rank][0] = 0",
        "tests/training/test_board.py",
    ),
    Fault(
        "numbers overwritten before all have read them",
        "training/together/board.py",
        "here = self._turn % 2, slice(len(numbers))",
        "here = 0, slice(len(numbers))",
        "tests/training/test_board.py",
    ),
    Fault(
        "several targets of a context judged by the wrong rows",
        "models/softmax_output.py",
        "self._projected(features)[rows]",
        "self._projected(features)[: len(rows)]",
        "tests/native/test_judgement.py",
    ),
    Fault(
        "chance that a restart does not find again",
        "training/together/ranks.py",
        "        if self.rank:\n            (seed,)",
        "        if False:\n            (seed,)",
        "tests/training/test_ranks.py",
    ),
)


def main() -> None:
    rows = []
    words = sys.argv[1:]
    chosen = [f for f in FAULTS if not words or any(word in f.file for word in words)]
    for fault in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch)
            for name in ("src", "tests"):
                shutil.copytree(ROOT / name, copy / name)
            shutil.copy(ROOT / "pyproject.toml", copy)
            path = copy / "src" / "wordlab" / fault.file
            source = path.read_text()
            if source.count(fault.old) != 1:
                sys.exit(f"{fault.name}: the place to plant it is gone from {fault.file}")
            path.write_text(source.replace(fault.old, fault.new))
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"),
                    *("-n", "0", "-o", "pythonpath=tests src", *fault.tests.split()),
                ],
                cwd=copy,
                env={"PYTHONPATH": str(copy / "src"), "PATH": "/usr/bin:/bin", "HOME": scratch},
                capture_output=True,
                text=True,
                check=False,
            )
        # A fixture's error names its test; that of a copy that cannot be read does not.
        failed = [
            line
            for line in done.stdout.splitlines()
            if line.startswith("FAILED") or (line.startswith("ERROR") and "::" in line)
        ]
        rows.append((fault.name, bool(failed), failed[0][7:90] if failed else done.stdout[-80:]))
        print(rows[-1], file=sys.stderr, flush=True)
    print(as_text(Table.of("Planted faults", ("fault", "caught", "by"), rows)), end="")
    if not all(caught for _, caught, _ in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
