"""Kinds of numbers that the settings of models share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

Units = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


def _one_layer(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


def _some_layer(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value:
        raise ValueError("needs at least one hidden layer")
    return value


Layers = Annotated[tuple[Units, ...], BeforeValidator(_one_layer), AfterValidator(_some_layer)]
"""Units of each hidden layer; a number stands for one layer."""
