"""Optimisers by name, and the set of them that updates one model."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.optim import Optimizer

from wordlab.config import Settings
from wordlab.errors import WordlabError
from wordlab.registry import Registry

OPTIMIZERS: Registry[type["OptimizerSettings"]] = Registry("optimizer")


class OptimizerSettings(Settings, ABC):
    """Settings of an optimiser; register a subclass in OPTIMIZERS under its `type`."""

    type: str
    rate: float = Field(gt=0)
    """Learning rate at the start; the schedule multiplies it."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """Numbers kept for each parameter."""

    @abstractmethod
    def build(self, groups: list[dict[str, Any]]) -> Optimizer:
        """Make the optimiser for dense gradients."""

    def build_sparse(self, parameters: list[nn.Parameter]) -> Optimizer:
        """Make the optimiser for tables whose gradients name only the rows that were read."""
        raise WordlabError(
            f"{self.type} has no sparse update",
            where="training.optimizer",
            mend="use sgd without momentum, adagrad or adam, or turn sparse updates off",
        )


class L2Settings(OptimizerSettings, ABC):
    """Optimisers that add the penalty (l2 / 2) |W|^2 to the loss."""

    l2: float = Field(default=0.0, ge=0)
    """On weight matrices; biases, and word embeddings that are not tied, are not penalised."""


@OPTIMIZERS.register("sgd")
class SgdSettings(L2Settings):
    """Stochastic gradient descent, with heavy-ball or Nesterov momentum."""

    type: Literal["sgd"] = "sgd"
    rate: float = Field(default=0.5, gt=0)
    """Learning rate at the start; the schedule multiplies it."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last step that is taken again."""
    nesterov: bool = False
    """Look ahead by the momentum before each step."""

    @model_validator(mode="after")
    def _needs_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self

    @property
    def numbers(self) -> int:
        """The velocity, with momentum."""
        return int(self.momentum > 0)

    def build(self, groups: list[dict[str, Any]]) -> Optimizer:
        """torch.optim.SGD."""
        return torch.optim.SGD(
            groups,
            lr=self.rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            fused=_fused(groups),
        )

    def build_sparse(self, parameters: list[nn.Parameter]) -> Optimizer:
        """Exact: without momentum a row without a gradient does not move."""
        if self.momentum:
            return super().build_sparse(parameters)
        return torch.optim.SGD(parameters, lr=self.rate)


@OPTIMIZERS.register("adagrad")
class AdagradSettings(L2Settings):
    """Adagrad (Duchi, Hazan and Singer 2011)."""

    type: Literal["adagrad"] = "adagrad"
    rate: float = Field(default=0.05, gt=0)
    """Learning rate at the start; the schedule multiplies it."""

    @property
    def numbers(self) -> int:
        """The sum of squared gradients."""
        return 1

    def build(self, groups: list[dict[str, Any]]) -> Optimizer:
        """torch.optim.Adagrad."""
        return torch.optim.Adagrad(groups, lr=self.rate, fused=_fused(groups))

    def build_sparse(self, parameters: list[nn.Parameter]) -> Optimizer:
        """Exact: a row without a gradient does not move."""
        return torch.optim.Adagrad(parameters, lr=self.rate)


@OPTIMIZERS.register("adam")
class AdamSettings(L2Settings):
    """Adam (Kingma and Ba 2015); L2 enters the gradient."""

    type: Literal["adam"] = "adam"
    rate: float = Field(default=0.003, gt=0)
    """Learning rate at the start; the schedule multiplies it."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of the gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of their squares."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the mean square."""

    @property
    def numbers(self) -> int:
        """Both moments."""
        return 2

    def build(self, groups: list[dict[str, Any]]) -> Optimizer:
        """torch.optim.Adam."""
        return torch.optim.Adam(
            groups,
            lr=self.rate,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            fused=_fused(groups),
        )

    def build_sparse(self, parameters: list[nn.Parameter]) -> Optimizer:
        """Lazy: the moments of a row stand still while the row is not read."""
        return torch.optim.SparseAdam(
            parameters, lr=self.rate, betas=(self.beta1, self.beta2), eps=self.epsilon
        )


