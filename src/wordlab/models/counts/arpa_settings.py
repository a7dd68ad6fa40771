"""The family of models that were read from an ARPA file."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor

from wordlab.batching.windows import Windows
from wordlab.corpus.store import TokenStore
from wordlab.errors import WordlabError
from wordlab.models.counts.backoff import BackoffModel
from wordlab.models.language_model import MODELS, CountModel, CountSettings


@MODELS.register("arpa")
class ArpaSettings(CountSettings):
    """An n-gram model from elsewhere, in back-off form."""

    type: Literal["arpa"] = "arpa"
    n: int = Field(default=3, ge=1, le=16)
    """Length of the n-grams."""

    @property
    def reading(self) -> Windows:
        """Windows of n tokens."""
        return Windows(self.n)

    @property
    def yardstick(self) -> Windows:
        """The same windows."""
        return self.reading

    def fit(self, store: TokenStore, vocabulary: int) -> tuple[CountModel, tuple[str, ...]]:
        """Refuse: such a model was estimated elsewhere."""
        raise WordlabError(
            "an ARPA model is read, not trained",
            where="model.type",
            mend="read it with wordlab arpa read, or train with model.type=kneser-ney",
        )

    def restore(self, tensors: Mapping[str, Tensor]) -> CountModel:
        """Take back a model from its `tensors`."""
        return BackoffModel.from_tensors(tensors)
