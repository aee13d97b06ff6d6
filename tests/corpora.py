"""A corpus of given texts."""

from __future__ import annotations

from pathlib import Path

from jobs import FolderJob

from harness.artifact import Corpus
from harness.formats.corpus import Row, write


def corpus(folder: Path, *texts: str) -> Corpus:
    """Each text its own document."""
    path = FolderJob(folder).folder()
    write(path, [Row(text, f"{i}.txt", 0, 0) for i, text in enumerate(texts)])
    return Corpus(path)
