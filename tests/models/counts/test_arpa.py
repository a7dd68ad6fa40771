"""ARPA files of other tools, of our own, and broken ones."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.models.counts import arpa
from wordlab.models.counts.arpa import read_arpa, write_arpa
from wordlab.models.counts.backoff import BackoffModel, Ngrams
from wordlab.models.counts.backoff_tables import build_model
from wordlab.models.counts.kneser_ney import estimate

VOCABULARY = Vocabulary(
    ("UNKNOWN", "BEGIN", "END", "a", "b", "c", "d"), np.ones(7, dtype=np.int64), 0, 1, 2
)
TYPES = len(VOCABULARY)

texts = st.lists(st.lists(st.sampled_from([0, 3, 4, 5]), max_size=7), min_size=1, max_size=10)

KENLM = """\
\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-0.8\t<unk>\t0
0\t<s>\t-0.3
-0.7\t</s>\t0
-0.5\ta\t-0.2
-0.4\tb\t-0.1

\\2-grams:
-0.2\t<s> a\t-0.15
-0.3\ta b\t-0.05
-0.6\tb b\t0
-0.45\tb </s>\t0

\\3-grams:
-0.1\t<s> a b
-0.25\ta b </s>

\\end\\
"""

# The same model as other tools write it: text before it, spaces, no weight where it is 0, -99 for
# the start, entries in another order, CRLF, the unknown word in upper case.
SRILM = """\
some words of the tool

\\data\\
ngram 1=5
ngram  2 = 4
ngram 3=2


\\1-grams:
-0.4 b -0.1
-0.7\t</s>
-99 <s> -0.3
-0.5   a   -0.2
-0.8 <UNK>

\\2-grams:
-0.45\tb </s>
-0.6 b b
-0.3\ta b\t-0.05
-0.2\t<s> a\t-0.15

\\3-grams:
-0.25\ta b </s>\t0
 -0.1\t<s> a b

\\end\\
a word behind the end
""".replace("\n", "\r\n")


def write(folder: Path, text: str) -> Path:
    path = folder / "model.arpa"
    path.write_bytes(text.encode())
    return path


def decimal(path: Path, *words: str) -> float:
    """log10 of the last word's probability behind the others."""
    found = read_arpa(path)
    ids = [found.words.index(word) for word in words]
    context = ([found.unknown] * len(found.model.orders) + ids[:-1])[-len(found.model.orders) + 1 :]
    nats = found.model.target_log_probs(torch.tensor([context]), torch.tensor(ids[-1:]))
    return float(nats) / math.log(10)


