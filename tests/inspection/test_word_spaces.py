"""Word vectors of several runs: turned onto each other, their neighbours compared, analogies."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.inspection.words.alignment import align, alignment_table, moved_table
from wordlab.inspection.words.analogies import analogy_table, solve_analogy
from wordlab.inspection.words.groups import frequency_groups, read_groups
from wordlab.inspection.words.maps import aligned_map, word_map
from wordlab.inspection.words.space import RunWords, WordSpace
from wordlab.inspection.words.stability import chance, neighbour_stability, stability_table
from wordlab.runs.run import Run

WORDS = 60


def space(name: str, vectors: np.ndarray, words: list[str] | None = None) -> WordSpace:
    """Words w0, w1 .. from the most to the least frequent, behind the markers."""
    own = words or [f"w{number}" for number in range(len(vectors))]
    markers = np.random.default_rng(9).normal(size=(3, vectors.shape[1]))
    counts = np.array([5, 9, 9, *range(len(own) + 10, 10, -1)])
    vocabulary = Vocabulary(("<unk>", "<s>", "</s>", *own), counts, 0, 1, 2)
    return WordSpace(name, np.concatenate([markers, vectors]).astype(np.float32), vocabulary)


def draw(seed: int, words: int = WORDS, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(words, width))


def rotation(width: int) -> np.ndarray:
    return np.linalg.qr(draw(7, width, width))[0]


def test_a_planted_rotation_is_found() -> None:
    vectors = draw(1)
    turned = 3 * vectors @ rotation(5) + np.arange(5)
    turned[4] = -turned[4]
    order = np.random.default_rng(3).permutation(WORDS)
    other = space("b", turned[order], [f"w{number}" for number in order])
    aligned = align(space("a", vectors), other)
    assert aligned.words[:3] == ("w0", "w1", "w2")
    rest = [at for at in range(WORDS) if at != 4]
    assert aligned.distances()[rest].max() < aligned.distances()[4] / 3
    assert moved_table(aligned, WORDS, 3).rows[0][0] == "w4"
    assert aligned.cosines()[4] < 0
    exact = align(space("a", vectors), space("a", 3 * vectors @ rotation(5) + 1))
    np.testing.assert_allclose(exact.first, exact.second, atol=1e-5)
    assert exact.explained == pytest.approx(1)
    assert exact.by_chance < 0.3
    assert exact.names == ("a", "a (2)")
    assert alignment_table(exact).rows[0][:2] == (WORDS, 5)


def test_spaces_of_different_width_are_filled_up() -> None:
    vectors = draw(1)
    wider = np.pad(vectors, ((0, 0), (0, 3))) @ rotation(8)
    for one, other in ((vectors, wider), (wider, vectors)):
        aligned = align(space("a", one), space("b", other))
        np.testing.assert_allclose(aligned.first, aligned.second, atol=1e-5)
    with pytest.raises(WordlabError, match="share 0 words"):
        align(space("a", vectors), space("b", vectors, [f"v{n}" for n in range(WORDS)]))


def test_maps_stand_beside_each_other() -> None:
    vectors = draw(1)
    aligned = align(space("a", vectors), space("b", vectors @ rotation(5)))
    chart = aligned_map(aligned, words=10, groups={"w1": "odd"})
    assert chart.panel == "run"
    records = chart.table.records()
    assert [row["run"] for row in records] == ["a"] * 10 + ["b"] * 10
    for one, other in zip(records[:10], records[10:], strict=True):
        assert one["word"] == other["word"]
        assert [one["x"], one["y"]] == pytest.approx([other["x"], other["y"]], abs=1e-4)
    assert {row["word"]: row["group"] for row in records}["w1"] == "odd"
    assert records[0]["group"] == "other"


def test_groups_of_a_map(tmp_path: Path) -> None:
    own = space("a", draw(1))
    groups = frequency_groups(own.vocabulary)
    assert (groups["w9"], groups["w10"]) == ("words 1-10", "words 11-100")
    chart = word_map(own.vectors, own.vocabulary, words=12, groups=groups)
    assert chart.series == "group"
    assert [row["group"] for row in chart.table.records()] == ["words 1-10"] * 10 + [
        "words 11-100"
    ] * 2
    path = tmp_path / "groups.tsv"
    path.write_text("w1\todd\n\nw2\teven one\n")
    assert read_groups(path) == {"w1": "odd", "w2": "even one"}
    path.write_text("w1\todd\nw2 even\n")
    with pytest.raises(WordlabError, match=r"groups\.tsv:2:1: has no group behind a tab"):
        read_groups(path)
    path.write_text("".join(f"w{n}\t{n}\n" for n in range(30)))
    with pytest.raises(WordlabError, match="has 30 groups"):
        read_groups(path)
    with pytest.raises(WordlabError, match="neither frequency nor class nor a file"):
        read_groups(tmp_path / "none")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equal_runs_agree_wholly_and_rotations_change_nothing(metric: str) -> None:
    vectors = draw(1)
    runs = [space("a", vectors), space("b", vectors), space("c", vectors @ rotation(5))]
    found = neighbour_stability(runs, ["w3"], metric=metric)  # type: ignore[arg-type]
    assert found.overall.jaccard == found.overall.overlap == 1
    assert found.words[0].jaccard == 1
    assert len(found.words[0].in_all) == found.count == 4
    assert "w3" not in found.words[0].in_all
    assert found.among == found.overall_words == WORDS


def test_runs_without_a_likeness_agree_by_chance() -> None:
    runs = [space(str(seed), draw(seed, 300, 20)) for seed in range(4)]
    found = neighbour_stability(runs, [], count=10)
    assert found.overall.overlap == pytest.approx(found.by_chance.overlap, abs=0.01)
    assert found.overall.jaccard == pytest.approx(found.by_chance.jaccard, abs=0.01)


def test_stability_is_the_mean_over_pairs() -> None:
    runs = [space(str(seed), draw(seed, 30, 4)) for seed in range(3)]
    found = neighbour_stability(runs, ["w5", "w29"], count=3, among=20)
    pairs = []
    for word in ("w5", "w29"):
        nearest = []
        for run in runs:
            table, own = run.rows([f"w{n}" for n in range(20)]), run.rows([word])[0]
            cosines = table @ own / np.linalg.norm(table, axis=1)
            others = [n for n in np.argsort(-cosines) if f"w{n}" != word]
            nearest.append(set(others[:3]))
        shared = [len(nearest[a] & nearest[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
        pairs.append((np.mean([s / (6 - s) for s in shared]), np.mean(shared) / 3))
    assert [(w.jaccard, w.overlap) for w in found.words] == [pytest.approx(p) for p in pairs]
    table = stability_table(found)
    assert [row[0] for row in table.rows] == ["w5", "w29", "(mean of 20 words)", "(by chance)"]


def test_chance_is_what_counting_all_draws_gives() -> None:
    draws = list(product(["ab", "ac", "ad", "bc", "bd", "cd"], repeat=2))
    shared = [len(set(one) & set(other)) for one, other in draws]
    assert chance(2, 4).overlap == pytest.approx(np.mean(shared) / 2)
    assert chance(2, 4).jaccard == pytest.approx(np.mean([s / (4 - s) for s in shared]))


def test_stability_refuses_words_and_runs_that_do_not_fit() -> None:
    one, other = space("a", draw(1, 6)), space("b", draw(1, 6), ["w1", "w2", "x", "y", "z", "u"])
    with pytest.raises(WordlabError, match="'w5' is not in the vocabulary"):
        neighbour_stability([one, other], ["w5"])
    with pytest.raises(WordlabError, match="the runs share 2 words, too few for 4 neighbours"):
        neighbour_stability([one, other], [])


def test_an_analogy_and_what_its_exclusion_hides() -> None:
    man, woman, king = np.array([1.0, 0, 0]), np.array([1.0, 1, 0]), np.array([0, 0.1, 3.0])
    words = ["man", "woman", "king", "queen", "far"]
    vectors = np.stack([man, woman, king, king + (woman - man) * 0.5, -king])
    own = space("a", vectors, words)
    found = solve_analogy(own, ("man", "woman", "king"), count=2)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = unit @ (unit[1] - unit[0] + unit[2])
    assert [answer.word for answer in found.answers] == ["queen", "far"]
    assert found.answers[0].value == pytest.approx(values[3], abs=1e-6)
    order = [words[at] for at in np.argsort(-values)]
    assert found.first_of_all == order[0]
    assert [answer.rank_of_all for answer in found.answers] == [
        order.index("queen") + 1,
        order.index("far") + 1,
    ]
    assert [answer.rank for answer in found.answers] == [1, 2]
    hidden = solve_analogy(own, ("man", "man", "king"), count=1)
    assert hidden.first_of_all == "king"
    assert hidden.answers[0].rank_of_all == 2
    assert "the first would be king, a word of the question" in analogy_table(hidden).note
    with pytest.raises(WordlabError, match="did you mean 'queen'"):
        solve_analogy(own, ("man", "woman", "Quen"))


def test_two_states_of_a_training(run: Run, tmp_path: Path) -> None:
    words = RunWords.load(run.path)
    best, last = words.best, words.last
    assert np.array_equal(best.vectors, run.word_vectors())
    assert last.vectors.shape == best.vectors.shape
    assert align(best, last).explained > 0.5
    with pytest.raises(WordlabError, match="is of taggers"):
        words.classes()
