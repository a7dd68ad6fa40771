"""Products at the output layer's shapes: PyTorch's own route beside the one that wordlab takes.

python benchmarks/products.py [--rounds 15]
"""

import argparse
import statistics
import time

import torch
from torch.nn import functional

from wordlab.models.products import linear
from wordlab.rendering.tables import as_text
from wordlab.table import Column, Table

SHAPES = (
    ("logits", 512, 128, 10_000),
    ("gradient of features", 512, 10_000, 128),
    ("gradient of weights", 128, 512, 10_000),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        for name, m, k, n in SHAPES:
            x, w = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
            ways = {
                "torch": lambda x=x, w=w: functional.linear(x, w),
                "ours": lambda x=x, w=w: linear(x, w),
            }
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(options.rounds + 2):
                for way, product in ways.items():
                    began = time.perf_counter()
                    product()
                    found[way].append(2e-9 * m * k * n / (time.perf_counter() - began))
            torch_rate, our_rate = (statistics.median(found[way][2:]) for way in ways)
            rows.append((name, str(dtype)[6:], f"{m} x {k} x {n}", torch_rate, our_rate))
    heads = ("product", "type", "shape", Column("torch", 0), Column("ours", 0))
    note = (
        f"GFLOP/s, medians of {options.rounds} rounds in turn, {torch.get_num_threads()} threads."
    )
    print(as_text(Table.of("Products", heads, rows, note=note)), end="")


if __name__ == "__main__":
    main()
