"""Kinds of numbers that the settings of models share."""

from typing import Annotated

from pydantic import Field

Units = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
