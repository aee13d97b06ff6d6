"""Files at the merge base of a branch: they cannot have been changed by the branch under review."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import UsageError


@dataclass(frozen=True)
class MergeBase:
    """The common commit of ``HEAD`` and a reference, seen from the project's folder."""

    project: Path
    ref: str
    commit: str

    @classmethod
    def find(cls, project: Path, ref: str) -> MergeBase:
        """Find the merge base.

        Raises:
            UsageError: no git, no repository, no such reference, or no common commit.
        """
        at = f"--baseline-ref {ref}"
        repository = _git(project, "rev-parse", "--git-dir")
        if repository.returncode:
            problem = repository.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise UsageError(f"{at}: {project} is no repository that git can read ({problem})")
        tip = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if tip.returncode:
            raise UsageError(f"{at}: git knows no such commit, branch or tag (is it fetched?)")
        base = _git(project, "merge-base", "HEAD", tip.stdout.decode().strip())
        if base.returncode:
            raise UsageError(f"{at}: nothing in common with HEAD; a shallow clone has to be deepened first")
        return cls(project, ref, base.stdout.decode().strip())

    def read(self, path: PurePosixPath) -> bytes | None:
        """The content of a file, by its path below the project; None if it did not exist.

        Large-file and line-end filters are applied, as in a checkout.
        """
        shown = _git(self.project, "cat-file", "--filters", f"{self.commit}:./{path}")
        return None if shown.returncode else shown.stdout

    def names(self, folder: PurePosixPath) -> list[str]:
        """The names in a folder; empty if the folder did not exist."""
        listed = _git(self.project, "ls-tree", "-z", "--name-only", self.commit, f"./{folder}/")
        return [PurePosixPath(n.decode(errors="replace")).name for n in listed.stdout.split(b"\0") if n]

    def files(self, *suffixes: str) -> list[PurePosixPath]:
        """The paths below the project of all regular files that end in one of the suffixes, in order."""
        listed = _git(self.project, "ls-tree", "-r", "-z", self.commit, "./")
        found = []
        for line in listed.stdout.split(b"\0"):
            about, _, name = line.partition(b"\t")
            path = PurePosixPath(name.decode(errors="replace"))
            if about.startswith(b"100") and path.suffix in suffixes:
                found.append(path)
        return sorted(found)

    def __str__(self) -> str:
        return f"{self.commit[:10]} (merge base with {self.ref})"


def _git(project: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("--baseline-ref needs git, which is not installed") from None
