"""Where a run comes from: its settings and what it was made with."""

import json
from collections.abc import Mapping
from typing import Any

from wordlab.config import Settings
from wordlab.table import Table


def settings_table(settings: Settings) -> Table:
    """Every setting by its full name."""
    rows: list[tuple[str, str]] = []

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            rows.append((prefix, json.dumps(value, ensure_ascii=False)))

    walk("", settings.model_dump(mode="json"))
    return Table.of("Settings", ("setting", "value"), rows)


def environment_table(made_with: Mapping[str, Any]) -> Table:
    """What the run was made with."""
    environment = {k: v for k, v in made_with.items() if k != "data"}
    return Table.of(
        "Made with",
        ("", "value"),
        [
            (key, ", ".join(f"{k} {v}" for k, v in value.items()))
            if isinstance(value, dict)
            else (key, str(value))
            for key, value in environment.items()
        ],
    )
