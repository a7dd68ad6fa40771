"""`wordlab recipes`: trainings whose figures are known."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordlab.cli.terminal import Json, Overrides, note, show, show_json
from wordlab.errors import WordlabError

if TYPE_CHECKING:
    from wordlab.recipes import Recipe

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder with the data sets; else $WORDLAB_DATA.")
]

recipes = typer.Typer(help="List and run trainings whose figures are known.")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(recipes, name="recipes")


@recipes.callback(invoke_without_command=True)
def list_recipes(context: typer.Context, as_json: Json = False) -> None:
    """List and run trainings whose figures are known."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from wordlab.recipes import RECIPES, read_recipe
    from wordlab.table import Column, Table

    found = [read_recipe(name) for name in RECIPES]
    if as_json:
        show_json([{k: v for k, v in asdict(item).items() if k != "settings"} for item in found])
        return
    show(
        [
            Table.of(
                "Recipes, and their figures on the validation text",
                (
                    "recipe",
                    "figure",
                    Column("document", 1),
                    Column("reference", 1),
                    Column("reached", 1),
                    "what",
                ),
                [(x.name, x.figure, x.document, x.reference, x.reached, x.summary) for x in found],
                note="document: as the homework or paper has it, put right; reference: that of "
                "others; reached: by this recipe, seed 1. Run one: wordlab recipes run NAME",
            )
        ]
    )


def data_folder(recipe: "Recipe", given: Path | None) -> Path:
    """The folder with the data sets: the one given, or $WORDLAB_DATA."""
    if given is not None:
        return given
    if "WORDLAB_DATA" not in os.environ:
        raise WordlabError(
            f"needs the folder {recipe.data} of its data set",
            where=recipe.name,
            mend="name the folder that holds it with --data or WORDLAB_DATA",
        )
    return Path(os.environ["WORDLAB_DATA"])


@recipes.command()
def run(
    name: Annotated[str, typer.Argument(help="A recipe's name.")],
    data: DataFolder = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="Run folder; else runs/NAME, or the next free.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of all chance.")] = None,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Train a recipe on its own data and print its figures."""
    from wordlab.cli.train import started, train_and_summarise
    from wordlab.config import apply_overrides
    from wordlab.recipes import read_recipe
    from wordlab.runs.files import next_free

    recipe = read_recipe(name)
    root = data_folder(recipe, data)
    changes = [*overrides, *([f"training.seed={seed}"] if seed is not None else [])]
    settings = apply_overrides(recipe.settings_on(root), changes)
    path = folder or next_free(Path("runs") / name)
    if not as_json:
        note(f"{recipe.summary} Run folder: {path}")
    training = started(settings, path, source=name)
    train_and_summarise(training, as_json=as_json, sentences=3, beside=recipe.beside)
