"""A repository on a host, in small: a bare remote, an author's clone with suites, and what a runner checks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ci.runner import ROOT, Runner
from command_line import Project
from copies import Copies
from git_repository import git
from toy_suites import write_suite

TEXT = """\
suite: toy/one
about: A centre is learned from numbers and scored on others.
subject: [model]

stages:
  numbers: {use: toy.draw, count: 40, mean: 2.5, seed: 7}
  parts:   {use: toy.split, numbers: numbers, held_out: 0.25}
  others:  {use: toy.draw, count: 30, mean: 6}
  model:   {use: toy.train, data: parts.train, epochs: 5}

metrics:
  fit: {use: toy.measure, model: model, data: parts.test}
  many: {use: toy.size, data: others}

seeds:
  model.seed: [0, 1, 2]
gate:
  fit.error: 0.1
"""
WORSE = TEXT.replace("data: parts.train", "data: others")
GATES = ("one", "two")
ACTION, COMMENT = ROOT, ROOT / "comment"


def named(name: str, text: str = TEXT) -> str:
    """The suite by another name."""
    return text.replace("toy/one", f"toy/{name}")


def accepted(project: Project) -> None:
    """Two suites with their accepted baselines."""
    for name in GATES:
        file = write_suite(project.folder, named(name), f"gates/{name}.yaml")
        assert project.harness("run", file).code == 4
        project.accept(f"toy/{name}")
    (project.folder / ".gitignore").write_text("reports/\n.harness/\n")


class Hosted:
    """The repository.

    Args:
        project: the author's clone; a branch ``change`` is checked out.
        place: an empty folder for the host and its runners.
    """

    def __init__(self, project: Project, copies: Copies, place: Path) -> None:
        copies.fill(project, accepted)
        self.author, self.place, self.remote = project, place, place / "remote.git"
        git(project.folder, "init", "-q", "-b", "main")
        git(project.folder, "add", "-A")
        git(project.folder, "commit", "-qm", "Two gates")
        git(place, "clone", "-q", "--bare", str(project.folder), str(self.remote))
        git(project.folder, "remote", "add", "origin", f"file://{self.remote}")
        git(project.folder, "fetch", "-q", "origin")
        git(project.folder, "switch", "-qc", "change")
        self._runners = 0

    def write(self, name: str, text: str) -> None:
        write_suite(self.author.folder, named(name, text), f"gates/{name}.yaml")

    def propose(self, name: str, reason: str) -> None:
        """Accept the suite as it is now, as the author of the change."""
        self.author.harness("run", f"suites/gates/{name}.yaml")
        self.author.accept(f"toy/{name}")

    def pull_request(self, *, fork: bool = False, shallow: bool = False) -> Runner:
        """Commit what the author has, and check out the merge of it as GitHub does."""
        folder = self.author.folder
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "--allow-empty", "-m", "The change")
        head = git(folder, "rev-parse", "HEAD")
        git(folder, "switch", "-q", "--detach", "origin/main")
        git(folder, "merge", "-q", "--no-ff", "-m", f"Merge {head} into main", head)
        git(folder, "push", "-qf", "origin", "HEAD:refs/pull/7/merge", f"{head}:refs/pull/7/head")
        git(folder, "switch", "-q", "change")
        pull = pull_request(head, fork=fork)
        payload = {"action": "synchronize", "number": 7, "pull_request": pull, "repository": REPOSITORY}
        place = self._place()
        depth = ("--depth=1",) if shallow else ()
        git(place, "clone", "-q", *depth, f"file://{self.remote}", "work")
        git(place / "work", "fetch", "-q", *depth, "origin", "+refs/pull/7/merge:refs/remotes/pull/7/merge")
        git(place / "work", "checkout", "-q", "--detach", "refs/remotes/pull/7/merge")
        variables = {"GITHUB_BASE_REF": "main", "GITHUB_REF": "refs/pull/7/merge"}
        return Runner(place / "runner", place / "work", "pull_request", payload, **variables)

    def push(self) -> Runner:
        """Put what the author has on ``main``, and check it out."""
        folder = self.author.folder
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "--allow-empty", "-m", "On main")
        git(folder, "push", "-q", "origin", "HEAD:main")
        place = self._place()
        git(place, "clone", "-q", f"file://{self.remote}", "work")
        payload = {"ref": "refs/heads/main", "repository": REPOSITORY}
        return Runner(place / "runner", place / "work", "push", payload, GITHUB_REF="refs/heads/main")

    def _place(self) -> Path:
        self._runners += 1
        place = self.place / str(self._runners)
        place.mkdir()
        return place


REPOSITORY = {"full_name": "team/models", "default_branch": "main"}


def pull_request(head: str, *, number: int = 7, fork: bool = False) -> dict[str, Any]:
    """A pull request as events and the interface of GitHub tell it."""
    source = {"full_name": "someone/models"} if fork else REPOSITORY
    return {
        "number": number,
        "head": {"sha": head, "ref": "change", "repo": source},
        "base": {"ref": "main", "repo": REPOSITORY},
    }
