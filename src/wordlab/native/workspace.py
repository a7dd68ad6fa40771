"""Memory that is kept from step to step."""

import threading

import torch
from torch import Tensor


class Workspace(threading.local):
    """Arrays that are kept from step to step, a set for each thread.

    Made anew each time, arrays of this size go back to the operating system and come from it page
    by page, which can take longer than the arithmetic on them.
    """

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def array(
        self, name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Return an uninitialised array; it is overwritten when the name is asked for again."""
        key = (name, dtype, device)
        kept = self._arrays.get(key)
        if kept is None or kept.numel() < shape.numel():
            kept = self._arrays[key] = torch.empty(shape.numel(), dtype=dtype, device=device)
        return kept[: shape.numel()].view(shape)


workspace = Workspace()
