"""The store of a command: a folder, and beside it the second tier that ``HARNESS_STORE`` may name."""

from __future__ import annotations

import os
from pathlib import Path

from harness.store import project as places
from harness.store import remote
from harness.store.artifacts import Store


def open_store(given: Path | None, project: Path) -> Store:
    """The store: ``--store``, else ``HARNESS_STORE`` (``FOLDER`` or ``FOLDER,URL``), else ``.harness/`` in the project.

    Raises:
        UsageError: the folder or the URL cannot be used.
    """
    root = places.store_root(given, project)
    named = os.environ.get("HARNESS_STORE", "")
    return Store(root, None if given is not None else remote.of(named)[1])
