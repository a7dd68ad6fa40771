"""Kneser-Ney, ARPA files, mixtures and readings, through real processes."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from commands import refusal, wordlab
from wordlab.runs.files import write_tensors
from wordlab.runs.run import Run

LSTM = ["--set", "model.type=lstm", "--set", "model.embedding=8", "--set", "model.hidden=8"]
TRAINING = ["--set", "training.epochs=3", "--set", "training.batch=32"]


def figures(*arguments: str | Path) -> dict[str, object]:
    done = wordlab(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def runs(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs kn, lstm and stream."""
    folder = tmp_path_factory.mktemp("mixing")
    given = [texts / "train.txt", "--validation", texts / "validation.txt"]
    for name, options in (
        ("kn", ["--set", "model.type=kneser-ney", "--set", "model.n=3"]),
        ("lstm", [*LSTM, *TRAINING]),
        ("stream", [*LSTM, *TRAINING, "--set", "model.reads=stream", "--set", "model.length=5"]),
    ):
        done = wordlab("train", *given, "--run", folder / name, *options)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_counted_run_is_a_run(runs: Path, texts: Path) -> None:
    found = figures("evaluate", runs / "kn", texts / "validation.txt")
    assert 1 < found["perplexity"] < 30  # type: ignore[operator]
    assert "Witten-Bell" in " ".join(found["yardsticks"])  # type: ignore[arg-type]
    done = wordlab("generate", runs / "kn", "--prompt", "the cat", "--count", "2")
    assert done.stdout.count("the cat") >= 2
    rows = wordlab("score", runs / "kn", texts / "validation.txt").stdout.splitlines()
    assert len(rows) == 1 + 13
    assert "no word vectors" in refusal("neighbours", runs / "kn", "cat")
    done = wordlab("report", runs / "kn")
    assert done.returncode == 0, done.stderr


def test_a_text_is_read_either_way(runs: Path, texts: Path) -> None:
    text = texts / "validation.txt"
    own = figures("evaluate", runs / "lstm", text)
    as_stream = figures("evaluate", runs / "lstm", text, "--reading", "stream")
    as_sentences = figures("evaluate", runs / "lstm", text, "--reading", "sentences")
    assert own["perplexity"] == as_sentences["perplexity"] != as_stream["perplexity"]
    assert "each sentence on its own" in str(own["protocol"])
    assert "one stream" in str(as_stream["protocol"])
    refused = refusal("evaluate", runs / "lstm", text, "--reading", "backwards")
    assert "'backwards'" in refused
    assert "sentences, stream" in refused
    assert "allowed: sentences" in refusal("evaluate", runs / "kn", text, "--reading", "stream")


def test_a_stream_scores_words_whatever_their_number(runs: Path, tmp_path: Path) -> None:
    """The state is carried past the 512 sentences that are otherwise scored at a time."""
    text = tmp_path / "long.txt"
    text.write_text("the cat sat .\na dog saw the mouse .\n" * 300)
    whole = figures("evaluate", runs / "stream", text, "--no-yardsticks")
    shown = wordlab("score", runs / "stream", text, "--end", "--format", "jsonl").stdout
    nats = [json.loads(line)["nats"] for line in shown.splitlines()]
    assert len(nats) == whole["targets"]
    assert sum(nats) / len(nats) == pytest.approx(whole["nats_per_token"], abs=1e-6)


def test_a_mixture_is_a_run_and_is_no_worse_than_its_members(
    runs: Path, texts: Path, tmp_path: Path
) -> None:
    tune = texts / "validation.txt"
    made = figures("mix", runs / "lstm", runs / "kn", "--tune", tune, "--run", tmp_path / "mixed")
    members = [figures("evaluate", runs / name, tune)["perplexity"] for name in ("lstm", "kn")]
    assert made["perplexity"] <= min(members) + 1e-6  # type: ignore[type-var, operator]
    again = figures("evaluate", tmp_path / "mixed", tune)
    assert again["perplexity"] == pytest.approx(made["perplexity"])
    assert "adaptive" not in str(again["protocol"])
    assert "Witten-Bell" in " ".join(again["yardsticks"])  # type: ignore[arg-type]
    rows = wordlab("score", tmp_path / "mixed", tune).stdout.splitlines()
    assert len(rows) == 1 + 13
    shown = wordlab("generate", tmp_path / "mixed", "--prompt", "the", "--method", "beam")
    assert shown.returncode == 0, shown.stderr
    assert "kn" in wordlab("describe", tmp_path / "mixed").stdout
    assert "its members are trained" in refusal("resume", tmp_path / "mixed")
    assert wordlab("report", tmp_path / "mixed").returncode == 0
    nested = figures(
        "mix", tmp_path / "mixed", runs / "kn", "--tune", tune, "--run", tmp_path / "n"
    )
    assert nested["perplexity"] <= made["perplexity"] + 1e-6  # type: ignore[operator]