@pytest.mark.parametrize("text", [KENLM, SRILM], ids=["kenlm", "srilm"])
def test_models_of_other_tools(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    found = read_arpa(path)
    assert found.notes == ()
    assert found.model.sizes == (5, 4, 2)
    unknown = found.words[found.unknown]
    assert unknown.lower() == "<unk>"
    assert found.vocabulary.encode(["b", "nothing"]) == [found.words.index("b"), found.unknown]
    assert decimal(path, "<s>", "a", "b") == pytest.approx(-0.1)  # listed
    assert decimal(path, "b", "a", "b") == pytest.approx(-0.3)  # b a is no context
    assert decimal(path, "a", "b", "b") == pytest.approx(-0.05 - 0.6)  # b(a b) p(b | b)
    assert decimal(path, "<s>", "a", "a") == pytest.approx(-0.15 - 0.2 - 0.5)
    assert decimal(path, "a", "b", unknown) == pytest.approx(-0.05 - 0.1 - 0.8)
    assert decimal(path, "<s>", "b") == pytest.approx(-0.3 - 0.4)
    assert decimal(path, "a", "<s>") == -math.inf


def test_words_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert read_arpa(write(tmp_path, KENLM)).words == ("<unk>", "<s>", "</s>", "a", "b")
    assert read_arpa(write(tmp_path, SRILM)).words == ("b", "</s>", "<s>", "a", "<UNK>")


def test_only_tabs_and_spaces_part_columns(tmp_path: Path) -> None:
    # A no-break space, a vertical tab and a line separator belong to the word.
    word = "5\u00a00\u2028\v1"
    path = write(tmp_path, KENLM.replace("\ta\t-0.2", f"\t{word}\t-0.2").replace(" a", " " + word)
                 .replace("\ta b", f"\t{word} b"))  # fmt: skip
    assert read_arpa(path).words[3] == word
    assert decimal(path, "<s>", word, "b") == pytest.approx(-0.1)


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_chunks_join(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_arpa(write(tmp_path, SRILM))
    monkeypatch.setattr(arpa, "_CHUNK_LINES", lines)
    parted = read_arpa(write(tmp_path, SRILM))
    assert parted.words == whole.words
    for name, tensor in whole.model.tensors().items():
        assert torch.equal(parted.model.tensors()[name], tensor), name


def test_markers_that_a_file_lacks(tmp_path: Path) -> None:
    path = write(tmp_path, "\\data\\\nngram 1=1\n\\1-grams:\n-0.1 a\n\\end\\\n")
    found = read_arpa(path)
    assert found.words == ("a", "<unk>", "<s>", "</s>")
    assert found.notes == (
        "there is no <unk>: unknown words have the probability 0",
        "there is no <s>: sentences begin without a context",
        "there is no </s>: the end of a sentence has the probability 0",
    )
    log_probs = found.model.log_probs(torch.zeros(1, 0, dtype=torch.int64))
    assert log_probs[0].tolist() == pytest.approx([-0.1 * math.log(10)] + [-math.inf] * 3)


def without(text: str, line: str, counts: tuple[str, str]) -> str:
    assert line in text
    return text.replace(line + "\n", "").replace(*counts)


def test_a_context_that_pruning_took(tmp_path: Path) -> None:
    # a b </s> stays though a b, its context, is gone.
    path = write(tmp_path, without(KENLM, "-0.3\ta b\t-0.05", ("2=4", "2=3")))
    found = read_arpa(path)
    assert found.notes == ("1 n-gram that longer ones build on had to be added",)
    assert found.model.sizes == (5, 4, 2)
    assert decimal(path, "a", "b", "</s>") == pytest.approx(-0.25)
    assert decimal(path, "<s>", "a", "b") == pytest.approx(-0.1)
    assert decimal(path, "b", "a", "b") == pytest.approx(-0.2 - 0.4)  # b(a) p(b)
    assert decimal(path, "a", "b", "b") == pytest.approx(-0.6)  # a b has no weight: p(b | b)
    write_arpa(tmp_path / "whole.arpa", found.model, found.vocabulary)
    assert read_arpa(tmp_path / "whole.arpa").notes == ()


def test_minus_99_is_a_probability_of_zero(tmp_path: Path) -> None:
    path = write(tmp_path, KENLM.replace("-0.45\tb </s>", "-99\tb </s>"))
    assert decimal(path, "b", "b", "</s>") == -math.inf
    found = read_arpa(path)
    write_arpa(path, found.model, found.vocabulary)
    assert "\n-99\tb </s>\t0\n" in path.read_text()
    assert decimal(path, "b", "b", "</s>") == -math.inf


def test_an_order_without_ngrams(tmp_path: Path) -> None:
    longer = KENLM.replace("ngram 3=2", "ngram 3=2\nngram 4=0")
    found = read_arpa(write(tmp_path, longer))
    assert found.model.sizes == (5, 4, 2, 0)
    write_arpa(tmp_path / "again.arpa", found.model, found.vocabulary)
    again = read_arpa(tmp_path / "again.arpa")
    assert again.model.sizes == found.model.sizes
    assert decimal(tmp_path / "again.arpa", "b", "<s>", "a", "b") == pytest.approx(-0.1)


def test_what_cannot_be_written_as_it_is(tmp_path: Path) -> None:
    # A sum that rounds to a little above 1, and a context that leaves nothing to others.
    certain = Ngrams(np.array([[2], [3]]), np.array([1e-13, -1.0]), np.array([0, -np.inf]))
    pairs = Ngrams(np.array([[3, 3]]), np.array([0.0]), np.zeros(1))
    model, _ = build_model([certain, pairs], TYPES, VOCABULARY.start)
    write_arpa(tmp_path / "model.arpa", model, VOCABULARY)
    assert "inf" not in (tmp_path / "model.arpa").read_text()
    p = read_arpa(tmp_path / "model.arpa").model.log_probs(torch.tensor([[3], [4]])).exp()
    assert p[0].tolist() == pytest.approx([0, 0, 0, 1, 0, 0, 0])
    assert float(p[1, 2]) == 1.0


BROKEN = [
    ("no model at all\n", "", "there is no line \\data\\"),
    (KENLM.replace("ngram 2=4", "ngram 2"), ":3:1", "'ngram 2' is no count such as"),
    (KENLM.replace("ngram 2=4", "ngram 3=4"), ":3:1", "counts 3-grams where 2-grams were due"),
    ("\\data\\\n\\1-grams:\n\\end\\\n", ":2:1", "no count of n-grams stands after \\data\\"),
    (KENLM.replace("1=5", "1=6"), ":6:1", "promises 6 1-grams, here are 5"),
    (KENLM.replace("3=2", "3=1"), ":19:1", "promises 1 3-grams, here are 2"),
    (KENLM.replace("\\2-grams", "\\3-grams"), ":13:1", "'\\\\3-grams:' where \\2-grams: was due"),
    (KENLM.replace("\\end\\", "\\4-grams:\n-1 a a a a\n\\end\\"), ":23:1", "'\\\\4-grams:' where"),
    (KENLM.replace("\\end\\\n", ""), ":21:1", "the end of the file where \\end\\"),
    (KENLM.replace("-0.3\ta b", "-O.3\ta b"), ":15:1", "'-O.3' is not a logarithm"),
    (KENLM.replace("-0.3\ta b", "nan\ta b"), ":15:1", "'nan' is not a logarithm"),
    (KENLM.replace("a b\t-0.05", "a b\tinf"), ":15:10", "'inf' is not a logarithm"),
    (KENLM.replace("a\t-0.2", "a\tx"), ":10:8", "'x' is not a logarithm"),
    (KENLM.replace("-0.3\ta b", "0.3\ta b"), ":15:1", "'0.3' is a probability above 1"),
    (KENLM.replace("\tb b", "\tb e"), ":16:8", "'e' is not among the 1-grams"),
    (KENLM.replace("\tb b", "\tb"), ":16:8", "'0' is not among the 1-grams"),
    (KENLM.replace("\tb b\t0", "\tb"), ":16:1", "'-0.6' begins 2 columns, which are no 2-gram"),
    (KENLM.replace("\tb b", "\tb b b"), ":16:1", "'-0.6' begins 5 columns"),
    (KENLM.replace("-0.4\tb", "-0.4\ta"), ":11:6", "'a' stands there twice"),
    (KENLM.replace("\tb b", "\ta b"), ":16:1", "'a b' stands there twice"),
    (KENLM.replace("<s> a b", "a b </s>"), ":21:1", "'a b </s>' stands there twice"),
    (KENLM.replace("\ta b </s>", "\t" + "a" * (1 << 20)), ":21:1", "longer than any"),
    (KENLM.replace("\tb b", "\tb \udcff"), ":16:8", "byte 0xff is not UTF-8"),
]


@pytest.mark.parametrize(("text", "place", "what"), BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("lines", [1, 1000])
def test_broken_files(
    tmp_path: Path, text: str, place: str, what: str, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arpa, "_CHUNK_LINES", lines)
    path = tmp_path / "model.arpa"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WordlabError) as caught:
        read_arpa(path)
    assert caught.value.where == f"{path}{place}"
    assert what in caught.value.what


def contexts_of(sentences: list[list[int]], order: int) -> torch.Tensor:
    text = TokenStore.in_memory([*sentences, [5, 5, 0, 3, 4, 4]], VOCABULARY)
    return torch.cat([batch.inputs for batch in Windows(order).batches(text, 100)])


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(1, 5), st.lists(st.integers(0, 2), max_size=2).map(sorted))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    sentences: list[list[int]],
    order: int,
    prune: list[int],
) -> None:
    path = tmp_path_factory.mktemp("arpa") / "model.arpa.gz"
    text = TokenStore.in_memory(sentences, VOCABULARY)
    model = estimate(text, order, TYPES, prune=[0, *prune][:order]).model
    write_arpa(path, model, VOCABULARY)
    found = read_arpa(path)
    assert found.words == ("<unk>", "<s>", "</s>", "a", "b", "c", "d")
    assert (found.unknown, found.start, found.end, found.notes) == (0, 1, 2, ())
    assert found.model.sizes == model.sizes
    contexts = contexts_of(sentences, order)
    expected = model.log_probs(contexts).numpy()
    assert found.model.log_probs(contexts).numpy() == pytest.approx(expected, abs=1e-6)
    renamed, notes = found.onto(VOCABULARY)
    assert notes == ()
    assert renamed.log_probs(contexts).numpy() == pytest.approx(expected, abs=1e-6)


