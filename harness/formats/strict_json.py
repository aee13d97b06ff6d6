"""Whether a record read from JSON is what its dataclass says: JSON of the right names may still hold anything."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args, get_origin

from harness.errors import UsageError

T = TypeVar("T")
Misfit = Callable[[Any], str | None]
"""Of a value: the first place in it that is not of the type, as ``.scores[3].point``; None where there is none."""


def checked(record: T, where: str) -> T:
    """The record itself.

    Raises:
        UsageError: something in it is not of its type.
    """
    kind: Any = type(record)
    if (place := misfit(kind)(record)) is not None:
        raise UsageError(f"{where}: damaged record ({place[1:]} is not what it should be)")
    return record


@lru_cache(maxsize=256)
def misfit(annotation: Any) -> Misfit:
    """What looks at values of one type: dataclasses, mappings from text, tuples, lists, literals, unions, plain values.

    Numbers are finite, as strict JSON makes sure of; a whole number is a float, too.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return lambda value: None
    if is_dataclass(annotation):
        return _record(annotation)
    if origin in (typing.Union, types.UnionType):
        members = [misfit(a) for a in args]
        return lambda value: None if any(m(value) is None for m in members) else ""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda value: None if isinstance(value, annotation) else ""
    if origin is Literal:
        return lambda value: None if isinstance(value, str) and value in args else ""
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(misfit(args[1]))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _sequence(misfit(args[0]), tuple if origin is tuple else list)
    kinds = {float: (int, float), int: (int,), bool: (bool,), str: (str,), type(None): (type(None),)}[
        annotation
    ]
    return lambda value: None if type(value) in kinds else ""


def _record(kind: Any) -> Misfit:
    hints = typing.get_type_hints(kind, localns={"Json": Any})  # which is what strict JSON is already
    inner = [(f.name, misfit(hints[f.name])) for f in fields(kind)]

    def of(value: Any) -> str | None:
        if not isinstance(value, kind):
            return ""
        for name, look in inner:
            if (place := look(getattr(value, name))) is not None:
                return f".{name}{place}"
        return None

    return of


def _mapping(inner: Misfit) -> Misfit:
    def of(value: Any) -> str | None:
        if not isinstance(value, dict):
            return ""
        for name, each in value.items():
            if (place := inner(each)) is not None:
                return f".{name}{place}"
        return None

    return of


def _sequence(inner: Misfit, kind: type[list[Any]] | type[tuple[Any, ...]]) -> Misfit:
    def of(value: Any) -> str | None:
        if not isinstance(value, kind):
            return ""
        for i, each in enumerate(value):
            if (place := inner(each)) is not None:
                return f"[{i}]{place}"
        return None

    return of