def test_adaptive_members_are_named_in_the_protocol(
    runs: Path, texts: Path, tmp_path: Path
) -> None:
    options = ["--unigram-cache", "20", "--neural-cache", "50", "--dynamic", "0.01"]
    options += ["--buckets", "2", "--reading", "stream"]
    made = figures(
        "mix", runs / "lstm", runs / "kn", "--tune", texts / "train.txt",
        "--run", tmp_path / "adaptive", *options,
    )  # fmt: skip
    for word in ("one stream", "unigram cache of the last 20", "neural cache", "dynamic"):
        assert word in str(made["protocol"])
    found = figures("evaluate", tmp_path / "adaptive", texts / "train.txt", "--no-yardsticks")
    assert found["perplexity"] == pytest.approx(made["perplexity"])
    shown = wordlab("generate", tmp_path / "adaptive", "--prompt", "the cat the cat")
    assert shown.returncode == 0, shown.stderr
    sizes = tmp_path / "adaptive" / "members" / "lstm" / "gradients.safetensors"
    write_tensors(sizes, {"other": torch.zeros(2)}, {"wordlab": "1"})
    line = refusal("evaluate", tmp_path / "adaptive", texts / "train.txt")
    assert "gradients.safetensors: does not fit the network beside it; mix the runs again" in line


def test_what_cannot_be_mixed_is_refused(runs: Path, texts: Path, tmp_path: Path) -> None:
    tune = ["--tune", texts / "validation.txt", "--run", tmp_path / "never"]
    assert "different ways" in refusal("mix", runs / "lstm", runs / "stream", *tune)
    other = tmp_path / "other"
    options = ["--set", "model.type=kneser-ney", "--set", "vocabulary.size=8"]
    assert wordlab("train", texts / "train.txt", "--run", other, *options).returncode == 0
    assert "another vocabulary" in refusal("mix", runs / "kn", other, *tune)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    assert "empty.txt" in refusal("mix", runs / "kn", "--tune", empty, "--run", tmp_path / "never")
    assert not (tmp_path / "never").exists()
    assert "not empty" in refusal(
        "mix", runs / "kn", "--tune", texts / "validation.txt", "--run", runs / "lstm"
    )


def test_damaged_mixtures_are_refused(runs: Path, texts: Path, tmp_path: Path) -> None:
    tune = texts / "validation.txt"
    path = tmp_path / "mixed"
    assert wordlab("mix", runs / "kn", "--tune", tune, "--run", path).returncode == 0
    settings = json.loads((path / "mixture.json").read_text())
    for damage, said in (
        ({"weights": [[0.5, 0.5]]}, "rows of weights"),
        ({"weights": [[1.0], [1.0]]}, "rows of weights"),
        ({"members": ["../../kn"]}, "members"),
        ({"members": []}, "members"),
    ):
        (path / "mixture.json").write_text(json.dumps({**settings, **damage}))
        assert said in refusal("evaluate", path, tune)


def test_arpa_there_and_back(runs: Path, texts: Path, tmp_path: Path) -> None:
    text = texts / "validation.txt"
    assert wordlab("arpa", "write", runs / "kn", tmp_path / "kn.arpa.gz").returncode == 0
    with gzip.open(tmp_path / "kn.arpa.gz", "rt") as written:
        assert written.readline() == "\\data\\\n"
    found = figures("arpa", "read", tmp_path / "kn.arpa.gz", "--run", tmp_path / "back")
    assert found["2-grams"] > 10  # type: ignore[operator]
    own = figures("evaluate", runs / "kn", text)
    back = figures("evaluate", tmp_path / "back", text, "--no-yardsticks")
    assert back["nats_per_token"] == pytest.approx(own["nats_per_token"], abs=1e-6)
    options = ["--run", tmp_path / "like", "--like", runs / "lstm"]
    assert wordlab("arpa", "read", tmp_path / "kn.arpa.gz", *options).returncode == 0
    assert Run.load(tmp_path / "like").vocabulary.hash == Run.load(runs / "lstm").vocabulary.hash
    tune = ["--tune", text, "--run", tmp_path / "mixed"]
    assert wordlab("mix", runs / "lstm", tmp_path / "like", *tune).returncode == 0
    assert "has no ARPA form" in refusal("arpa", "write", runs / "lstm", tmp_path / "never")


