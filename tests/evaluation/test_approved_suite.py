"""Which file of the merge base is the suite of a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare.runs import accepted, repeats, run, score
from git_repository import git
from toy_suites import changed, write_suite

from harness.errors import UsageError
from harness.evaluation.approved_suite import suite_at
from harness.suite import Suite

NAME = "toy/centre"


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """Two suites, and files that are none, on ``main``; a branch that has removed all of them."""
    write_suite(tmp_path)
    write_suite(tmp_path, "suite: toy/larger\nextends: ../suite.yaml\ngate: {fit: 7}\n", "below/larger.yml")
    write_suite(tmp_path, "- a list\n", "list.yaml")
    write_suite(tmp_path, "suite: [no, name]\n", "nameless.yaml")
    write_suite(tmp_path, "suite: {unclosed\n", "broken.yaml")
    write_suite(tmp_path, "suite: toy/centre\n", "notes.md")
    accepted(tmp_path, run(score(repeats([0.1, 0.2, 0.3])), suite="toy/lost"))
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "checkout", "-b", "change")
    git(tmp_path, "rm", "-rq", "suites")
    git(tmp_path, "commit", "-m", "all gone")
    (tmp_path / "suites").mkdir(exist_ok=True)
    return tmp_path


def found(project: Path, name: str, file: str = "suites/new.yaml") -> Suite | None:
    return suite_at(project, "main", name, project / file)


@pytest.mark.parametrize(
    "file", ["suites/suite.yaml", "suites/new.yaml", "suites/below/larger.yml", "new.txt"]
)
def test_a_suite_is_known_by_its_name_and_not_by_its_file(committed: Path, file: str) -> None:
    for name, margin in ((NAME, 0.1), ("toy/larger", 7.0)):
        suite = found(committed, name, file)
        assert suite
        assert (suite.name, suite.gates[0].margin.value) == (name, margin)


def test_a_name_that_is_new_is_none_unless_it_has_a_baseline(committed: Path) -> None:
    assert found(committed, "toy/new") is None
    with pytest.raises(
        UsageError, match=r"no file is the suite 'toy/lost', although it has a baseline .*\(cpu\)"
    ):
        found(committed, "toy/lost")


def test_of_several_files_of_one_name_that_in_the_same_place_counts(committed: Path) -> None:
    git(committed, "checkout", "main")
    write_suite(committed, changed(("fit: 0.1", "fit: 3")), "copy.yaml")
    git(committed, "add", "-A")
    git(committed, "commit", "-m", "a copy")
    git(committed, "checkout", "-b", "another")
    for file, margin in (("suites/copy.yaml", 3.0), ("suites/suite.yaml", 0.1)):
        suite = found(committed, NAME, file)
        assert suite
        assert suite.gates[0].margin.value == margin
    with pytest.raises(UsageError, match=r"several files .*: suites/copy\.yaml, suites/suite\.yaml"):
        found(committed, NAME)


def test_what_the_branch_put_in_the_place_of_a_file_is_not_followed(committed: Path) -> None:
    """The suite extends a file, which is now a link to one that loosens it."""
    place = committed / "suites" / "suite.yaml"
    place.symlink_to(committed / "suites" / "below" / "larger.yml")
    suite = found(committed, "toy/larger", "suites/below/larger.yml")
    assert suite
    assert suite.reference == {"model.loss": "square", "model.rate": 0.1}


def test_a_file_outside_the_project_is_one_line(
    committed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "suite.yaml"
    with pytest.raises(UsageError, match="not in the project"):
        suite_at(committed, "main", NAME, outside)
