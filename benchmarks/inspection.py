"""What units, classes and word vectors look like: the assignments' tables, each beside chance.

    WORDLAB_DATA=... python benchmarks/inspection.py [--tagger RUN] [--model RUN]
        [--runs FOLDER] [--maps FOLDER]

Of CS224d's assignment 2: the top words of five units (its Table 2), and of each class at the centre
word and at the first (Tables 3 and 4), of the recipe cs224d-window. Of CMU 10-707, homework 3: the
four nearest of the 1,000 most frequent words to five, and maps of 100 and 500 words, of the recipe
cmu10707-best. Run folders may be given; else the recipes are trained in --runs, unless that is
done.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seeds import run_recipe
from wordlab.corpus.labelled.lexicon import MARKERS
from wordlab.inspection.units.layers import FirstLayer, first_layer
from wordlab.inspection.units.log_odds import ClassCounts
from wordlab.inspection.units.prototypes import prototypes
from wordlab.inspection.units.views import view_of
from wordlab.inspection.units.words import Words, shown, training_words, unit_words
from wordlab.inspection.words.maps import PROJECTIONS, word_map
from wordlab.inspection.words.neighbours import nearest, neighbours_table
from wordlab.rendering.charts import CHART_RENDERERS
from wordlab.rendering.tables import as_markdown
from wordlab.runs.opening import open_tagger
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun, fresh_tagger
from wordlab.table import Column, Table

Floats = NDArray[np.float64]

UNITS = (2, 7, 24, 35, 67)
"""Those of the assignment's table; which unit does what is chance, and another one in every run."""
SAMPLES = ("days", "financial", "chairman", "bonds", "into")
MAPS = (100, 500)
TOP, NEAR = 10, 4


def lists_of(layer: FirstLayer, words: Words) -> Iterator[tuple[str, ...]]:
    """The top and the bottom words of each unit at the centre."""
    units = range(len(layer.outgoing))
    for item in unit_words(layer, words, units=units, positions=[0], top=TOP):
        yield tuple(word.word for word in item.top)
        yield tuple(word.word for word in item.bottom)


def purities(lists: Sequence[Sequence[str]], words: Words, counts: ClassCounts) -> Floats:
    """Of each list, the mean share of its words' places that the best class has. [lists]"""
    row = {word: at for at, word in enumerate(words.words)}
    shares = np.stack([counts.share(number) for number in range(len(counts.of_class))])
    rows = np.array([[row[word] for word in one] for one in lists])
    best: Floats = shares[:, rows].mean(axis=2).max(axis=0)
    return best


def unit_tables(run: TaggerRun) -> Iterator[Table]:
    """The assignment's Table 2, and how far its lists agree on a class, beside chance."""
    layer, training = first_layer(run.model), training_words(run)
    words, view = training.words, view_of(run)
    found = unit_words(layer, words, units=UNITS, positions=[0], top=TOP)
    yield Table.of(
        "Top words of five units, centre word",
        ("unit", "top words", "bottom words"),
        [(item.unit, shown(item.top), shown(item.bottom)) for item in found],
        note=f"By W[unit, centre] . L[word], over {len(words.words):,} words of training.",
    )
    draw = np.random.default_rng(1)
    directions = draw.normal(size=layer.weights.shape)
    of_start = fresh_tagger(run.settings, run.lexicon, run.tag_set, run.vectors()).eval()
    own = np.arange(MARKERS, MARKERS + len(words.words))
    columns = training.table.columns[own, 0]
    unlearned = of_start.words.word.weight.detach()[columns].double().numpy()
    names = np.array(words.words)
    everywhere = {
        "units of the trained network": list(lists_of(layer, words)),
        "directions drawn at random in the trained vectors": list(
            lists_of(replace(layer, weights=directions), words)
        ),
        "units of the network before training": list(
            lists_of(first_layer(of_start), replace(words, vectors=unlearned))
        ),
        "words drawn at random": [
            tuple(draw.choice(names, TOP, replace=False)) for _ in range(2 * len(layer.outgoing))
        ],
    }
    counts = ClassCounts.of(
        training.rows, view.labels, words=len(words.words), classes=len(view.classes)
    )
    rows = []
    for name, lists in everywhere.items():
        values = purities(lists, words, counts)
        rows.append((name, len(lists), float(np.median(values)), float((values >= 0.8).mean())))
    yield Table.of(
        f"Do lists of {TOP} words agree on a class?",
        (
            "lists",
            "how many",
            Column("agreement, median", 1, percent=True),
            Column("lists of 80 % or more", 1, percent=True),
        ),
        rows,
        note="Top and bottom words of all units. Agreement: of the places of a list's words in "
        "training, the share that is labelled as one type of entity, mean over the words, of the "
        "type with the most.",
    )


