"""`wordlab verify`: checks of the library that a user can run."""

from dataclasses import asdict

import typer

from wordlab.cli.terminal import Json, show, show_json

TOLERANCE = 1e-10

verify = typer.Typer(help="Hold the library against closed forms.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(verify, name="verify")


@verify.callback()
def group() -> None:
    """Hold the library against closed forms."""


@verify.command()
def gradients(as_json: Json = False) -> None:
    """Gradients of the feed-forward network: closed form, autograd, fused output layer."""
    from wordlab.inspection.gradients import agreement_table, compare_gradients

    found = compare_gradients()
    worst = max(max(x.autograd, x.fused) for x in found)
    if as_json:
        show_json({"worst": worst, "tolerance": TOLERANCE, "rows": [asdict(x) for x in found]})
    else:
        show([agreement_table(found)])
        print(
            f"worst {worst:.1e}, tolerance {TOLERANCE:.0e}:",
            "they agree" if worst < TOLERANCE else "they DIFFER",
        )
    if not worst < TOLERANCE:
        raise typer.Exit(1)
