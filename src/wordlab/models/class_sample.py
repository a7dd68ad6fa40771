"""A random part of the vocabulary, to stand for all of it in a training step."""

import torch
from torch import Tensor
from torch.nn import functional

POWER = 0.75
"""Frequent classes are drawn less often than they occur, as word2vec draws them."""
_HALVINGS = 80
_MULTIPLE = 64
_ABSENT = 1e4
"""Log-inclusion of the rows that fill up a sample: exp(logit - it) is nothing."""


class ClassSample:
    """Draws each class on its own; to these come the targets of the batch.

    Class v is drawn with probability pi_v = min(1, s u_v^POWER), with u the unigram distribution of
    the targets and s such that `count` classes are expected.

    Args:
        unigram: u, [V].
        count: classes drawn, on average.
    """

    def __init__(self, unigram: Tensor, count: int) -> None:
        self.unigram = unigram
        base = unigram.double().clamp_min(1e-9) ** POWER
        low, high = 0.0, float(1 / base.min())
        for _ in range(_HALVINGS):  # by halves: the sum rises with s
            middle = (low + high) / 2
            fewer = float((base * middle).clamp_max(1).sum()) < count
            low, high = (middle, high) if fewer else (low, middle)
        drawn = base * high if count < len(unigram) else torch.ones_like(base)
        self.probabilities = drawn.clamp_max(1).to(unigram.dtype)

    def draw(self, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the classes of a step, the targets' places among them, and log-inclusions.

        A class is among them with probability 1 - (1 - pi_v) (1 - u_v)^N: drawn, or one of the N
        targets. Dividing exp(logit) by it makes the sum over the classes an unbiased estimate of
        the sum over the vocabulary (Horvitz and Thompson 1952; Bengio and Senecal 2008).

        Returns:
            int64 [S], int64 [N], and ln of the probability of being among them, [S].
        """
        taken = torch.rand_like(self.probabilities) < self.probabilities
        taken[targets] = True
        chosen = taken.nonzero()[:, 0]
        place = torch.empty_like(taken, dtype=torch.int64)
        place[chosen] = torch.arange(len(chosen), device=chosen.device)
        missed = torch.log1p(-self.unigram[chosen].clamp_max(1 - 1e-7)) * len(targets)
        included = 1 - (1 - self.probabilities[chosen]) * missed.exp()
        # Samples of few different sizes: a library of products sets itself up for each anew.
        filling = -len(chosen) % _MULTIPLE
        chosen = functional.pad(chosen, (0, filling))
        return chosen, place[targets], functional.pad(included.log(), (0, filling), value=_ABSENT)
