"""Checks values from outside against declared types, bounds and choices.

Types are declared by a dataclass, whose fields may have `low`, `high` and `choices` in their
metadata, or by a `TypedDict`, which is how the JSON of a file is declared. In both,
`Annotated[float, Limits(0, 1)]` is a type with bounds. True is no integer here; an integer is a
`float`.

Each check raises a ValueError that names the field, its value and what to give.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, NotRequired, TypeVar, Union

SHOWN = 80  # characters of a value
KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    dict: "an object",
    tuple: "a list",
}
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Inclusive bounds, and choices; None for any value."""

    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None

    def check(self, name: str, value) -> None:
        """Raises ValueError for a value that is not within the limits."""
        if self.choices is not None and value not in self.choices:
            choices = ", ".join(self.choices)
            raise ValueError(f"{name}={_shown(value, str)} is unknown: choose from {choices}")
        # As it stands also for NaN, which is in no bounds, and for integers beyond all floats.
        if self.low is not None and not self.low <= value <= self.high:
            bounds = f"{self.low:g} to {self.high:g}"
            raise ValueError(f"{name}={_shown(value)} is out of bounds: give a value from {bounds}")


ANY = Limits()


def make(cls: type[T], values, named: str) -> T:
    """Makes a dataclass of the values and checks the fields; errors call it `named`."""
    _check_type(named, values, dict)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := values.keys() - fields.keys():
        raise ValueError(f"{named} has unknown fields: {', '.join(sorted(unknown))}")
    for name, field in fields.items():
        if name not in values and field.default is field.default_factory is MISSING:
            raise ValueError(f"{named} has no {name}")
    made = cls(**values)
    check_fields(made)
    return made


def check_fields(instance) -> None:
    """Checks each field of a dataclass."""
    declared = _declared(type(instance))
    for field in dataclasses.fields(instance):
        limits = Limits(*map(field.metadata.get, ("low", "high", "choices")))
        check(field.name, getattr(instance, field.name), declared[field.name], limits)


def check(name: str, value, declared: Any, limits: Limits = ANY) -> None:
    """Checks a value; errors call it `name`.

    `declared` is a class, a TypedDict, `dict[str, X]`, `tuple[X, ...]`, `tuple[X, Y]`, `X | None`,
    or `Annotated[X, Limits(...)]`.
    """
    origin, inner = typing.get_origin(declared), typing.get_args(declared)
    if origin in (Annotated, NotRequired):
        check(name, value, *inner)
    elif origin in (Union, types.UnionType):
        if value is not None:
            check(name, value, inner[0], limits)
    elif typing.is_typeddict(declared):
        _check_typed_dict(name, value, declared)
    elif origin is dict:
        _check_type(name, value, dict)
        for key, each in value.items():
            check(f"{name}.{key}", each, inner[1])
    elif origin is tuple:
        _check_type(name, value, tuple)
        inner = inner[:1] * len(value) if Ellipsis in inner else inner
        if len(value) != len(inner):
            raise ValueError(f"{name}={_shown(value)} has {len(value)} elements: give {len(inner)}")
        for i, each in enumerate(value):
            check(f"{name}[{i}]", each, inner[i])
    else:
        _check_type(name, value, declared)
        limits.check(name, value)


def check_instance(name: str, value, wanted, remedy: str) -> None:
    """Raises TypeError, which says what to give, for an object of another class than `wanted`."""
    if not isinstance(value, wanted):
        raise TypeError(f"{name} is of type {type(value).__name__}: give {remedy}")


def _check_typed_dict(name: str, value, declared) -> None:
    _check_type(name, value, dict)
    for key, each in _declared(declared).items():
        if key in value:
            check(f"{name}.{key}", value[key], each)
        elif declared.__total__ and typing.get_origin(each) is not NotRequired:
            raise ValueError(f"{name} has no {key}")


@functools.cache
def _declared(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _check_type(name: str, value, declared: type) -> None:
    wanted = {float: (int, float), tuple: (list, tuple)}.get(declared, declared)
    if not isinstance(value, wanted) or (isinstance(value, bool) and declared is not bool):
        kind = KINDS.get(declared, declared.__name__)
        raise ValueError(f"{name}={_shown(value)} is of the wrong type: give {kind}")


def _shown(value, in_words=repr) -> str:
    try:
        text = in_words(value)
    except ValueError:  # of an integer with more than 4,300 digits
        text = "a huge integer"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