def shuffled(vectors: NDArray[np.float32], seed: int = 1) -> NDArray[np.float32]:
    """Each number of the vectors dealt anew to the words."""
    draw = np.random.default_rng(seed)
    return np.stack([draw.permutation(column) for column in vectors.T], axis=1)


def neighbour_tables(run: Run) -> Iterator[Table]:
    """The nearest words of five, of the vectors and of shuffled ones."""
    vectors = run.word_vectors()
    for name, these in (("", vectors), (", each number of them dealt anew", shuffled(vectors))):
        found = nearest(these, run.vocabulary, SAMPLES, count=NEAR)
        table = neighbours_table(found, 1000)
        yield replace(table, title=f"{table.title}{name}")


def map_table(run: Run, folder: Path) -> Table:
    """Draw the maps; how many of each word's nearest are its nearest on the map."""
    rows = []
    for size in MAPS:
        ids = run.vocabulary.frequent_words(size)
        for method in ("pca", "tsne"):
            chart = word_map(run.word_vectors(), run.vocabulary, words=size, method=method)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"words-{size}-{method}.svg").write_bytes(CHART_RENDERERS["svg"](chart))
            cells = []
            for vectors in (run.word_vectors(), shuffled(run.word_vectors())):
                own = vectors[ids].astype(np.float64)
                places = PROJECTIONS[method](own, 1)
                cells.append(kept_neighbours(own, places))
            rows.append((size, method, *cells, NEAR / (size - 1)))
    columns = [Column(name, 1, percent=True) for name in ("vectors", "dealt anew", "by chance")]
    return Table.of(
        "How much of the neighbourhoods a map keeps",
        ("words", "map", *columns),
        rows,
        note=f"Of the {NEAR} nearest words by distance among those of the map, the share that is "
        f"among the {NEAR} nearest on it. Dealt anew: the same of vectors each number of which is "
        "another word's.",
    )


def kept_neighbours(vectors: Floats, places: Floats) -> float:
    """Of each point's nearest, the share that is among its nearest elsewhere."""
    from sklearn.neighbors import NearestNeighbors

    near = [
        NearestNeighbors(n_neighbors=NEAR).fit(x).kneighbors(return_distance=False)
        for x in (vectors, places)
    ]
    return float(np.mean([len(set(a) & set(b)) / NEAR for a, b in zip(*near, strict=True)]))


def folder_of(given: Path | None, recipe: str, runs: Path) -> Path:
    """A run that is given, or that of a recipe, which is trained unless that is done."""
    if given is not None:
        return given
    run_recipe(recipe, 1, runs)
    return runs / f"{recipe}-1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tagger", type=Path, help="A run of cs224d-window.")
    parser.add_argument("--model", type=Path, help="A run of cmu10707-best.")
    parser.add_argument("--runs", type=Path, default=Path("runs/inspection"))
    parser.add_argument("--maps", type=Path, default=Path("runs/inspection/maps"))
    options = parser.parse_args()
    if "WORDLAB_DATA" not in os.environ and not (options.tagger and options.model):
        sys.exit("WORDLAB_DATA is not set: name the folder with the data sets, or two runs")
    tagger = open_tagger(folder_of(options.tagger, "cs224d-window", options.runs))
    model = Run.load(folder_of(options.model, "cmu10707-best", options.runs))
    tables = [*unit_tables(tagger), *prototypes(view_of(tagger), positions=[0, -1]).tables()]
    tables += [*neighbour_tables(model), map_table(model, options.maps)]
    print("\n".join(map(as_markdown, tables)), end="")


if __name__ == "__main__":
    main()
