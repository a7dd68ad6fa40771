"""Second readings against all paths, one by one."""

from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.packing import Packing
from wordlab.batching.tagging import TagBatch, WordTable
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.corpus.labelled.spans import Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.models.taggers.chains import NEVER, Chains, best_paths
from wordlab.models.taggers.outputs import CrfSettings, SoftmaxTagsSettings
from wordlab.models.taggers.paths import Paths, Spelling

Entities = tuple[Span, ...]


def spelled(tags: TagSet, path: tuple[int, ...]) -> Entities:
    return tuple(SCHEMES[tags.scheme].spans([tags.tags[tag] for tag in path], lenient=True))


def paths_of(tags: TagSet, seed: int, lengths: tuple[int, ...], legal: bool) -> Paths:
    """Chains with scores at random."""
    draw = np.random.default_rng(seed)
    size, packing = len(tags.tags), Packing.of(np.array(lengths))
    scores = 3 * draw.normal(size=(sum(lengths), size))
    links, begins, ends = (draw.normal(size=s) for s in ((size, size), size, size))
    if legal:
        links = np.where(tags.legal, links, NEVER)
        begins, ends = np.where(tags.may_begin, begins, NEVER), np.where(tags.may_end, ends, NEVER)
    total = Chains.of(scores, links, begins, ends, packing.steps.tolist()).log_total
    return Paths(scores, links, begins, ends, total, packing)


def one_by_one(of: Paths) -> Iterator[tuple[list[int], dict[tuple[int, ...], float]]]:
    """Each sequence's packed rows, and the natural log of the probability of each of its paths."""
    for sequence, length in enumerate(of.packing.lengths.tolist()):
        rows = [int(of.packing.firsts[time]) + sequence for time in range(length)]
        found = {
            path: of.begins[path[0]]
            + of.ends[path[-1]]
            + sum(of.scores[row, tag] for row, tag in zip(rows, path, strict=True))
            + sum(of.links[a, b] for a, b in pairwise(path))
            - of.log_total[sequence]
            for path in product(range(len(of.ends)), repeat=length)
        }
        yield rows, found


def sum_of(logs: list[float]) -> float:
    return float(np.logaddexp.reduce(logs))


@settings(deadline=None, max_examples=60)
@given(
    scheme=st.sampled_from(list(SCHEMES)),
    types=st.sampled_from([("A",), ("A", "B")]),
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    legal=st.booleans(),
)
def test_the_second_reading_is_the_best_path_with_other_entities(
    scheme: str, types: tuple[str, ...], seed: int, lengths: list[int], legal: bool
) -> None:
    tags = TagSet(scheme, types)
    of = paths_of(tags, seed, tuple(sorted(lengths, reverse=True)), legal)
    steps = of.packing.steps.tolist()
    best = best_paths(of.scores, of.links, of.begins, of.ends, steps)
    first = Spelling.of(best, of.packing, tags)
    second = of.best_other(first)
    sure = of.log_probability(first), of.log_probability(Spelling.of(second, of.packing, tags))
    for number, (rows, every) in enumerate(one_by_one(of)):
        ranked = sorted(every, key=every.__getitem__, reverse=True)
        own = spelled(tags, ranked[0])
        others = [path for path in ranked if spelled(tags, path) != own]
        assert tuple(best[rows]) == ranked[0]
        assert tuple(second[rows]) == others[0]
        for found, reading in zip(sure, (own, spelled(tags, others[0])), strict=True):
            wanted = sum_of([every[path] for path in ranked if spelled(tags, path) == reading])
            assert found[number] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_which_schemes_spell_entities_in_one_way_only(scheme: str) -> None:
    tags = TagSet(scheme, ("A", "B"))
    seen: dict[Entities, int] = {}
    for path in product(range(len(tags.tags)), repeat=3):
        legal = tags.may_begin[path[0]] and tags.may_end[path[-1]]
        if legal and all(tags.legal[a, b] for a, b in pairwise(path)):
            seen[spelled(tags, path)] = seen.get(spelled(tags, path), 0) + 1
    assert max(seen.values()) == (8 if scheme in {"IOB1", "IOE1"} else 1)


def test_all_readings_together_are_certain() -> None:
    tags = TagSet("IOB1", ("A", "B"))
    of = paths_of(tags, 1, (3,), legal=True)
    readings = {
        spelled(tags, path): np.array(path) for path in product(range(len(tags.tags)), repeat=3)
    }
    sure = [
        of.log_probability(Spelling.of(path, of.packing, tags))[0] for path in readings.values()
    ]
    assert sum_of(sure) == pytest.approx(0.0, abs=1e-12)


