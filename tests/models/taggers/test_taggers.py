"""Every tagger: batches change nothing, its loss is its probabilities', its gradients are right."""

import itertools

import numpy as np
import pytest
import torch

from wordlab.batching.batch import Order
from wordlab.batching.packing import Packing
from wordlab.batching.tagging import TagStore, WordTable
from wordlab.corpus.labelled.lexicon import END, START, Lexicon
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.evaluation.tagging.reading import read_store
from wordlab.models.taggers import outputs, recurrent, window
from wordlab.models.taggers.chains import best_paths
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.glossary import Glossary
from wordlab.models.taggers.recurrent import reversed_places
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, Tagger, build_tagger
from wordlab.training.optimizers import OptimizerSet, SgdSettings

assert outputs
assert recurrent
assert window

TEXT = [
    ("Mara Ellingsen left Turin .", [(0, 2, "PER"), (3, 4, "LOC")]),
    ("Oslo", [(0, 1, "LOC")]),
    ("it rained in 1996 , Bo said .", [(5, 6, "PER")]),
    ("Bo Li", [(0, 1, "PER"), (1, 2, "PER")]),
]
SENTENCES = [
    LabelledSentence(tuple(text.split()), tuple(Span(*span) for span in spans))
    for text, spans in TEXT
]
TAGS = TagSet("BIOES", ("LOC", "PER"))
EVERY = list(itertools.product(TAGGERS, TAG_OUTPUTS))


def made(
    model: str = "window", output: str = "softmax", vectors: bool = False, **features: object
) -> tuple[Tagger, TagStore, Lexicon]:
    given: dict[str, object] = {
        "words": 5,
        "capitals": 2,
        "suffixes": (2,),
        "affix": 3,
        "letters": 3,
        "filters": 4,
    }
    given |= {"shape": 0, "prefixes": (), "word_dropout": 0.0, "dropout": 0.0}
    settings = FeatureSettings.model_validate({**given, "min_feature_count": 1, **features})
    words = [word for sentence in SENTENCES for word in sentence.words]
    lexicon = Lexicon.of_words(
        words,
        form=settings.form,
        features=list(settings.names),
        letters=bool(settings.letters),
        min_feature_count=1,
        known=["oslo", "bergen", "."] if vectors else (),
    )
    table = None
    if vectors:
        own = lexicon.columns["word"]
        rows = torch.arange(float(len(own) + len(lexicon.further)))[:, None].repeat(1, 5)
        known = torch.tensor([w in ("oslo", ".") for w in own] + [True] * len(lexicon.further))
        table = rows.masked_fill(~known[:, None], torch.nan)
    tagger = build_tagger(
        settings,
        TAGGERS[model].model_validate({"hidden": [6]}),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon,
        TAGS,
        seed=1,
        vectors=table,
    )
    if output == "crf":  # links that begin at 0 would hide their faults
        with torch.no_grad():
            for parameter in tagger.output.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator()))
    return tagger.eval(), TagStore.of_labelled(SENTENCES, lexicon, TAGS), lexicon


@pytest.mark.parametrize(("model", "output"), EVERY)
def test_batches_and_their_order_change_nothing(model: str, output: str) -> None:
    tagger, store, lexicon = made(model, output)
    whole = read_store(tagger, store, TAGS, marginals=True)
    for at, sentence in enumerate(SENTENCES):
        own = TagStore.of_labelled([sentence], lexicon, TAGS)
        alone = read_store(tagger, own, TAGS, marginals=True)
        here = slice(store.begins[at], store.begins[at + 1])
        assert alone.marginals == pytest.approx(whole.marginals[here], abs=1e-6)
        assert alone.spans[0] == whole.spans[at]
    assert whole.marginals.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(("model", "output"), EVERY)
def test_the_loss_is_that_of_the_probabilities(model: str, output: str) -> None:
    tagger, store, _ = made(model, output)
    sums = [tagger(batch).nats.item() for size in (1, 4, 100) for batch in store.batches(size)]
    whole = sums[-1]
    assert sum(sums[:4]) == pytest.approx(whole, rel=1e-5)
    assert sum(len(batch.targets) for batch in store.batches(4)) == len(store)
    if output == "softmax":
        marginals = read_store(tagger, store, TAGS, marginals=True).marginals
        of_gold = marginals[np.arange(len(store)), store.tags]
        assert whole == pytest.approx(-np.log(of_gold).sum(), rel=1e-5)


@pytest.mark.parametrize(("model", "output"), EVERY)
def test_gradients(model: str, output: str) -> None:
    tagger, store, _ = made(model, output)
    tagger = tagger.double()
    (batch,) = store.batches(100)
    parameters = [p for p in tagger.parameters() if p.requires_grad]
    tagger(batch).nats.backward()
    draw = torch.Generator().manual_seed(1)
    for parameter in parameters:
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            values = []
            for step in (1e-6, -1e-6):  # small, for the filters' maximum has kinks
                parameter += step * direction
                values.append(float(tagger(batch).nats))
                parameter -= step * direction
        assert parameter.grad is not None
        slope = float((parameter.grad * direction).sum())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("output", list(TAG_OUTPUTS))
