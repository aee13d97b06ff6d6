"""JSON as it is defined, and no more: what Python's reader lets through besides would fail later, far from the file.

Refused are ``NaN`` and ``Infinity``, numbers that no float can hold, a name that stands twice in one object, halves of
surrogate pairs, which no file can hold, and nesting that would exhaust the interpreter's stack.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.given import read_bytes, text_of

MOST_DIGITS = 300
"""Of a whole number: what has more is infinite as a float."""
MOST_LEVELS = 100

_LARGE = re.compile(r"\d{300}|[eE]\+?\d{3}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read(file: Path) -> Any:
    """What a file holds.

    Raises:
        UsageError: it cannot be read, or is not JSON; says file and line.
    """
    return loads(read_bytes(file), str(file))


def loads(text: str | bytes, where: str) -> Any:
    """What a text holds.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        where: it comes from, for messages.

    Raises:
        UsageError: it is not JSON.
    """
    text = text if isinstance(text, str) else text_of(text, where)
    try:
        body = (_CAREFUL if _LARGE.search(text) else _QUICK).decode(text)
        _check_levels(body)
        if _SURROGATE.search(text):
            _check_surrogates(body)
    except json.JSONDecodeError as e:
        what = "empty" if not text.strip() else f"not JSON ({e.msg.removesuffix(' at')} at column {e.colno})"
        raise UsageError(f"{where}:{e.lineno}: {what}") from None
    except RecursionError:
        raise UsageError(f"{where}: not JSON (nested too deep)") from None
    except ValueError as e:
        raise UsageError(f"{where}: not JSON ({e})") from None
    return body


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
