"""What is timed in processes of its own: two ranks against one process, and starting a command."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RANKS = Path(__file__).parents[1] / "ranks.py"


def two_ranks(rounds: int) -> dict[str, Any]:
    """`ranks.py`: for each network, tokens a second of both, and the ratio."""
    command = [sys.executable, str(RANKS), "--rounds", str(rounds), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def seconds_of(arguments: list[str], times: int) -> float:
    """The median time of a command of wordlab, from its start to its end."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        command = [sys.executable, "-m", "wordlab", *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found)