def test_some_sequences_are_read_as_they_are_among_others() -> None:
    tags = TagSet("BIOES", ("A", "B"))
    of = paths_of(tags, 3, (5, 4, 4, 2, 1), legal=True)
    best = best_paths(of.scores, of.links, of.begins, of.ends, of.packing.steps.tolist())
    spelling = Spelling.of(best, of.packing, tags)
    few, rows = of.only(np.array([1, 3, 4]))
    assert few.packing.lengths.tolist() == [4, 2, 1]
    assert few.best_other(spelling.only(rows)).tolist() == of.best_other(spelling)[rows].tolist()
    sure = few.log_probability(spelling.only(rows))
    assert sure.tolist() == of.log_probability(spelling)[[1, 3, 4]].tolist()


def test_long_chains_with_large_scores_stay_finite() -> None:
    tags = TagSet("BIOES", ("A", "B"))
    of = paths_of(tags, 1, (3000,), legal=True)
    scores = 10 * of.scores
    total = Chains.of(scores, of.links, of.begins, of.ends, (1,) * 3000).log_total
    of = Paths(scores, of.links, of.begins, of.ends, total, of.packing)
    best = best_paths(scores, of.links, of.begins, of.ends, (1,) * 3000)
    second = of.best_other(Spelling.of(best, of.packing, tags))
    sure = [of.log_probability(Spelling.of(p, of.packing, tags))[0] for p in (best, second)]
    assert np.isfinite(sure).all()
    assert sure[1] < sure[0] <= 1e-6
    assert (best != second).sum() < 10


def batch_of(lengths: tuple[int, ...], targets: torch.Tensor) -> TagBatch:
    steps = tuple(Packing.of(np.array(lengths)).steps.tolist())
    words = torch.zeros(sum(lengths), dtype=torch.int64)
    numbers = np.arange(len(lengths))
    return TagBatch(WordTable(torch.empty(0, 0)), words, targets, steps, numbers)


def test_a_reading_of_a_crf_is_as_probable_as_its_loss_says() -> None:
    tags = TagSet("BIOES", ("A", "B"))
    torch.manual_seed(1)
    output = CrfSettings().build(4, tags)
    with torch.no_grad():
        for weights in output.parameters():
            weights.normal_()
    output.temperature = 1.7
    features = torch.randn(4, 4)
    reading = output.read(features, batch_of((4,), torch.zeros(4)))
    spelling = Spelling.of(reading.tags, reading.paths().packing, tags)
    second = reading.paths().best_other(spelling)
    for path in (reading.tags, second):
        found = reading.paths().log_probability(Spelling.of(path, reading.paths().packing, tags))
        nats = output.nats(features, batch_of((4,), torch.from_numpy(path)))
        assert found[0] == pytest.approx(-nats, abs=1e-9)
    assert reading.along(second).tags.tolist() == second.tolist()


@pytest.mark.parametrize("legal", [True, False])
@pytest.mark.parametrize("scheme", ["BIOES", "IOB1"])
def test_a_reading_of_single_words_is_the_product_of_their_probabilities(
    scheme: str, legal: bool
) -> None:
    tags = TagSet(scheme, ("A", "B"))
    torch.manual_seed(2)
    output = SoftmaxTagsSettings(legal=legal).build(4, tags)
    with torch.no_grad():
        reading = output.read(torch.randn(3, 4), batch_of((3,), torch.zeros(3)))
    marginals, of = reading.marginals(), reading.paths()
    wanted: dict[Entities, list[tuple[float, tuple[int, ...]]]] = {}
    for path in product(range(len(tags.tags)), repeat=3):
        ends = tags.may_begin[path[0]] and tags.may_end[path[-1]]
        if not legal or (ends and all(tags.legal[a, b] for a, b in pairwise(path))):
            probability = float(np.prod(marginals[range(3), path]))
            wanted.setdefault(spelled(tags, path), []).append((probability, path))
    ranked = sorted(wanted.items(), key=lambda item: max(item[1]), reverse=True)
    first = Spelling.of(reading.tags, of.packing, tags)
    second = of.best_other(first)
    for path, (entities, ways) in zip((reading.tags, second), ranked, strict=False):
        assert spelled(tags, tuple(path)) == entities
        found = of.log_probability(Spelling.of(path, of.packing, tags))
        assert np.exp(found[0]) == pytest.approx(sum(probability for probability, _ in ways))