def model_of_letters() -> BackoffModel:
    sentences = [[3, 4, 3], [3, 5, 0], [4, 4, 3, 5], [5, 3]]
    return estimate(TokenStore.in_memory(sentences, VOCABULARY), 3, TYPES).model


def test_the_written_file(tmp_path: Path) -> None:
    model = model_of_letters()
    write_arpa(tmp_path / "model.arpa", model, VOCABULARY)
    text = (tmp_path / "model.arpa").read_text()
    lines = text.splitlines()
    assert lines[:5] == ["\\data\\", "ngram 1=7", f"ngram 2={model.sizes[1]}",
                         f"ngram 3={model.sizes[2]}", ""]  # fmt: skip
    assert lines[5] == "\\1-grams:"
    assert lines[7].split("\t")[:2] == ["-99", "<s>"]
    assert lines[-1] == "\\end\\"
    assert all(
        float(p) <= 0 and len(words.split(" ")) == 3
        for p, words in (
            line.split("\t") for line in text.split("\\3-grams:\n")[1].split("\n")[:-3]
        )
    )
    for name in ("first.arpa.gz", "second.arpa.gz"):
        write_arpa(tmp_path / name, model, VOCABULARY)
    first, second = ((tmp_path / f"{n}.arpa.gz").read_bytes() for n in ("first", "second"))
    assert first == second
    assert first[3:8] == bytes(5)  # neither a name nor the time
    assert gzip.decompress(first).decode() == text


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WordlabError, match="No such file"):
        write_arpa(tmp_path / "nowhere" / "model.arpa", model_of_letters(), VOCABULARY)
    (tmp_path / "folder.arpa").mkdir()
    with pytest.raises(WordlabError, match="directory"):
        write_arpa(tmp_path / "folder.arpa", model_of_letters(), VOCABULARY)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.arpa"]


