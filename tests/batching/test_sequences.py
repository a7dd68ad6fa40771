"""Readings of sequences: every token once, in its place, with what came before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordlab.batching.batch import Batch, Order
from wordlab.batching.packing import Packing
from wordlab.batching.sequences import Sentences, Stream
from wordlab.corpus.store import TokenStore
from wordlab.corpus.vocabulary import Vocabulary

UNK, START, END = 0, 1, 2
VOCABULARY = Vocabulary(
    ("<unk>", "<s>", "</s>", *(f"w{i}" for i in range(7))), np.arange(10, 0, -1), UNK, START, END
)

sentences = st.lists(st.lists(st.integers(3, 9), max_size=9), min_size=1, max_size=12)
orders = st.one_of(st.none(), st.builds(Order, st.integers(0, 99), st.integers(0, 5)))


def store(rows: list[list[int]]) -> TokenStore:
    return TokenStore.in_memory(rows, VOCABULARY)


def read(batches: list[Batch]) -> list[tuple[int, list[int], int]]:
    """The position, all inputs since the state was zero, and the target, of each target."""
    found: list[tuple[int, list[int], int]] = []
    seen: list[list[int]] = []
    for batch in batches:
        assert sum(batch.steps) == len(batch.inputs)
        assert list(batch.steps) == sorted(batch.steps, reverse=True)
        if not batch.continues:
            seen = [[] for _ in range(batch.steps[0])]
        at, histories = 0, []
        for count in batch.steps:
            for sequence in range(count):
                seen[sequence].append(int(batch.inputs[at]))
                histories.append(list(seen[sequence]))
                at += 1
        rows = range(at) if batch.counted is None else batch.counted.tolist()
        targets = batch.targets.tolist()
        found += [
            (int(p), histories[row], t)
            for p, row, t in zip(batch.positions, rows, targets, strict=True)
        ]
    return sorted(found)


@settings(deadline=None)
@given(sentences, st.integers(1, 30), orders, st.integers(0, 3))
def test_sentences_are_read_whole_each_from_its_beginning(
    rows: list[list[int]], size: int, order: Order | None, unpredicted: int
) -> None:
    reading = Sentences(unpredicted)
    wanted, position = [], 0
    for row in rows:
        words = [*row, END]
        for place, word in enumerate(words):
            if place >= unpredicted:
                wanted.append((position + place, [START, *words[:place]], word))
        position += len(words)
    batches = list(reading.batches(store(rows), size, order=order))
    assert read(batches) == wanted
    counts = np.bincount([word for *_, word in wanted], minlength=10)
    assert (reading.target_counts(store(rows), 10) == counts).all()
    longest = max(len(row) + 1 for row in rows)
    most = size if order is None else max(size, longest)
    assert all(len(batch.inputs) <= most for batch in batches)


def test_a_batch_of_one_target_is_a_whole_sentence_in_training() -> None:
    text = store([[3, 4, 5], [6], [7, 8]])
    batches = list(Sentences().batches(text, 1, order=Order(1, 1)))
    assert sorted(len(batch.inputs) for batch in batches) == [2, 3, 4]
    assert not any(batch.continues for batch in batches)


def test_an_endless_sentence_is_cut_and_goes_on_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wordlab.batching.sequences.LONGEST", 4)
    batches = list(Sentences().batches(store([[3] * 9, [4]]), 2, order=Order(1, 1)))
    long = [batch for batch in batches if len(batch.inputs) != 2 or batch.continues]
    assert [(len(batch.inputs), batch.continues) for batch in long] == [
        (4, False),
        (4, True),
        (2, True),
    ]


@settings(deadline=None)
@given(sentences, st.integers(1, 30), orders, st.integers(1, 5), st.sampled_from([0.0, 0.5]))
def test_a_stream_is_read_in_lanes_whose_states_are_carried(
    rows: list[list[int]], size: int, order: Order | None, lanes: int, jitter: float
) -> None:
    text = store(rows)
    found = read(list(Stream(4, lanes, jitter).batches(text, size, order=order)))
    ids = [int(i) for i in text.ids]
    assert [(p, t) for p, _, t in found] == list(enumerate(ids))
    lengths = []
    for position, history, _ in found:
        begin = position - len(history) + 1
        assert history[0] == END
        assert history[1:] == ids[begin:position]
        if len(history) == 1:
            lengths.append(0)
        lengths[-1] += 1
    assert len(lengths) == min(lanes, len(ids))
    assert max(lengths) - min(lengths) <= 1


@settings(deadline=None)
@given(sentences, st.integers(1, 30), orders, st.integers(1, 5))
def test_a_rotated_stream_is_read_whole_from_other_places(
    rows: list[list[int]], size: int, order: Order | None, lanes: int
) -> None:
    text = store(rows)
    ids = [int(i) for i in text.ids]
    found = read(list(Stream(4, lanes, rotate=True).batches(text, size, order=order)))
    assert [(p, t) for p, _, t in found] == list(enumerate(ids))
    for position, history, _ in found:
        assert history[0] == END
        assert history[-1] == (END if len(history) == 1 or not position else ids[position - 1])
    if order is None:
        assert found == read(list(Stream(4, lanes).batches(text, size)))


def test_each_epoch_rotates_each_lane_anew() -> None:
    text = store([[3, 4, 5, 6]] * 100)

    def firsts(epoch: int) -> list[int]:
        batch = next(iter(Stream(10, 4, rotate=True).batches(text, 40, order=Order(1, epoch))))
        return [int(p) for p in batch.positions[:4]]

    assert firsts(1) == firsts(1)
    assert firsts(1) != firsts(2)
    assert [place // 125 for place in firsts(1)] == [0, 1, 2, 3]
    assert len({place % 125 for place in firsts(1)}) > 1


def test_the_length_of_a_streams_steps_varies_only_in_training() -> None:
    text = store([[3, 4, 5, 6]] * 100)
    reading = Stream(10, 2, 0.5)
    lengths = [len(b.steps) for b in reading.batches(text, 20, order=Order(1, 1))]
    assert len(set(lengths[:-1])) > 3
    assert min(lengths[:-1]) >= 5
    assert max(lengths[:-1]) <= 15
    assert {len(b.steps) for b in reading.batches(text, 20)} == {10}
    again = [len(b.steps) for b in reading.batches(text, 20, order=Order(1, 1))]
    assert again == lengths
    other = [len(b.steps) for b in reading.batches(text, 20, order=Order(1, 2))]
    assert other != lengths


def test_training_orders_differ_and_repeat() -> None:
    text = store([[3 + i % 7] * (i % 9) for i in range(200)])

    def firsts(order: Order) -> list[int]:
        return [int(b.positions[0]) for b in Sentences().batches(text, 40, order=order)]

    assert firsts(Order(1, 1)) == firsts(Order(1, 1))
    assert firsts(Order(1, 1)) != firsts(Order(1, 2))


def test_sentences_of_like_length_go_together_in_training() -> None:
    rng = np.random.default_rng(1)
    text = store([[3] * int(rng.integers(1, 40)) for _ in range(600)])

    def spread(order: Order | None) -> float:
        batches = Sentences().batches(text, 200, order=order)
        return float(np.mean([b.steps[0] / np.mean(b.steps) for b in batches]))

    assert spread(Order(1, 1)) < 1.3 < 1.5 < spread(None)


def test_an_empty_text_has_no_batch() -> None:
    assert not list(Sentences().batches(store([]), 10))
    assert not list(Stream().batches(store([]), 10))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_packing_is_by_time_and_longest_first(lengths: list[int]) -> None:
    packing = Packing.of(np.array(sorted(lengths, reverse=True)))
    wanted = [
        (t, s)
        for t in range(max(lengths))
        for s, n in enumerate(sorted(lengths, reverse=True))
        if t < n
    ]
    assert list(zip(packing.time.tolist(), packing.sequence.tolist(), strict=True)) == wanted
    assert [wanted[i] for i in packing.lasts] == [
        (n - 1, s) for s, n in enumerate(sorted(lengths, reverse=True))
    ]


def test_a_stream_in_training_has_as_many_lanes_as_its_batch_has_room_for() -> None:
    assert Stream(35).in_training(700).lanes == 20
    assert Stream(35).in_training(10).lanes == 1
    assert "20 streams" in Stream(35).in_training(700).protocol
    assert "one stream" in Stream(35).protocol
    with pytest.raises(AttributeError):
        Stream(35).lanes = 3  # type: ignore[misc]
