"""Sizes and ages as people say them."""

from __future__ import annotations

import re

from harness.errors import UsageError

_AGE = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def size(count: int) -> str:
    """``1.23 GB``: decimal units, three digits."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def age_s(text: str) -> float:
    """``90s``, ``30m``, ``12h``, ``1d`` or ``0`` in seconds.

    Raises:
        UsageError: it is no age.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None or (found[2] is None and float(found[1])):
        raise UsageError(f"--age {text}: expected a number with s, m, h or d, such as 12h, or 0")
    return float(found[1]) * _SECONDS[found[2] or "s"]
