"""What a tagger is made of: what it sees of words, its layers, and their parameters."""

from collections.abc import Iterator

from torch import nn

from wordlab.corpus.labelled.lexicon import WORD, Lexicon
from wordlab.corpus.labelled.tag_set import TagSet
from wordlab.inspection.cost import blocks_of, blocks_table
from wordlab.models.taggers.features import WordVectors
from wordlab.models.taggers.tagger import Tagger
from wordlab.table import Table


def tagger_tables(model: Tagger, lexicon: Lexicon, tags: TagSet) -> list[Table]:
    """What it sees of words, its parameters part by part, and the operations of its layers."""
    counted = sum(p.numel() for p in model.parameters())
    above = [layer for layer in model.costs() if layer.part != "embedding"]
    of_words = counted - sum(layer.parameters for layer in above)
    about = Table.of_pairs(
        "Tagger",
        [
            ("types", ", ".join(tags.types)),
            ("tags", f"{len(tags.tags)}, {tags.scheme}"),
            ("word forms that training had", len(lexicon.columns[WORD])),
            ("further forms with a vector", len(lexicon.further)),
            ("parameters of word vectors", of_words),
            ("parameters above them", counted - of_words),
            ("parameters, counted on the built model", counted),
        ],
    )
    seen = Table.of(
        "What it sees of a word",
        ("feature", "values", "numbers each", "parameters"),
        [*_features(model.words, lexicon), ("all side by side", None, model.words.width, of_words)],
        note="Three values of each are those of unknown words and of a sentence's two edges.",
    )
    note = " Those of a chain depend on the sentences' lengths: wordlab cost counts them."
    parts = blocks_table("Layers above", blocks_of(above), note)
    return [about, seen, parts]


def _features(words: WordVectors, lexicon: Lexicon) -> Iterator[tuple[str, int, int, int]]:
    tables = [words.word, *words.features]
    for name, table in zip(lexicon.columns, tables, strict=True):
        assert isinstance(table, nn.Embedding)
        yield name, table.num_embeddings, table.embedding_dim, table.weight.numel()
    if words.letters is not None and words.filters is not None:
        size = sum(p.numel() for part in (words.letters, words.filters) for p in part.parameters())
        yield "characters", words.letters.num_embeddings, words.filters.out_channels, size
