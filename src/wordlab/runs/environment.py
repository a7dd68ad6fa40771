"""What a run was made with: versions, machine, threads, command."""

import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from wordlab.config import read_json
from wordlab.native.library import kernels

ENVIRONMENT = "environment.json"

PACKAGES = ("wordlab", "torch", "numpy", "pydantic", "safetensors")


def describe_environment() -> dict[str, Any]:
    """Return plain values; they say how a run came about and change nothing."""
    return {
        "command": shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "kernels": str(kernels()),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def read_environment(folder: Path) -> dict[str, Any]:
    """Read what a run folder says that it was made with."""
    data = read_json(folder / ENVIRONMENT)
    return data if isinstance(data, dict) else {}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "not installed"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
            return next(names, platform.processor())
    except OSError:
        return platform.processor()
