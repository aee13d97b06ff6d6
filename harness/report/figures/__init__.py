"""Pictures of a run, as files beside its report: sheets of samples, loss curves, quality against cost.

They are drawn from the record and the store when the run's folder is written, under ``figures/``, whose
``index.json`` lists them. Reports only refer to what the index lists and the folder still holds, so a run whose
artifacts are gone keeps its pictures. Any suite gets those that its artifacts and facts allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import StageError, StoreError, UsageError
from harness.formats import files, strict_json
from harness.report.figures.curves import curves
from harness.report.figures.drawing import Section, UnreadableImageError, content
from harness.report.figures.frontier import frontiers
from harness.report.figures.sheets import sheets
from harness.store.artifacts import Store
from harness.store.record import Run

FOLDER = "figures"
INDEX = "index.json"

_TROUBLE = (OSError, StageError, StoreError, UsageError, UnreadableImageError)
"""What reading artifacts and writing pictures may end in; a verdict stands without its pictures."""


@dataclass(frozen=True)
class Picture:
    """A picture of a run."""

    file: str
    """Relative to the run's folder, with forward slashes."""
    section: Section
    title: str
    alt: str
    """What it shows, for those who do not see it."""


def draw(run: Run, folder: Path, store: Store) -> list[str]:
    """Draw all pictures of a run into its folder, those of an earlier run in the same folder removed.

    Args:
        run: the record; its per-item rows are in ``folder``.
        folder: of the run.
        store: where the artifacts of its tasks may be.

    Returns:
        One line for each picture that could not be drawn. Nothing that goes wrong here ends a run.
    """
    problems: list[str] = []
    try:
        _clear(folder)
        pictures = list(_draw(run, folder, store, problems))
        if pictures:
            index = json.dumps([asdict(p) for p in pictures], indent=1, ensure_ascii=False)
            _write(folder / FOLDER / INDEX, index.encode())
    except OSError as e:
        problems.append(_problem(folder / FOLDER, e))
    return problems


def _draw(run: Run, folder: Path, store: Store, problems: list[str]) -> Iterator[Picture]:
    """The pictures that could be drawn; what went wrong with the others is added to ``problems``."""
    for drawings in (frontiers(run, folder), sheets(run, store), curves(run)):
        try:
            for drawing in drawings:
                file = f"{FOLDER}/{drawing.file}"
                try:
                    _write(folder / file, content(drawing, store))
                except _TROUBLE as e:
                    problems.append(_problem(folder / file, e))
                else:
                    yield Picture(file, drawing.section, drawing.title, drawing.alt)
        except _TROUBLE as e:
            problems.append(_problem(folder / FOLDER, e))


def _problem(file: Path, error: Exception) -> str:
    reason = str(getattr(error, "strerror", None) or error).strip().partition("\n")[0]
    return f"{file}: not drawn ({reason})"


def drawn(folder: Path) -> list[Picture]:
    """The pictures that a run's folder holds, in the order of their use."""
    return [p for p in _indexed(folder) if (folder / p.file).is_file()]


def _indexed(folder: Path) -> list[Picture]:
    """What the index lists; nothing where there is none, or one that is not ours."""
    try:
        listed = strict_json.read(folder / FOLDER / INDEX)
        pictures = [Picture(**entry) for entry in listed]
        return [p for p in pictures if Path(p.file).parent == Path(FOLDER) and Path(p.file).name != ".."]
    except (UsageError, ValueError, TypeError):
        return []


def _clear(folder: Path) -> None:
    """Remove what the index lists and nothing else: with ``--out`` the folder may be somebody's own."""
    for picture in _indexed(folder):
        (folder / picture.file).unlink(missing_ok=True)
    if (folder / FOLDER).is_dir():
        (folder / FOLDER / INDEX).unlink(missing_ok=True)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, data)
