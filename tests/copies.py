"""Projects that are made once in a test process: every later test that asks for one gets a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from command_line import Project

from harness.store import needs
from harness.store.artifacts import Store


class Copies:
    """What was made so far, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Callable[[Project], object], Path] = {}

    def fill(self, project: Project, make: Callable[[Project], object]) -> None:
        """Leave in ``project`` what ``make`` leaves there."""
        if make in self._made:
            shutil.copytree(self._made[make], project.folder, symlinks=True, dirs_exist_ok=True)
            store = Store(project.folder / ".harness")
            for original in needs.projects(store):
                needs.forget(store, original)
                needs.note_project(store, project.folder)
            return
        make(project)
        kept = self._folder / str(len(self._made))
        shutil.copytree(project.folder, kept, symlinks=True)
        self._made[make] = kept
