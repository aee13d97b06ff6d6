from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from compare.runs import accepted, repeats, run, score

from harness.compare import baseline
from harness.compare.merge_base import MergeBase
from harness.compare.sample import Side
from harness.errors import UsageError

VALUES = [0.8, 0.82, 0.81]


def git(project: Path, *arguments: str) -> None:
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(project), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def branch(with_items: tuple[Path, Side]) -> Path:
    """A project in a folder of a repository, whose branch ``change`` accepted other figures."""
    outer, _ = with_items
    git(outer, "init")
    git(outer, "add", "baselines")
    git(outer, "commit", "-m", "first")
    git(outer, "checkout", "-b", "change")
    accepted(outer, run(score(repeats([0.1, 0.1, 0.1]))), new_protocol=True)
    git(outer, "add", "-A", "baselines")
    git(outer, "commit", "-m", "lower the bar")
    return outer


def test_a_change_cannot_approve_itself(branch: Path) -> None:
    here = baseline.find(branch, "smoke/toy", "cpu")
    there = baseline.read_at(branch, "main", "smoke/toy", "cpu")
    assert here
    assert there
    assert here.run.scores[0].repeats[0].values == {"score": 0.1}
    assert there.run.scores[0].repeats[0].values == {"score": pytest.approx(0.45)}
    assert there.items
    column = there.items.items("m", {}, {}, "score")
    assert column
    assert column.values[3] == 0.3
    assert there.where.startswith("baselines/smoke/toy/cpu.json at ")
    assert "(merge base with main)" in there.where


def test_what_the_merge_base_does_not_have_is_none(branch: Path) -> None:
    assert baseline.read_at(branch, "main", "smoke/toy", "gpu") is None
    assert baseline.labels_at(branch, "main", "smoke/toy") == ["cpu"]
    assert baseline.labels_at(branch, "main", "smoke/other") == []


def test_a_project_below_the_repositorys_root_reads_its_own_files(branch: Path) -> None:
    below = branch / "below"
    below.mkdir()
    accepted(below, run(score(repeats(VALUES))))
    git(branch, "checkout", "main")
    git(branch, "add", "below/baselines")
    git(branch, "commit", "-m", "below")
    found = baseline.read_at(below, "main", "smoke/toy", "cpu")
    assert found
    assert found.run.scores[0].repeats[1].values == {"score": 0.82}


@pytest.mark.parametrize("ref", ["no-such-branch", "--all", "-h", ""])
def test_an_unknown_reference_is_one_line(branch: Path, ref: str) -> None:
    with pytest.raises(UsageError, match="no such commit, branch or tag"):
        MergeBase.find(branch, ref)


def test_unrelated_histories_and_no_repository_are_one_line(
    branch: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(branch, "checkout", "--orphan", "other")
    git(branch, "commit", "-m", "unrelated")
    with pytest.raises(UsageError, match="nothing in common with HEAD"):
        MergeBase.find(branch, "main")
    with pytest.raises(UsageError, match="no repository that git can read"):
        MergeBase.find(tmp_path_factory.mktemp("plain"), "main")
