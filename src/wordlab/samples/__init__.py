"""A hand-labelled sample that comes with the package, and its twin with planted faults."""

import tomllib
from importlib import resources
from typing import NamedTuple

_FOLDER = resources.files(__name__)


class Planted(NamedTuple):
    """A fault of the dirty twin: its kind, and the line where it stands."""

    kind: str
    line: int


def entities() -> str:
    """The sample: English sentences with entities (PER LOC ORG MISC), in IOB2 columns."""
    return _FOLDER.joinpath("entities.iob2").read_text(encoding="utf-8")


def dirty_entities() -> tuple[str, list[Planted]]:
    """The sample with one fault of each kind that the doctor knows, and where each stands."""
    faults = tomllib.loads(_FOLDER.joinpath("planted.toml").read_text(encoding="utf-8"))["fault"]
    lines: list[str | None] = list(entities().split("\n"))
    for fault in faults:
        at, was = fault["line"] - 1, fault["was"].split("\n")
        if lines[at : at + len(was)] != was:
            raise ValueError(f"line {fault['line']} of the sample is not {fault['was']!r}")
        lines[at] = fault["now"]
        lines[at + 1 : at + len(was)] = [None] * (len(was) - 1)
        for blank in range(at + 1, fault.get("joined_to", at) - 1):
            if lines[blank] == "":
                lines[blank] = None
    text = ""
    begins = []
    for line in lines:
        begins.append(text.count("\n") + 1)
        text += "" if line is None else line + "\n"
    planted = [
        Planted(fault["kind"], begins[fault["line"] - 1] + fault.get("lines_below", 0))
        for fault in faults
    ]
    return text.removesuffix("\n"), sorted(planted, key=lambda fault: fault.line)
