"""The weights of a network in fewer bits, for scoring and generation; they cannot be trained."""

from collections.abc import Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

from wordlab.errors import WordlabError
from wordlab.models.int8 import LARGEST, Int8Matrix
from wordlab.models.operands import attach
from wordlab.models.products import Rearranged

FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
WEIGHTS = (FLOAT32, BFLOAT16, INT8)
"""Ways to keep the matrices of a network; all else stays float32."""

SCALE = ":scale"
"""Ends the name of an int8 matrix's scales."""


def narrow(model: nn.Module, kind: str) -> dict[str, Tensor]:
    """The tensors of a network with its matrices as `kind` says; what is shared is there once.

    Raises:
        WordlabError: where there is no such kind, or a weight is no number.
    """
    require_kind(kind)
    tensors: dict[str, Tensor] = {}
    for name, value in own_tensors(model).items():
        if not bool(value.isfinite().all()):
            raise WordlabError("holds weights that are no numbers", where=name)
        if not _narrows(value) or kind == FLOAT32:
            tensors[name] = value.detach()
        elif kind == BFLOAT16:
            tensors[name] = value.detach().bfloat16()
        else:
            matrix = Int8Matrix.of(value)
            tensors |= {name: matrix.values, name + SCALE: matrix.scale}
    return tensors


def require_kind(kind: str) -> None:
    """Raise WordlabError unless weights can be kept so."""
    if kind not in WEIGHTS:
        raise WordlabError(
            f"{kind!r} is no kind of weights; allowed: {', '.join(WEIGHTS)}", where="--weights"
        )


def own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """All that a network's state consists of, by name; a shared tensor under its first name."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        found.setdefault(id(value), (name, value))
    return dict(found.values())


@torch.no_grad()
def fill(model: nn.Module, tensors: Mapping[str, Tensor], kind: str) -> None:
    """Set a network's weights to those that `narrow` returned.

    Raises:
        WordlabError: where they are not of this network, or not what `kind` says.
    """
    require_kind(kind)
    left = dict(tensors)
    for name, value in own_tensors(model).items():
        given = left.pop(name, None)
        if given is None or given.shape != value.shape:
            raise WordlabError(f"{name} is missing or has another shape")
        if _narrows(value) and kind == INT8:
            matrix = Int8Matrix(given, left.pop(name + SCALE, torch.empty(0)))
            _require_sound(matrix, name)
            value.copy_(matrix.widened())
            attach(value, matrix)
            continue
        wanted = torch.bfloat16 if _narrows(value) and kind == BFLOAT16 else value.dtype
        if given.dtype != wanted or not bool(given.isfinite().all()):
            raise WordlabError(f"{name} is not of finite {wanted} numbers")
        value.copy_(given)
    if left:
        raise WordlabError(f"{next(iter(left))} is of no part of it")


def settle(model: nn.Module) -> None:
    """Make a network that will not be trained quicker: rearrange its matrices for products."""
    for value in model.parameters():
        if _narrows(value) and "form" not in value.__dict__:
            attach(value, Rearranged(value))


def _narrows(value: Tensor) -> TypeGuard[nn.Parameter]:
    """Whether it is a matrix of weights; biases, norms and counts stay as they are."""
    return isinstance(value, nn.Parameter) and value.dim() == 2


def _require_sound(matrix: Int8Matrix, name: str) -> None:
    values, scale = matrix.values, matrix.scale
    if values.dtype != torch.int8 or (values.numel() and int(values.min()) < -LARGEST):
        raise WordlabError(f"{name} is not of int8 numbers from {-LARGEST} to {LARGEST}")
    sound = scale.dtype == torch.float32 and scale.shape == values.shape[:1]
    if not sound or not bool((scale.isfinite() & (scale >= 0)).all()):
        raise WordlabError(f"{name} has no finite scale, 0 or more, for each row")