@pytest.mark.parametrize("word", ["<s>", "<unk>", "two words", "a\tb", "a\nb", "a\r", ""])
def test_words_that_no_arpa_file_can_hold(tmp_path: Path, word: str) -> None:
    words = Vocabulary((*VOCABULARY.words[:-1], word), VOCABULARY.counts, 0, 1, 2)
    with pytest.raises(WordlabError, match="cannot stand in an ARPA file"):
        write_arpa(tmp_path / "model.arpa", model_of_letters(), words)
    assert not list(tmp_path.iterdir())


def test_a_word_spelled_like_another_vocabularys_marker(tmp_path: Path) -> None:
    found = read_arpa(write(tmp_path, KENLM))
    vocabulary = Vocabulary(("a", "BEGIN", "END", "b"), np.ones(4, dtype=np.int64), 0, 1, 2)
    with pytest.raises(WordlabError, match="lacks 1 word of the model: 'a'"):
        found.onto(vocabulary)


def test_onto_a_vocabulary_that_lacks_words(tmp_path: Path) -> None:
    model = model_of_letters()
    write_arpa(tmp_path / "model.arpa", model, VOCABULARY)
    found = read_arpa(tmp_path / "model.arpa")
    smaller = Vocabulary(("</s>", "e", "b", "<s>", "a", "?"), np.ones(6, dtype=np.int64), 5, 3, 0)
    with pytest.raises(WordlabError, match="lacks 2 words of the model: 'c', 'd'"):
        found.onto(smaller)
    renamed, notes = found.onto(smaller, drop=True)
    assert notes == (
        "dropped 2 words not in the vocabulary: 'c', 'd'",
        "1 word without probability: 'e'",
    )
    contexts = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    p = renamed.log_probs(contexts).double().exp()
    assert p.sum(dim=1).tolist() == pytest.approx([1.0] * 36, abs=1e-6)
    assert p[:, 1].tolist() == [0.0] * 36
    # Behind an unknown pair stand unigrams: the unknown word has what c and d had.
    unigrams = model.log_probs(torch.tensor([[6, 6]])).double().exp()[0]
    behind = renamed.log_probs(torch.tensor([[1, 1]])).double().exp()[0]
    assert behind[5] == pytest.approx(float(unigrams[0] + unigrams[5] + unigrams[6]))
    assert behind[4] == pytest.approx(float(unigrams[3]))
    # What is listed keeps its probability: p(b | <s> a), and p(a | b).
    assert renamed.target_log_probs(
        torch.tensor([[3, 4], [1, 2]]), torch.tensor([2, 4])
    ).tolist() == (
        pytest.approx(
            model.target_log_probs(torch.tensor([[1, 3], [6, 4]]), torch.tensor([4, 3])).tolist()
        )
    )
