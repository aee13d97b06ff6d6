"""Outside sources of a suite: how they are named, where they are found, and what pins them.

    org/name@<40 hex>            a repository of the model hub at a commit, model or data set
    org/name@unpinned            the same, from a mirror, pinned by its content alone
    org/name@<40 hex>:data/a.pt  one file or folder inside it
    path:../checkpoints/best     a local file or folder, relative to the suite's file
    path:../best@sha256:<64 hex> the same, only if its content has this digest

``resolve.py`` finds the files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.artifact import Json

COMMIT = re.compile(r"[0-9a-f]{40}")
_PINNED = re.compile(r"(.+)@sha256:([0-9a-f]*)")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

Origin = Literal["mirror", "hub cache", "hub", "path"]


@dataclass(frozen=True)
class Found:
    """Where a source was found and what it holds."""

    path: Path
    digest: str
    origin: Origin
    revision: str | None
    """The commit, as given by the hub, its cache, or the mirror's ``.revision``."""

    @property
    def verified(self) -> bool:
        """Whether the content is known to be that of a commit, not only of a folder with the right name."""
        return self.revision is not None


@dataclass(frozen=True)
class Source:
    """A repository of the hub, or a local file or folder. Two are equal if they name the same thing."""

    text: str = field(compare=False)
    """The source as written in the suite."""
    repo: str = ""
    """``org/name``; empty for ``path:``."""
    commit: str | None = None
    """40 hex digits; None for ``unpinned`` and for ``path:``."""
    inside: str = ""
    """A file or folder inside the repository; empty for all of it."""
    place: Path | None = None
    """The path that ``path:`` names."""
    pin: str | None = None
    """The content digest that ``path:`` must have; None if it is not pinned."""
    found: Found | None = field(default=None, compare=False)

    @classmethod
    def from_text(cls, text: str) -> Source:
        """Parse a reference.

        Raises:
            ValueError: it has none of the forms; the message is one line with the wrong part.
        """
        if text.startswith("path:"):
            if not text[5:].strip():
                raise ValueError(f"{text!r}: a file or folder must follow 'path:'")
            pinned = _PINNED.fullmatch(text[5:].strip())
            if pinned is None:
                return cls(text, place=Path(text[5:]))
            if len(pinned[2]) != 64:
                raise ValueError(f"{text!r}: a digest has 64 hex digits, not {len(pinned[2])}")
            return cls(text, place=Path(pinned[1]), pin=pinned[2])
        repo, at, rest = text.partition("@")
        commit, colon, inside = rest.partition(":")
        if not _REPO.fullmatch(repo):
            raise ValueError(f"{text!r} is neither org/name@commit nor path:some/folder")
        if not at:
            raise ValueError(f"{text!r} needs a commit: {repo}@<40 hex digits>, or {repo}@unpinned")
        if commit != "unpinned" and not COMMIT.fullmatch(commit):
            raise ValueError(f"{text!r}: {commit!r} is neither a commit of 40 hex digits nor 'unpinned'")
        if colon and (not inside or PurePosixPath(inside).is_absolute() or ".." in inside.split("/")):
            raise ValueError(f"{text!r}: {inside!r} must be a file or folder inside {repo}")
        return cls(text, repo, None if commit == "unpinned" else commit, inside)

    def relative_to(self, folder: Path) -> Source:
        """Resolve a relative ``path:`` against ``folder``; other sources are returned as they are."""
        return self if self.place is None else replace(self, place=folder / self.place)

    @property
    def path(self) -> Path:
        """The file or folder on this machine. Stages get resolved sources only."""
        assert self.found is not None, f"{self.text} is not resolved"
        return self.found.path

    def to_key(self) -> Json:
        """The source as part of a task's key: its content if known, otherwise its name."""
        return self.found.digest if self.found else self.text

    def facts(self) -> dict[str, Json]:
        """Facts for the record: the reference, where it was found, and what pins it."""
        if self.found is None:
            return {"reference": self.text, "digest": None}
        return {
            "reference": self.text,
            "digest": self.found.digest,
            "revision": self.found.revision,
            "verified": self.found.verified,
            "from": self.found.origin,
        }
