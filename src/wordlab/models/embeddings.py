"""Tables of word vectors, and where they begin."""

from typing import Literal

import torch
from torch import nn

from wordlab.corpus.cooccurrence import cooccurrence_vectors
from wordlab.corpus.store import TokenStore

DEVIATION = 0.1
"""Root mean square of the numbers in a fresh table."""

Beginning = Literal["random", "cooccurrence"]


def embedding_table(types: int, dimensions: int, *, sparse: bool = False) -> nn.Embedding:
    """Make a table of normal vectors of mean 0 and deviation DEVIATION. [V, E]"""
    table = nn.Embedding(types, dimensions, sparse=sparse)
    nn.init.normal_(table.weight, std=DEVIATION)
    return table


def start_from_cooccurrence(table: nn.Embedding, store: TokenStore, seed: int) -> None:
    """Put the co-occurrence vectors of a text in a table; words that it lacks keep theirs."""
    types, dimensions = table.weight.shape
    vectors = torch.from_numpy(cooccurrence_vectors(store, types, dimensions, seed=seed))
    known = (vectors != 0).any(dim=1)
    with torch.no_grad():
        table.weight[known] = DEVIATION * vectors[known].to(table.weight)
