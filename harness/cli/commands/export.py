"""``harness export``: copies an artifact out of the store, such as a checkpoint, images or weights."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

from harness.errors import Exit, UsageError
from harness.evaluation.artifact_choice import Stored, find, parse_at
from harness.evaluation.record_choice import run_folder
from harness.formats import files
from harness.report import streams
from harness.store import project, record_file
from harness.store.record import Run
from harness.store.tiers import open_store


def main(o: Namespace) -> Exit:
    """``harness export``."""
    _, made = found(o)
    streams.say(f"exported: {export(made, o.to)}")
    return Exit.OK


def found(o: Namespace) -> tuple[Run, Stored]:
    """Return the run and the artifact that the arguments of ``export`` or ``publish`` name."""
    folder = run_folder(o.run, project.of(Path.cwd()))
    run = record_file.load(folder)
    return run, find(run, open_store(o.store, project.of_run(folder)), o.stage, parse_at(o.at))


def export(artifact: Stored, to: Path) -> Path:
    """Copy an artifact.

    Args:
        artifact: result of ``find``.
        to: target folder; must not exist.

    Raises:
        UsageError: the folder exists or cannot be written.
    """
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with files.new_folder(to) as folder:
            for path in sorted(
                artifact.folder.rglob("*")
            ):  # not copytree: its error messages span many lines
                copy = folder / path.relative_to(artifact.folder)
                copy.mkdir() if path.is_dir() else shutil.copy2(path, copy)
    except OSError as e:
        raise UsageError(f"{to}: cannot be written ({e.strerror or e})") from None
    return to
