"""Make a reader from a parameter's annotation: it parses text, and describes the type to people and to editors.

Text is read strictly: ``true`` and ``false``; whole numbers as ``10`` (no ``1_000``, no ``1e3``, no leading zero);
numbers as ``0.1`` or ``1e-6``, finite; a quoted scalar is always text.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

from harness.artifact import Json
from harness.suite.located_yaml import Tree
from harness.suite.readers import Choice, Fixed, FromText, Limited, Listed, Mapped, Null, OneOf, Plain, Reader

_INT = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLS = {"true": True, "false": False}


def parse(annotation: Any, tree: Tree, name: str = "value") -> Any:
    """Parse a suite's text as a value of the type ``annotation``.

    Args:
        annotation: bool, int, float, str, ``Literal``, ``Enum``, ``tuple[T, ...]``, ``tuple[T, U]``,
            ``list[T]``, ``Mapping[str, T]``, unions (``T | None``), ``Annotated`` with limits of
            ``annotated_types``, or a class with ``from_text(text)`` that raises ValueError. A ``from_text``
            value that has ``relative_to(folder)`` gets the folder of the file in which it is written.
        tree: the text, as a tree.
        name: name of the value in messages.

    Raises:
        SuiteError: the text is not such a value.
        TypeError: the annotation is not supported (a mistake of the stage's author).
    """
    return reader(annotation).read(tree, name)


def describe(annotation: Any) -> str:
    """What may be written, in words: ``whole number, at least 1``."""
    return reader(annotation).about


def json_schema(annotation: Any) -> dict[str, Any]:
    """What may be written, as JSON Schema."""
    return reader(annotation).schema()


def to_json(value: Any) -> Json:
    """The canonical plain form of a value, for keys, protocols and records.

    Tuples become lists, enum members become their values, and an object with ``to_key()`` becomes what that returns.

    Raises:
        TypeError: the value has no plain form.
    """
    if hasattr(value, "to_key"):
        return to_json(value.to_key())
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [to_json(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no plain form; give it to_key()")


def shown(value: Any) -> Json:
    """How a value is named in points and reports: a source as it was written, anything else in its plain form."""
    text = getattr(value, "text", None)
    return text if hasattr(value, "to_key") and isinstance(text, str) else to_json(value)


@lru_cache(maxsize=1024)
def reader(annotation: Any) -> Reader:
    """The reader of one type."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Limited.of(reader(args[0]), _limits(args[1:]))
    if origin in (typing.Union, types.UnionType):
        return OneOf(tuple(reader(a) for a in args))
    if origin is Literal:
        return Choice({_spell(a): a for a in args}, frozenset(a for a in args if isinstance(a, str)))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return Listed(reader(args[0]), tuple)
    if origin is tuple:
        return Fixed(tuple(reader(a) for a in args))
    if isinstance(origin, type) and issubclass(origin, Mapping) and args[0] is str:
        return Mapped(reader(args[1]))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return Listed(reader(args[0]), list)
    return _simple(annotation)


def _simple(annotation: Any) -> Reader:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        strings = frozenset(_spell(m.value) for m in annotation if isinstance(m.value, str))
        return Choice({_spell(m.value): m for m in annotation}, strings)
    if hasattr(annotation, "from_text"):
        return FromText(annotation)
    raise TypeError(f"{annotation!r} is no type of a suite's value")


def _limits(extras: Sequence[Any]) -> Iterator[Any]:
    for extra in extras:
        if isinstance(extra, GroupedMetadata):
            yield from _limits(tuple(extra))
        elif isinstance(extra, Ge | Gt | Le | Lt | MinLen | MaxLen | MultipleOf):
            yield extra


def _spell(value: Any) -> str:
    """How a choice is written in YAML."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _int(text: str) -> int | None:
    value = int(text) if _INT.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def _float(text: str) -> float | None:
    value = float(text) if _FLOAT.fullmatch(text) else None
    if value is None or value in (float("inf"), float("-inf")):
        return None
    return value + 0.0  # -0.0 and 0.0 are the same value and get the same key


_PLAIN: Mapping[Any, Reader] = {
    bool: Plain("true or false", _BOOLS.get, {"type": "boolean"}),
    int: Plain("whole number", _int, {"type": "integer"}, article="a "),
    float: Plain("number", _float, {"type": "number"}, article="a "),
    # If an editor's YAML reads a number or a truth value, the harness reads the text as written.
    str: Plain("text", str, {"type": ["string", "number", "boolean"]}, quotable=True),
    type(None): Null(),
}
