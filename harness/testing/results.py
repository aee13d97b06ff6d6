"""The content of what a stage returns, for telling two results apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.artifact import Artifact
from harness.stage import BESIDE_VALUES, Scores


def content(made: object) -> object:
    """What a stage or a metric computed, as plain values that can be compared by ``==``.

    Of an artifact these are its kind and the bytes of each file by its relative path; of scores the values and the
    rows of items. Facts, conditions and details are left out, because they may repeat a parameter that has no effect,
    or hold a time. A NaN equals a NaN.

    Args:
        made: an artifact, scores, or the outputs of a stage with several.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(made, Artifact):
        return type(made).__name__, _files(made.path)
    if isinstance(made, Scores):
        values = {f.name: repr(getattr(made, f.name)) for f in fields(made) if f.name not in BESIDE_VALUES}
        return values, None if made.items is None else _plain(vars(made.items))
    if isinstance(made, tuple):
        return [content(each) for each in made]
    raise TypeError(f"{type(made).__name__} is not what a stage returns")


def _plain(value: Any) -> object:
    """Equal for equal values: mappings in any order, all sequences alike."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    return [_plain(each) for each in value]


def _files(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
