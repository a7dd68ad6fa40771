"""Chains of tags against all their paths, one by one."""

from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.packing import Packing
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.chains import NEVER, Chains, best_paths, chain_nats

Example = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]


def example(seed: int, size: int = 3, lengths: tuple[int, ...] = (4, 2, 1)) -> Example:
    draw = np.random.default_rng(seed)
    steps = tuple(Packing.of(np.array(lengths)).steps.tolist())
    scores = 2 * draw.normal(size=(sum(lengths), size))
    links, begins, ends = (draw.normal(size=s) for s in ((size, size), size, size))
    return scores, links, begins, ends, steps


def all_paths(of: Example) -> Iterator[tuple[list[int], dict[tuple[int, ...], float]]]:
    """Each sequence's packed rows, and the score of each of its paths."""
    scores, links, begins, ends, steps = of
    packing = Packing.from_steps(steps)
    for sequence, length in enumerate(packing.lengths):
        rows = [int(packing.firsts[time]) + sequence for time in range(length)]
        yield (
            rows,
            {
                path: begins[path[0]]
                + ends[path[-1]]
                + sum(scores[row, tag] for row, tag in zip(rows, path, strict=True))
                + sum(links[a, b] for a, b in pairwise(path))
                for path in product(range(scores.shape[1]), repeat=int(length))
            },
        )


@pytest.mark.parametrize("seed", range(5))
def test_totals_marginals_and_best_paths(seed: int) -> None:
    of = example(seed)
    chains = Chains.of(*of)
    marginals, best = chains.marginals(), best_paths(*of)
    expected = np.zeros((3, 3))
    for sequence, (rows, paths) in enumerate(all_paths(of)):
        total = np.logaddexp.reduce(list(paths.values()))
        assert chains.log_total[sequence] == pytest.approx(total, abs=1e-12)
        share = {path: np.exp(score - total) for path, score in paths.items()}
        for time, row in enumerate(rows):
            for tag in range(3):
                own = sum(p for path, p in share.items() if path[time] == tag)
                assert marginals[row, tag] == pytest.approx(own, abs=1e-12)
        for path, p in share.items():
            for pair in pairwise(path):
                expected[pair] += p
        assert tuple(best[rows]) == max(paths, key=paths.__getitem__)
    assert chains.link_counts() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_nats_and_their_gradient(seed: int) -> None:
    *arrays, steps = example(seed)
    tags = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, size=len(arrays[0])))
    given = [torch.from_numpy(array).requires_grad_() for array in arrays]
    nats = chain_nats(*given, tags, steps)
    by_hand = 0.0
    for rows, paths in all_paths((*arrays, steps)):
        by_hand += np.logaddexp.reduce(list(paths.values())) - paths[tuple(tags[rows].tolist())]
    assert nats.item() == pytest.approx(by_hand, abs=1e-10)
    assert torch.autograd.gradcheck(lambda *given: chain_nats(*given, tags, steps), given)


Key = tuple[Span, tuple[int, ...]]


def keys(tag_set: TagSet, path: tuple[int, ...]) -> list[Key]:
    """The entities of a path, with the tags that spell them."""
    tags = [tag_set.tags[tag] for tag in path]
    spans = SCHEMES[tag_set.scheme].spans(tags, lenient=True)
    return [(span, path[span.start : span.end]) for span in spans]


@settings(deadline=None, max_examples=40)
@given(
    scheme=st.sampled_from(["IOB1", "IOB2", "BIOES", "IOE2", "bare"]),
    seed=st.integers(0, 1000),
    length=st.integers(2, 4),
)
def test_entities_have_the_probability_of_the_paths_that_spell_them(
    scheme: str, seed: int, length: int
) -> None:
    tag_set = TagSet(scheme, ("A", "B"))
    size = len(tag_set.tags)
    scores, links, begins, ends, steps = example(seed, size, (length, 2, 1))
    links = np.where(tag_set.legal, links, NEVER)
    begins, ends = (
        np.where(tag_set.may_begin, begins, NEVER),
        np.where(tag_set.may_end, ends, NEVER),
    )
    of = (scores, links, begins, ends, steps)
    chains = Chains.of(*of)
    wanted: list[dict[Key, float]] = []
    every = list(all_paths(of))
    for _, paths in every:
        total = np.logaddexp.reduce(list(paths.values()))
        wanted.append({})
        for path, score in paths.items():
            for key in keys(tag_set, path):
                wanted[-1][key] = wanted[-1].get(key, 0.0) + np.exp(score - total)
    draw = np.random.default_rng(seed)
    for _ in range(30):
        chosen = [list(paths)[draw.integers(len(paths))] for _, paths in every]
        tags = np.empty(len(scores), dtype=np.int64)
        for (rows, _), path in zip(every, chosen, strict=True):
            tags[rows] = path
        entities = tag_set.entities(np.concatenate(chosen), chains.packing.lengths)
        found = chains.probabilities(tags, entities, tag_set.joined)
        probabilities = [
            sure[key]
            for sure, path in zip(wanted, chosen, strict=True)
            for key in keys(tag_set, path)
        ]
        assert found == pytest.approx(probabilities, abs=1e-10)


def test_long_chains_and_wild_scores_stay_finite() -> None:
    scores, links, begins, ends, _ = example(1, 3, (3000,))
    chains = Chains.of(1000 * scores, links, begins, ends, (1,) * 3000)
    assert np.isfinite(chains.log_total).all()
    assert np.allclose(chains.marginals().sum(axis=1), 1)


def test_what_is_illegal_never_happens() -> None:
    tag_set = TagSet("BIOES", ("A",))
    scores = np.zeros((3, 5))
    scores[:, 2] = 50.0  # I-A everywhere
    links = np.where(tag_set.legal, 0.0, NEVER)
    begins, ends = (np.where(may, 0.0, NEVER) for may in (tag_set.may_begin, tag_set.may_end))
    tags = best_paths(scores, links, begins, ends, (1, 1, 1))
    assert [tag_set.tags[tag] for tag in tags] == ["B-A", "I-A", "E-A"]
    marginals = Chains.of(scores, links, begins, ends, (1, 1, 1)).marginals()
    assert marginals[0, 2] == 0.0
