"""Gradients, neighbours, maps and costs."""

import numpy as np
import pytest

from wordlab.corpus.vocabulary import Vocabulary
from wordlab.errors import WordlabError
from wordlab.inspection.gradients import ACTIVATION_SLOPES, agreement_table, compare_gradients
from wordlab.inspection.words.maps import word_map
from wordlab.inspection.words.neighbours import nearest, neighbours_table

VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", "up", "high", "left", "far", "rare"),
    np.array([9, 9, 9, 5, 4, 3, 2, 1]),
    0,
    1,
    2,
)
VECTORS = np.array(
    [[0, 0], [9, 9], [9, 9], [0, 1], [0.1, 3], [-1, 0], [2, 2], [0, 1]], dtype=np.float32
)


def test_the_closed_form_agrees_with_autograd_and_the_fused_layer() -> None:
    found = compare_gradients()
    assert {x.activation for x in found} == set(ACTIVATION_SLOPES)
    assert {x.parameter for x in found} == {"theta", "delta", "a", "beta", "b"}
    assert max(max(x.autograd, x.fused) for x in found) < 1e-10
    assert len(agreement_table(found).rows) == len(found)


def test_neighbours_by_angle_and_by_distance() -> None:
    cosine = nearest(VECTORS, VOCABULARY, ["up"], count=3, among=4)
    assert [x.neighbour for x in cosine] == ["high", "far", "left"]
    assert cosine[1].value == pytest.approx(np.cos(np.pi / 4))
    euclidean = nearest(VECTORS, VOCABULARY, ["up"], count=3, among=4, metric="euclidean")
    assert [x.neighbour for x in euclidean] == ["left", "high", "far"]
    assert euclidean[0].value == pytest.approx(np.sqrt(2))


def test_markers_and_rare_words_are_no_neighbours() -> None:
    found = nearest(VECTORS, VOCABULARY, ["rare"], count=10, among=3)
    assert {x.neighbour for x in found} == {"up", "high", "left"}
    with pytest.raises(WordlabError, match="'<s>' is not in the vocabulary"):
        nearest(VECTORS, VOCABULARY, ["<s>"])


def test_a_vector_of_zeros_has_no_angle() -> None:
    vectors = np.zeros_like(VECTORS)
    assert {x.value for x in nearest(vectors, VOCABULARY, ["up"])} == {0.0}


def test_rows_of_different_length_fill_up() -> None:
    found = nearest(VECTORS, VOCABULARY, ["up", "rare"], count=9, among=4)
    table = neighbours_table(found, 4)
    assert [len(row) for row in table.rows] == [6, 6]


def test_a_map_shows_the_most_frequent_words() -> None:
    chart = word_map(VECTORS, VOCABULARY, words=4)
    assert [row[0] for row in chart.table.rows] == ["up", "high", "left", "far"]
    assert "as-is" in chart.title
    assert chart.table.rows[1][1:3] == pytest.approx((0.1, 3.0))
    with pytest.raises(WordlabError, match="at least 3 words"):
        word_map(VECTORS, VOCABULARY, words=2)