@OPTIMIZERS.register("adamw")
class AdamWSettings(OptimizerSettings):
    """AdamW (Loshchilov and Hutter 2019): weights decay apart from the gradient."""

    type: Literal["adamw"] = "adamw"
    rate: float = Field(default=0.003, gt=0)
    """Learning rate at the start; the schedule multiplies it."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of the gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of their squares."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the mean square."""
    decay: float = Field(default=0.01, ge=0)
    """Each step shrinks weight matrices by rate x decay; biases and embeddings are left alone."""

    @property
    def numbers(self) -> int:
        """Both moments."""
        return 2

    def build(self, groups: list[dict[str, Any]]) -> Optimizer:
        """torch.optim.AdamW."""
        return torch.optim.AdamW(
            groups,
            lr=self.rate,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            weight_decay=self.decay,
            fused=_fused(groups),
        )


def _fused(groups: list[dict[str, Any]]) -> bool:
    """PyTorch's one-pass update, which its CPU and CUDA builds have for floating-point types."""
    return all(p.device.type in {"cpu", "cuda"} for group in groups for p in group["params"])


class OptimizerSet:
    """The optimisers of one model: one for dense gradients, one for sparse tables if any.

    Args:
        model: L2 falls on its matrices, also on embeddings that are output vectors too (tied);
            not on other embeddings and not on biases.
    """

    def __init__(self, settings: OptimizerSettings, model: nn.Module) -> None:
        self.settings = settings
        embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
        tables = [m.weight for m in embeddings]
        sparse = [p for m in embeddings if m.sparse for p in m.parameters()]
        parameters = list(model.parameters())
        outputs = list(_outputs(model))
        if any(_among(p, sparse) for p in outputs):
            raise WordlabError(
                "tied vectors get a gradient in every row",
                where="model.sparse",
                mend="set model.sparse=false or output.tied=false",
            )
        dense = [p for p in parameters if not _among(p, sparse)]
        read_only = [p for p in tables if not _among(p, outputs)]
        plain = [p for p in dense if p.dim() < 2 or _among(p, read_only)]
        matrices = [p for p in dense if not _among(p, plain)]
        l2 = getattr(settings, "l2", None)
        groups: list[dict[str, Any]]
        if l2 == 0:
            groups = [{"params": matrices + plain, "weight_decay": 0.0}]
        else:
            decayed = {} if l2 is None else {"weight_decay": l2}
            groups = [{"params": matrices, **decayed}, {"params": plain, "weight_decay": 0.0}]
        self._optimizers = [settings.build([group for group in groups if group["params"]])]
        if sparse:
            self._optimizers.append(settings.build_sparse(sparse))

    @property
    def is_sparse(self) -> bool:
        """Whether some gradients name only the rows that were read."""
        return len(self._optimizers) > 1

    def zero(self) -> None:
        """Forget the gradients."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None

    def step(self, factor: float) -> None:
        """Update the parameters at the settings' rate times `factor`."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.rate * factor
            with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
                optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """The state of all optimisers under flat names, for a checkpoint."""
        return {
            f"{number}.{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
            for number, optimizer in enumerate(self._optimizers)
            for index, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
            if value is not None
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back a state from `tensors`."""
        for number, optimizer in enumerate(self._optimizers):
            state: dict[int, dict[str, Any]] = {}
            for name, value in tensors.items():
                owner, index, key = name.split(".", 2)
                if int(owner) == number:
                    is_count = key == "step" and isinstance(optimizer, torch.optim.SparseAdam)
                    state.setdefault(int(index), {})[key] = int(value) if is_count else value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _outputs(model: nn.Module) -> Iterable[nn.Parameter]:
    return (p for name, p in model.named_parameters(remove_duplicate=False) if "output" in name)


def _among(parameter: Tensor, others: Iterable[Tensor]) -> bool:
    return any(parameter is other for other in others)
