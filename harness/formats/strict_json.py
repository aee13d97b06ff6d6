"""Strict JSON in one spelling, and checks that it matches its dataclass.

Refused are ``NaN`` and ``Infinity``, numbers that are too large for a float, a name that occurs twice in one object,
lone surrogates (which cannot be written to a file), and nesting that would exhaust the interpreter's stack.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from harness.artifact import Json
from harness.errors import StageError, UsageError
from harness.formats.files import opened, read_bytes, text_of


def canonical(value: Json | Mapping[str, Any]) -> str:
    """The same text for equal values: sorted keys, no spaces, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


MOST_DIGITS = 300
"""Largest number of digits of a whole number; a longer one may be infinite as a float."""
MOST_LEVELS = 100

_LARGE = re.compile(r"\d{300}|[eE]\+?\d{3}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        UsageError: the file cannot be read, or is not JSON; the message has file and line.
    """
    return loads(read_bytes(file), str(file))


def loads(text: str | bytes, where: str, line: int | None = None) -> Any:
    """Parse a JSON text.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        where: where the text comes from, for messages.
        line: the line of that place at which the text begins, for messages; None if it is the whole.

    Raises:
        UsageError: the text is not JSON.
    """
    text = text if isinstance(text, str) else text_of(text, where, line or 1)
    place = where if line is None else f"{where}:{line}"
    try:
        body = (_CAREFUL if _LARGE.search(text) else _QUICK).decode(text)
        _check_levels(body)
        if _SURROGATE.search(text):
            _check_surrogates(body)
    except json.JSONDecodeError as e:
        what = "empty" if not text.strip() else f"not JSON ({e.msg.removesuffix(' at')} at column {e.colno})"
        raise UsageError(f"{where}:{(line or 1) + e.lineno - 1}: {what}") from None
    except RecursionError:
        raise UsageError(f"{place}: not JSON (nested too deep)") from None
    except ValueError as e:
        raise UsageError(f"{place}: not JSON ({e})") from None
    return body


def objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place (``file:line``) and the object of each line of a JSON-lines file; blank lines are skipped.

    Raises:
        StageError: the file cannot be read, or a line is not an object in strict JSON.
    """
    try:
        with opened(file) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = loads(line.rstrip(b"\r\n"), str(file), number)
                if not isinstance(row, dict):
                    raise StageError(f"{file}:{number}: {_KINDS[type(row)]}, expected an object")
                yield f"{file}:{number}", row
    except OSError as e:
        raise StageError(f"{file}: cannot be read ({e.strerror or e})") from None
    except UsageError as e:
        raise StageError(str(e)) from None


_KINDS = {
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} stands twice in one object")
    return found


def _check_levels(body: Any) -> None:
    level = [body]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise RecursionError


def _check_surrogates(body: Any) -> None:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        raise ValueError(f"\\u{ord(e.object[e.start]):04x} is half a character") from None


_QUICK = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


T = TypeVar("T")
Misfit = Callable[[Any], str | None]
"""Takes a value; returns the first place of a wrong type in it, such as ``.scores[3].point``, or None."""


def checked(record: T, where: str) -> T:
    """The record itself, checked.

    Raises:
        UsageError: a value in it does not have its declared type.
    """
    kind: Any = type(record)
    if (place := misfit(kind)(record)) is not None:
        raise UsageError(f"{where}: damaged record ({place[1:]} is not what it should be)")
    return record


@lru_cache(maxsize=256)
def misfit(annotation: Any) -> Misfit:
    """The check for a type: dataclasses, mappings from text, tuples, lists, literals, unions, plain values.

    Numbers are finite, as strict JSON ensures; a whole number is also accepted as a float.
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
    hints = typing.get_type_hints(kind, localns={"Json": Any})  # strict JSON ensures this already
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
