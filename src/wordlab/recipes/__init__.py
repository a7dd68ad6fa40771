"""Recipes: settings in TOML, each with the figures it is held against."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from wordlab.config import read_toml
from wordlab.errors import WordlabError

_FOLDER = resources.files(__name__)


def _names() -> tuple[str, ...]:
    files = (entry.name for entry in _FOLDER.iterdir())
    return tuple(
        sorted(f.removesuffix(".toml") for f in files if f.endswith(".toml") and f[0] != "_")
    )


RECIPES = _names()
"""The recipes by name. A file whose name begins with _ is a base that others build on."""


@dataclass(frozen=True)
class Recipe:
    """A training whose figures are known.

    Attributes:
        summary: what it trains.
        data: the folder of its data set.
        figure: what its figures are: "perplexity", "entity F1" or "word F1" (in %), of the
            validation text.
        document: that of the document that it follows, put right.
        reference: that of another implementation of the same task.
        reached: that of this recipe with seed 1.
        beside: further figures of the document, under the names that `--json` gives them.
        settings: of the run, as plain values; data paths are relative to the data sets' folder.
    """

    name: str
    summary: str
    data: str
    figure: str
    document: float | None
    reference: float | None
    reached: float | None
    beside: dict[str, float]
    settings: dict[str, Any]

    def settings_on(self, root: Path) -> dict[str, Any]:
        """The settings with the data's paths under the data sets' folder `root`."""
        data = dict(self.settings["data"])
        for key in ("train", "validation"):
            data[key] = [str(root / path) for path in data[key]]
        settings = {**self.settings, "data": data}
        if "file" in settings.get("vocabulary", {}):
            file = str(root / settings["vocabulary"]["file"])
            settings["vocabulary"] = {**settings["vocabulary"], "file": file}
        return settings


def read_recipe(name: str) -> Recipe:
    """Read a recipe, with the settings of the base that it builds on.

    Raises:
        WordlabError: where there is no such recipe; the message lists those there are.
    """
    if name not in RECIPES:
        raise WordlabError(f"{name!r} is no recipe; allowed: {', '.join(RECIPES)}")
    settings = _read(name)
    about = settings.pop("recipe")
    return Recipe(
        name,
        about["summary"],
        about["data"],
        about.get("figure", "perplexity"),
        about.get("document"),
        about.get("reference"),
        about.get("reached"),
        about.get("beside", {}),
        settings,
    )


def _read(name: str) -> dict[str, Any]:
    with resources.as_file(_FOLDER / f"{name}.toml") as path:
        own = read_toml(path)
    base = own.get("recipe", {}).pop("base", None)
    return _merged(_read(base), own) if base else own


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[key] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return result
