"""Settings: TOML in, validated, JSON out; every fault is named in full with what is allowed."""

import copy
import difflib
import json
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import CoreSchema, core_schema

from wordlab.errors import WordlabError
from wordlab.registry import Registry


class Settings(BaseModel):
    """Base of all settings: unknown keys are refused, values never change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


S = TypeVar("S", bound=Settings)


class _PartError(ValueError):
    """Carries a part's own faults through the validation of the settings around it."""

    def __init__(self, part: type[Settings], error: ValidationError) -> None:
        super().__init__(str(error))
        self.part = part
        self.error = error


class PartOf:
    """Annotation of a settings field whose class is looked up in a registry by its `type` key.

    A part registered later, in a user's own module too, is accepted without touching the field.

    Args:
        default: the type of a table without the key.
    """

    def __init__(self, registry: Registry[Any], default: str) -> None:
        self.registry = registry
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda part: part.model_dump(mode="json")
            ),
        )

    def _validate(self, value: Any) -> Settings:
        if isinstance(value, Settings):
            return value
        if isinstance(value, str):  # `optimizer = "adam"` means its defaults
            value = {"type": value}
        if not isinstance(value, dict):
            names = ", ".join(self.registry)
            raise ValueError(f"needs a table, or a type by name; allowed: {names}")
        value = {"type": self.default, **value}
        if value["type"] not in self.registry:
            raise ValueError(self.registry.refusal(value["type"]))
        part: type[Settings] = self.registry[value["type"]]
        try:
            return part.model_validate(value)
        except ValidationError as error:
            raise _PartError(part, error) from None


class NameIn:
    """Annotation of a string field that must be a registered name."""

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._validate, core_schema.str_schema()
        )

    def _validate(self, name: str) -> str:
        if name not in self.registry:
            raise ValueError(self.registry.refusal(name))
        return name


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; raise WordlabError at file:line:column where it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(path)) from None
    except UnicodeDecodeError:
        raise WordlabError("is not UTF-8 text", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise WordlabError(f"is not TOML: {error}", where=str(path)) from None


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise WordlabError at file:line:column where it cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(path)) from None
    except UnicodeDecodeError:
        raise WordlabError("is not UTF-8 text", where=str(path)) from None
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise WordlabError(f"is not JSON: {error.msg}", where=where) from None


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `data` with each `section.field=value` set; a comma makes a list.

    >>> apply_overrides({"model": {"n": 4}}, ["model.hidden=128,64", "model.activation=tanh"])
    {'model': {'n': 4, 'hidden': [128, 64], 'activation': 'tanh'}}
    """
    result: dict[str, Any] = copy.deepcopy(data)
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals or not name.strip():
            raise WordlabError(
                f"{override!r} is not of the form section.field=value", where="--set"
            )
        *sections, field = name.strip().split(".")
        table = result
        for section in sections:
            inner = table.setdefault(section, {})
            if isinstance(inner, str):
                inner = {"type": inner}
            if not isinstance(inner, dict):
                raise WordlabError(f"{section!r} is a value, not a section", where=f"--set {name}")
            table[section] = inner
            table = inner
        value = parse_value(text.strip())
        if isinstance(table.get(field), dict) and isinstance(value, str):
            value = {"type": value}  # another part: the settings of the old one do not fit it
        table[field] = value
    return result


def parse_value(text: str) -> Any:
    """Read the right-hand side of an override as TOML, as a list at commas, or as bare words."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if "," in text and text[0] not in "[{\"'":
            return [parse_value(item.strip()) for item in text.split(",") if item.strip()]
        return text


def split_values(text: str) -> list[str]:
    """Split alternatives at the commas that stand in no bracket, brace or quotation marks.

    Raises:
        WordlabError: where there is nothing between two commas, or a bracket stays open.

    >>> split_values("128, 256")
    ['128', '256']
    >>> split_values("[128],[256,64],{type='sgd', rate=0.5}")
    ['[128]', '[256,64]', "{type='sgd', rate=0.5}"]
    """
    pieces, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        if sign == "," and not depth and not quote:
            pieces.append("")
        else:
            pieces[-1] += sign
    values = [piece.strip() for piece in pieces]
    if depth or quote:
        raise WordlabError(f"a bracket or quotation mark of {text!r} has no partner")
    if not all(values):
        raise WordlabError(f"a value of {text!r} is empty")
    return values


def validate(cls: type[S], data: dict[str, Any], *, source: str) -> S:
    """Check `data` against the settings class; raise WordlabError naming every fault.

    Args:
        source: the file or option that the data came from, for the message.
    """
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        faults = list(_faults(cls, error, ()))
        shown = "; ".join(faults[:3])
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise WordlabError(shown + more, where=source) from None


def _faults(
    cls: type[Settings], error: ValidationError, prefix: tuple[str, ...]
) -> typing.Iterator[str]:
    for fault in error.errors():
        path = prefix + tuple(str(part) for part in fault["loc"])
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, _PartError):
            yield from _faults(cause.part, cause.error, path)
            continue
        name = ".".join(path) or "settings"
        if fault["type"] == "extra_forbidden":
            owner = _settings_at(cls, fault["loc"][:-1])
            allowed = list(owner.model_fields) if owner else []
            close = difflib.get_close_matches(path[-1], allowed, n=1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            yield f"{name}: unknown setting; {meant}allowed: {', '.join(allowed)}"
        elif isinstance(cause, ValueError):
            yield f"{name}: {cause}"
        else:
            message = fault["msg"][0].lower() + fault["msg"][1:]
            yield f"{name}: {message}, not {fault['input']!r}"


def _settings_at(cls: type[Settings], loc: tuple[int | str, ...]) -> type[Settings] | None:
    """Return the settings class that sits at a location inside `cls`."""
    owner: type[Settings] | None = cls
    for part in loc:
        if owner is None or not isinstance(part, str):
            continue
        field = owner.model_fields.get(part)
        owner = _settings_class(field.annotation) if field else None
    return owner


def _settings_class(annotation: Any) -> type[Settings] | None:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    for inner in typing.get_args(annotation):
        found = _settings_class(inner)
        if found:
            return found
    return None
