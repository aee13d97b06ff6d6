"""Git for tests, with an author of its own and ``main`` as the first branch."""

from __future__ import annotations

import subprocess
from pathlib import Path

AUTHOR = "Ada Lovelace"
OPTIONS = ("-c", f"user.name={AUTHOR}", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; returns what it printed."""
    done = subprocess.run(
        ["git", *OPTIONS, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