def test_bad_arpa_files_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "bad.arpa").write_text("\\data\\\nngram 1=1\n\n\\1-grams:\nx\ta\n\n\\end\\\n")
    refused = refusal("arpa", "read", tmp_path / "bad.arpa", "--run", tmp_path / "never")
    assert "bad.arpa:5:1" in refused
    assert not (tmp_path / "never").exists()
    assert "no such file" in refusal(
        "arpa", "read", tmp_path / "none.arpa", "--run", tmp_path / "never"
    )


def test_a_model_that_does_not_fit_into_memory_is_refused_before_any_work(
    texts: Path, tmp_path: Path
) -> None:
    options = ["--set", "model.type=gru", "--set", "model.hidden=400000"]
    refused = refusal("train", texts / "train.txt", "--run", tmp_path / "big", *options)
    assert "GiB of memory are free" in refused
    assert "model.hidden" in refused
    assert not (tmp_path / "big").exists()


def test_a_kneser_ney_of_a_tiny_text_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b\nb a\na a b\n")
    options = ["--set", "model.type=kneser-ney", "--validation", tmp_path / "a.txt"]
    done = wordlab("train", tmp_path / "a.txt", "--run", tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    assert "discounts" in done.stderr


def test_blank_lines_and_columns(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b\n\nb a\n")
    blank = json.loads(
        wordlab(
            "prepare", tmp_path / "a.txt", "--set", "text.layout=every-line", "--json", cwd=tmp_path
        ).stdout
    )
    assert blank["texts"][0]["sentences"] == 3
    (tmp_path / "c.txt").write_text("-DOCSTART- X\n\na\tNN\nb\tNN\n\nb NN x\n")
    rows = json.loads(
        wordlab(
            "prepare", tmp_path / "c.txt", "--set", "text.layout=columns", "--json", cwd=tmp_path
        ).stdout
    )
    assert (rows["texts"][0]["sentences"], rows["texts"][0]["words"]) == (2, 3)


def test_nothing_is_carried_over_the_end_of_a_file(runs: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("the cat sat .\nthe dog sat .\n")
    two.write_text("a dog saw the cat .\n")
    both = tmp_path / "both.txt"
    both.write_text(one.read_text() + two.read_text())
    mixed = tmp_path / "mixed"
    again = tmp_path / "again.txt"
    again.write_text("mouse dog mouse dog rug dog .\n" * 3)  # so that the cache has a weight
    cache = ["--unigram-cache", "9", "--tune", again, "--run", mixed]
    assert wordlab("mix", runs / "kn", *cache).returncode == 0

    def nats(run: Path, *files: Path) -> float:
        found = figures("evaluate", run, *files, "--no-yardsticks")
        return found["nats_per_token"] * found["targets"]  # type: ignore[operator, return-value]

    for run in (runs / "stream", mixed):
        apart = nats(run, one) + nats(run, two)
        assert nats(run, one, two) == pytest.approx(apart, abs=1e-5)
        assert nats(run, both) != pytest.approx(apart, abs=1e-4)
        shown = wordlab("score", run, one, two, "--end", "--format", "jsonl").stdout
        rows = [json.loads(line) for line in shown.splitlines()]
        assert sum(row["nats"] for row in rows) == pytest.approx(apart, abs=1e-5)
        assert [row["sentence"] for row in rows][-1] == 3


def test_a_small_run_is_exported_and_used(runs: Path, texts: Path, tmp_path: Path) -> None:
    small, text = tmp_path / "small", texts / "validation.txt"
    cost = figures("export", runs / "stream", small, "--weights", "int8")
    assert cost["bytes"] < cost["bytes_before"]  # type: ignore[operator]
    assert abs(cost["cost_nats_per_token"]) < 0.05  # type: ignore[arg-type]
    assert figures("evaluate", small, text)["weights"] == "int8"
    assert "Weights kept as int8" in wordlab("evaluate", small, text).stdout
    each = [
        wordlab("score", small, text, "--reading", way).stdout for way in ("sentences", "stream")
    ]
    assert each[0] != each[1] == wordlab("score", small, text).stdout
    about = figures("export", small, tmp_path / "net.onnx")
    assert Path(str(about["about"])).exists()
    assert "has float32" in refusal(
        "export", small, tmp_path / "other.onnx", "--weights", "bfloat16"
    )
    assert "holds no training text" in refusal("resume", small)
