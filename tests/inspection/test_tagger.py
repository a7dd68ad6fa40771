"""What a tagger is made of: its parts add up to the whole."""

import pytest

from wordlab.corpus.labelled.lexicon import Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.inspection.tagger import tagger_tables
from wordlab.models.taggers import outputs, recurrent, window
from wordlab.models.taggers.features import FeatureSettings
from wordlab.models.taggers.tagger import TAG_OUTPUTS, TAGGERS, build_tagger

assert outputs
assert recurrent
assert window


@pytest.mark.parametrize("letters", [0, 3])
@pytest.mark.parametrize("model", list(TAGGERS))
@pytest.mark.parametrize("output", list(TAG_OUTPUTS))
def test_the_parts_of_a_tagger_add_up(model: str, output: str, letters: int) -> None:
    features = FeatureSettings(words=5, letters=letters, filters=4)
    lexicon = Lexicon.of_words(
        ["Mara", "left", "Turin", "left"],
        form=features.form,
        features=list(features.names),
        letters=bool(letters),
        min_feature_count=1,
    )
    tags = TagSet("BIOES", ("LOC", "PER"))
    tagger = build_tagger(
        features,
        TAGGERS[model].model_validate({"hidden": [6, 4]}),
        TAG_OUTPUTS[output].model_validate({}),
        lexicon,
        tags,
        seed=1,
    )
    about, seen, layers = tagger_tables(tagger, lexicon, tags)
    *features_seen, total = seen.records()
    counted = sum(p.numel() for p in tagger.parameters())
    assert about.records()[-1]["value"] == counted
    assert sum(row["parameters"] for row in features_seen) == total["parameters"]
    assert sum(row["numbers each"] for row in features_seen) == total["numbers each"]
    *rows, above = layers.records()
    assert sum(row["parameters"] for row in rows) == above["parameters"]
    assert above["parameters"] + total["parameters"] == counted
    assert seen.records()[0] == {
        "feature": "word",
        "values": 6,
        "numbers each": 5,
        "parameters": 30,
    }
