"""A tagger's recipe on folds of its training text: each sentence tagged by a run that never saw it.

    WORDLAB_DATA=... python benchmarks/cross_validation.py [wikigold] [--folds 5] [--seed 1]
        [--set section.field=value ...]

Sentences are dealt into folds by `wordlab split`'s rule, equal ones together. A run's best epoch is
chosen on a tenth of its own training folds, so that nothing of the fold that it tags is used. The
figures are of all folds together, their interval by bootstrap over the sentences.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from wordlab.config import apply_overrides, validate
from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.spans import LabelledSentence, Span
from wordlab.corpus.labelled.splitting import split
from wordlab.evaluation.tagging.evaluation import evaluate_tagging
from wordlab.recipes import read_recipe
from wordlab.rendering.tables import as_markdown
from wordlab.runs.tagger_settings import TaggerRunSettings
from wordlab.runs.tagger_training import train_tagger

HELD_OUT = 0.1


def tagged(
    train: list[LabelledSentence], fold: list[LabelledSentence], settings: TaggerRunSettings
) -> list[list[Span]]:
    """What a tagger that was trained on some sentences finds in others."""
    with tempfile.TemporaryDirectory() as scratch:
        run = train_tagger(train, run=Path(scratch) / "run", settings=settings)
        return run.read_sentences(fold).spans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="wikigold")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", dest="overrides", nargs="*", default=[])
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ:
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets")
    data = read_recipe(options.recipe).settings_on(Path(os.environ["WORDLAB_DATA"]))
    fixed = [f"training.seed={options.seed}", f"data.hold_out={HELD_OUT}"]
    plain = apply_overrides(data, [*options.overrides, *fixed])
    settings = validate(TaggerRunSettings, plain, source=options.recipe)
    sentences = read_labelled(settings.data.train, settings.labelled)
    shares = [1 / options.folds] * options.folds
    folds = split(sentences, shares, by="sentence", seed=options.seed)
    gold: list[LabelledSentence] = []
    found: list[list[Span]] = []
    for number, fold in enumerate(folds, start=1):
        train = [s for other in folds if other is not fold for s in other]
        gold += fold
        found += tagged(train, fold, settings)
        print(f"fold {number} of {options.folds}: {len(fold)} sentences", file=sys.stderr)
    types = sorted({span.type for sentence in sentences for span in sentence.spans})
    name = f"{options.recipe}, {options.folds} folds by sentence"
    evaluation = evaluate_tagging(gold, found, text=name, types=types)
    print(as_markdown(evaluation.entity_table()), end="")


if __name__ == "__main__":
    main()
