"""Baselines as they are read: accepted runs under ``baselines/<suite>/<label>.json``, with their per-item rows.

They are read from the working tree or at the merge base of a branch, which the branch under review cannot have changed.
``acceptance.py`` writes and signs them, so that an edited or foreign file is refused.

A baseline appears whole: the file of its items is named by their digest, and the JSON, which refers to it, is written
last. So a reader of the JSON finds its items even if a writer was killed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from harness.artifact import Json
from harness.compare.sample import Side
from harness.errors import UsageError, nearest
from harness.formats import strict_json
from harness.formats.files import opened, read_text, text_of
from harness.formats.strict_json import canonical
from harness.store.items import ItemsReader
from harness.store.record import Accepted, Run
from harness.store.record_file import LABEL, has_items, items_file, loads, read_items

FOLDER = PurePosixPath("baselines")
SUITE = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class Baseline(Side):
    """An accepted run that can be compared with."""

    where: str = ""
    """Its path, and if it comes from git, the commit."""


def find(project: Path, suite: str, label: str) -> Baseline | None:
    """The baseline of a suite under a label, from the working tree; None if there is none.

    Raises:
        UsageError: a bad label; or the file is unreadable, of another suite, or was edited after it was accepted.
    """
    return read_from(_WorkingTree(project), suite, label)


def read_at(project: Path, ref: str, suite: str, label: str) -> Baseline | None:
    """As ``find``, but at the merge base of ``HEAD`` and a git reference.

    Raises:
        UsageError: as for ``find``; or git has no such reference or no common commit.
    """
    return read_from(Commit.merge_base(project, ref), suite, label)


def read_file(file: Path) -> Baseline:
    """A baseline read from its file, in any folder and of any suite; or a run, which has no digest.

    Raises:
        UsageError: the file is unreadable, or is a baseline that was edited after it was accepted.
    """
    text = read_text(file)
    run = loads(text, str(file))
    if run.accepted is None:
        items = read_items(file, run)
    else:
        place = _WorkingTree(file.parent)
        text, run, items = _whole(place, PurePosixPath(file.name), str(file), text, run)
        assert run.accepted is not None
        _check_digest(run.accepted, text, items, str(file))
    return Baseline(run, None if items is None else ItemsReader(items, str(items_file(file, run))), str(file))


def named(text: str, project: Path) -> tuple[Baseline, Path]:
    """The baseline that ``SUITE/LABEL`` or a file names, and its file.

    Raises:
        UsageError: there is no such baseline; the file is a run; or it was edited after it was accepted.
    """
    path = Path(text)
    if path.is_file():
        found = read_file(path)
        if found.run.accepted is None:
            raise UsageError(f"{text}: a run, not a baseline; `harness accept` makes one of it")
        return found, path
    suite, slash, label = text.removesuffix(".json").removeprefix(f"{FOLDER}/").rpartition("/")
    if slash and SUITE.fullmatch(suite) and LABEL.fullmatch(label):
        found_there = find(project, suite, label)
        if found_there is not None:
            return found_there, project / path_of(suite, label)
    known = sorted(_known(project))
    listed = f"there are {', '.join(known[:8])}" if known else "there is none yet"
    raise UsageError(f"no baseline {text!r}: expected SUITE/LABEL or a file; {listed}{nearest(text, known)}")


def _known(project: Path) -> Iterable[str]:
    home = project / FOLDER
    for file in home.rglob("*.json"):
        yield str(PurePosixPath(file.relative_to(home)).with_suffix(""))


def labels(project: Path, suite: str) -> list[str]:
    """The labels under which a suite has baselines in the working tree."""
    return _labels(_WorkingTree(project), suite)


def labels_at(project: Path, ref: str, suite: str) -> list[str]:
    """As ``labels``, at the merge base."""
    return _labels(Commit.merge_base(project, ref), suite)


class Content(Protocol):
    """Files by their path below the project, from the working tree or from git; None if there is no such file."""

    def read(self, path: PurePosixPath) -> bytes | None: ...


class _Place(Content, Protocol):
    """A source of baselines."""

    def names(self, folder: PurePosixPath) -> list[str]: ...


@dataclass(frozen=True)
class _WorkingTree:
    project: Path

    def read(self, path: PurePosixPath) -> bytes | None:
        try:
            with opened(self.project / path) as content:
                return content.read()
        except FileNotFoundError:
            return None
        except OSError as e:
            raise UsageError(f"{self.project / path}: cannot be read ({e.strerror})") from None

    def names(self, folder: PurePosixPath) -> list[str]:
        place = self.project / folder
        return sorted(p.name for p in place.iterdir()) if place.is_dir() else []

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Commit:
    """A commit, seen from the project's folder."""

    project: Path
    commit: str
    name: str
    """What it is: ``"merge base with main"``."""

    @classmethod
    def head(cls, project: Path) -> Commit:
        """The commit that is checked out, in a repository in which ``merge_base`` found one."""
        return cls(project, _git(project, "rev-parse", "HEAD").stdout.decode().strip(), "HEAD")

    @classmethod
    def merge_base(cls, project: Path, ref: str) -> Commit:
        """Find the common commit of ``HEAD`` and a reference.

        Raises:
            UsageError: no git, no repository, no such reference, or no common commit.
        """
        at = f"--baseline-ref {ref}"
        repository = _git(project, "rev-parse", "--git-dir")
        if repository.returncode:
            problem = repository.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise UsageError(f"{at}: {project} is no repository that git can read ({problem})")
        refs = [f"refs/{kind}/{ref}" for kind in ("tags", "heads", "remotes")]
        meant = (
            _git(project, "for-each-ref", "--format=%(refname)", *refs)
            .stdout.decode(errors="replace")
            .split()
        )
        if len(several := [m for m in meant if m in refs]) > 1:
            raise UsageError(f"{at}: may be {' or '.join(several)}; write one of them")
        tip = _git(project, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        if tip.returncode:
            raise UsageError(f"{at}: git knows no such commit, branch or tag (is it fetched?)")
        base = _git(project, "merge-base", "HEAD", tip.stdout.decode().strip())
        if base.returncode:
            raise UsageError(f"{at}: nothing in common with HEAD; a shallow clone has to be deepened first")
        return cls(project, base.stdout.decode().strip(), f"merge base with {ref}")

    def last_change(self, since: Commit, path: PurePosixPath) -> str:
        """Author and short id of the last commit after ``since`` that changed a file: ``"Ada Lovelace (1a2b3c4d)"``."""
        span = f"{since.commit}..{self.commit}"
        shown = _git(self.project, "log", "-1", "--format=%aN (%h)", span, "--", f"./{path}")
        return shown.stdout.decode(errors="replace").strip()

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
        return f"{self.commit[:10]} ({self.name})"


def _git(project: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("--baseline-ref needs git, which is not installed") from None


def read_from(place: Content, suite: str, label: str) -> Baseline | None:
    """As ``find``, from any source; errors name it by its ``str``."""
    path = path_of(suite, label)
    where = " at ".join(filter(None, (str(path), str(place))))
    text = _text(place, path, where)
    if text is None:
        return None
    text, run, items = _whole(place, path, where, text, loads(text, where))
    if run.accepted is None:
        raise UsageError(f"{where}: a run, not a baseline; `harness accept` makes one of it")
    if (run.suite, run.accepted.label) != (suite, label):
        theirs = f"{run.suite!r} under the label {run.accepted.label!r}"
        raise UsageError(f"{where}: a foreign baseline, of suite {theirs}")
    _check_digest(run.accepted, text, items, where)
    reader = None if items is None else ItemsReader(items, str(items_file(Path(path), run)))
    return Baseline(run, reader, where)


def _text(place: Content, path: PurePosixPath, where: str) -> str | None:
    content = place.read(path)
    return None if content is None else text_of(content, where)


def _whole(
    place: Content, path: PurePosixPath, where: str, text: str, run: Run
) -> tuple[str, Run, bytes | None]:
    """A baseline with its items. It is read again if another process replaces the baseline meanwhile."""
    while has_items(run):
        items = place.read(PurePosixPath(items_file(Path(path), run)))
        if items is not None:
            return text, run, items
        now = _text(place, path, where)
        if now is None or now == text:
            break
        text, run = now, loads(now, where)
    return text, run, None


def _check_digest(accepted: Accepted, text: str, items: bytes | None, where: str) -> None:
    if accepted.digest != digest_of(strict_json.loads(text, where), items):
        anew = f"accept a run anew: harness accept RUN --label {accepted.label} --new-protocol --reason …"
        raise UsageError(
            f"{where}: it or its items changed after it was accepted; restore it (git checkout) or {anew}"
        )


def _labels(place: _Place, suite: str) -> list[str]:
    names = place.names(path_of(suite, "cpu").parent)
    return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))


def path_of(suite: str, label: str) -> PurePosixPath:
    """Path relative to the project. Suite and label become folder and file; neither may lead out of ``baselines/``."""
    if not LABEL.fullmatch(label):
        better = re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-._")
        hint = f"; did you mean {better!r}?" if LABEL.fullmatch(better) else ""
        raise UsageError(f"label {label!r}: use small letters, digits and . _ - (at most 64){hint}")
    if not SUITE.fullmatch(suite):
        raise UsageError(f"suite {suite!r}: not a name that a baseline can be kept under")
    return FOLDER / suite / f"{label}.json"


def digest_of(body: Mapping[str, Any], items: bytes | None) -> str:
    """Digest of everything in a baseline except the digest itself, and of its items; layout is ignored."""
    unsigned = {**body, "accepted": {**body["accepted"], "digest": ""}}
    content: dict[str, Json] = {
        "record": canonical(unsigned),
        "items": None if items is None else sha256(items).hexdigest(),
    }
    return sha256(f"harness/baseline/1:{canonical(content)}".encode()).hexdigest()
