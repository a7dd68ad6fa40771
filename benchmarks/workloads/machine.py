"""What the machine can do: products, copies and exponentials, each at its best."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wordlab.models.products import linear

SHAPES = ((512, 128, 10_000), (2048, 128, 10_000), (700, 200, 10_000), (2048, 2048, 2048))


@dataclass(frozen=True)
class Machine:
    """Limits that were reached.

    Attributes:
        gflops: by type of the operands, the best of `SHAPES`.
        copied, exponentials: GB/s read and written, and 10^9 a second.
    """

    gflops: dict[str, float]
    copied: float
    exponentials: float
    threads: int


def _best_seconds(work: Callable[[], object], times: int = 12) -> float:
    work()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def measure() -> Machine:
    """Measure; a second or two."""
    gflops = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        rates = []
        for rows, inner, columns in SHAPES:
            x, w = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
            seconds = _best_seconds(lambda x=x, w=w: linear(x, w))  # type: ignore[misc]
            rates.append(2 * rows * inner * columns / seconds / 1e9)
        gflops[name] = max(rates)
    source = torch.randn(1 << 25)
    target = torch.empty_like(source)
    copied = 2 * source.numel() * 4 / _best_seconds(lambda: target.copy_(source)) / 1e9
    values = torch.randn(1 << 20)
    seconds = _best_seconds(lambda: torch.exp(values, out=values.new_empty(values.shape)))
    return Machine(gflops, copied, values.numel() / seconds / 1e9, torch.get_num_threads())