def test_only_legal_tags_are_chosen(output: str) -> None:
    tagger, store, _ = made("window", output)
    with torch.no_grad():
        for parameter in tagger.parameters():
            parameter.mul_(20)
    tags = read_store(tagger, store, TAGS).tags
    for begin, end in itertools.pairwise(store.begins):
        path = tags[begin:end]
        assert TAGS.may_begin[path[0]]
        assert TAGS.may_end[path[-1]]
        assert all(TAGS.legal[pair] for pair in itertools.pairwise(path))


@pytest.mark.parametrize(
    ("output", "settings"), [("softmax", {}), ("softmax", {"legal": False}), ("crf", {})]
)
def test_the_best_path_is_that_of_scores_and_transitions(
    output: str, settings: dict[str, object]
) -> None:
    chosen = TAG_OUTPUTS[output].model_validate(settings).build(4, TAGS)
    assert isinstance(chosen, outputs.ScoredTags)
    chosen.temperature = 1.7
    _, store, _ = made()
    (batch,) = store.batches(100)
    features = 3 * torch.randn(len(store), 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores = chosen.scores(features).double().numpy()
        found = chosen.read(features, batch).tags
    assert found.tolist() == best_paths(scores, *chosen.transitions(), batch.steps).tolist()


def test_a_window_sees_so_many_words_and_the_markers() -> None:
    tagger, store, _ = made("window")
    batch = store.batch(np.array([0, 3]))
    assert batch.steps == (2, 2, 1, 1, 1)
    size = len(batch.words)
    around = batch.neighbours(2).tolist()
    mara, ellingsen, left, turin, stop = (batch.packing.firsts[time] for time in range(5))
    assert around[mara] == [size, size, mara, ellingsen, left]
    assert around[stop] == [left, turin, stop, size + 1, size + 1]
    assert batch.padded()[size:].tolist() == [START, END]
    assert tagger.encoder.features == 6


def test_the_markers_have_vectors_of_their_own() -> None:
    """They differ from each other, from those of unknown words and of words spelled like them."""
    tagger, _, lexicon = made("window")
    rows = TagStore.of([["<s>", "</s>"]], lexicon)
    seen = tagger.words(rows.table, torch.arange(5))
    distances = torch.cdist(seen, seen) + 9 * torch.eye(5)
    assert distances[:3, :3].min() > 1e-3
    assert distances[1, 3:].min() > 1e-3


def test_reading_backwards_and_back() -> None:
    packing = Packing.of(np.array([4, 2, 2, 1]))
    turned = reversed_places(packing)
    assert (turned[turned] == np.arange(9)).all()
    assert (packing.sequence[turned] == packing.sequence).all()
    assert (packing.time[turned] + packing.time == packing.lengths[packing.sequence] - 1).all()


def test_pretrained_vectors_and_those_of_words_beyond_training() -> None:
    tagger, _, lexicon = made(vectors=True, capitals=0, suffixes=(), letters=0)
    rows = TagStore.of([["Oslo", "Bergen", "Mara", "nowhere"]], lexicon)
    oslo, bergen, mara, nowhere = tagger.words(rows.table, rows.batch(np.array([0])).words)
    own = lexicon.columns["word"]
    assert oslo.tolist() == [own.index("oslo")] * 5
    assert bergen.tolist() == [len(own)] * 5
    assert not mara.isnan().any()
    assert nowhere.tolist() == tagger.words.word.weight[0].tolist()


def test_word_dropout_trains_the_unknown_vector() -> None:
    tagger, store, _ = made(word_dropout=1.0, capitals=0, suffixes=(), letters=0)
    (batch,) = store.batches(100)
    tagger.train()
    torch.manual_seed(1)
    tagger(batch).nats.backward()
    assert tagger.words.word.weight.grad[0].abs().sum() > 0
    seen = tagger.words(batch.table, batch.words.repeat(2000))
    unknown = (seen == tagger.words.word.weight[0]).all(dim=1).view(2000, -1).double().mean(dim=0)
    counts = tagger.words.seen[batch.table.columns[batch.words, 0]]
    assert unknown.numpy() == pytest.approx((1 / (1 + counts)).numpy(), abs=0.05)


def test_the_order_of_an_epoch_is_that_of_its_number() -> None:
    _, store, _ = made()

    def order(epoch: int) -> list[list[int]]:
        return [b.sentences.tolist() for b in store.batches(3, Order(1, epoch))]

    assert order(1) == order(1)
    assert len({str(order(epoch)) for epoch in range(9)}) > 1
    assert sorted(at for group in order(2) for at in group) == [0, 1, 2, 3]


def test_a_word_of_any_length_and_a_sentence_of_any_length() -> None:
    for model, output in EVERY:
        tagger, _, lexicon = made(model, output)
        long = TagStore.of([["x" * 10_000], ["Bo"] * 20_000], lexicon)
        assert len(read_store(tagger, long, TAGS).tags) == 20_001


@pytest.mark.parametrize("model", list(TAGGERS))
def test_words_that_were_met_before_are_read_alike(model: str) -> None:
    tagger, store, lexicon = made(model, "crf", vectors=True)
    whole = read_store(tagger, store, TAGS)
    rows = [sentence.words for sentence in SENTENCES]
    longest = max(len(set(row)) for row in rows)
    (markers,) = tagger.prepare(WordTable.of([], lexicon))
    of_one = markers[0].numel() * markers.element_size()
    for words in (0, 7, 100):  # forgets at each text, now and then, never
        glossary = Glossary(tagger, lexicon, room=words * of_one)
        for at in (0, 1, 2, 3, 2, 1, 0):
            one = glossary.store([rows[at]])
            found = read_store(tagger, one, TAGS, prepared=glossary.prepared)
            assert found.spans[0] == whole.spans[at]
            assert found.probabilities[0] == pytest.approx(whole.probabilities[at], abs=1e-6)
            assert len(glossary) <= max(words, longest)
        every = glossary.store(rows)
        found = read_store(tagger, every, TAGS, prepared=glossary.prepared)
        assert found.spans == whole.spans
    assert len(glossary) == len({word for row in rows for word in row})


def test_words_drawn_one_by_one_are_those_of_the_text_each_in_its_window() -> None:
    tagger, store, _ = made("window")
    for size in (1, 4, 100):
        batches = list(store.windows(size, 2, Order(1, 1)))
        drawn = np.concatenate([batch.sentences for batch in batches])
        assert sorted(drawn) == list(range(len(store)))
        assert {len(batch.targets) for batch in batches[:-1]} <= {size}
        whole = sum(tagger(batch).nats.item() for batch in store.batches(100))
        assert sum(tagger(batch).nats.item() for batch in batches) == pytest.approx(whole, rel=1e-6)
    orders = [next(store.windows(9, 2, Order(1, epoch))).sentences.tolist() for epoch in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("model", list(TAGGERS))
def test_words_prepared_apart_have_the_same_features(model: str) -> None:
    tagger, store, _ = made(model)
    prepared = torch.cat(list(tagger.prepare(store.table)))
    for batch in store.batches(9):
        joined = tagger.encoder.join(prepared, batch.padded(), batch)
        torch.testing.assert_close(joined, tagger.features(batch), atol=1e-6, rtol=1e-5)


def test_sparse_updates_are_those_of_all_rows() -> None:
    """Under plain gradient descent a row without a gradient does not move."""
    found = []
    for sparse in (False, True):
        tagger, store, _ = made(capitals=0, suffixes=(), letters=0, sparse=sparse)
        optimizer = OptimizerSet(SgdSettings(rate=0.1, l2=0.5), tagger)
        assert optimizer.is_sparse == sparse
        for batch in store.windows(5, 2, Order(1, 1)):
            optimizer.zero()
            tagger(batch).nats.backward()
            optimizer.step(1.0)
        found.append([parameter.detach().clone() for parameter in tagger.parameters()])
    for dense, rows in zip(*found, strict=True):
        torch.testing.assert_close(rows, dense)


@pytest.mark.parametrize("model", list(TAGGERS))
def test_some_sentences_are_read_as_in_the_whole_text(model: str) -> None:
    tagger, store, _ = made(model)
    tagger.eval()
    chosen = np.array([0, 2])
    some = store.only(chosen)
    assert len(some.table.columns) < len(store.table.columns)
    whole, part = (read_store(tagger, x, TAGS, marginals=True) for x in (store, some))
    places = np.concatenate([np.arange(*store.begins[at : at + 2]) for at in chosen])
    assert (some.tags == store.tags[places]).all()
    assert np.allclose(part.marginals, whole.marginals[places], atol=1e-6)


@pytest.mark.parametrize("model", list(TAGGERS))
def test_the_last_layer_that_is_shown_is_what_the_output_reads(model: str) -> None:
    tagger, store, _ = made(model)
    tagger.eval()
    with torch.no_grad():
        for batch in store.batches(100):
            found = tagger.activations(batch)
            *_, last = found.values()
            assert torch.equal(last, tagger.features(batch))
            assert list(found)[:2] == ["embedding", "with spelling"]
            rows = batch.table.columns[batch.words, 0]
            assert torch.equal(found["embedding"], tagger.words.word(rows))
            assert found["with spelling"].shape[1] == tagger.words.width
