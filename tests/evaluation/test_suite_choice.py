"""A suite is named by its file or its name, wherever one is asked for; what is near is named where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Project
from toy_suites import changed, write_suite

from harness.errors import UsageError
from harness.evaluation.suite_choice import names, suite_file, suite_files, suite_name


@pytest.fixture
def suites(project: Project) -> Project:
    """Three suites: one at the place that its name suggests, two elsewhere."""
    write_suite(project.folder, changed(("toy/centre", "toy/near")), "toy/near.yaml")
    write_suite(project.folder)
    write_suite(project.folder, changed(("toy/centre", "toy/deep")), "a/b/c.yml")
    write_suite(project.folder, "stages: {}\n", "a/no-suite.yaml")
    return project


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("suites/suite.yaml", "suites/suite.yaml"),
        ("toy/centre", "suites/suite.yaml"),
        ("toy/near", "suites/toy/near.yaml"),
        ("toy/deep", "suites/a/b/c.yml"),
    ],
)
def test_a_file_or_a_name(suites: Project, given: str, file: str) -> None:
    assert suite_file(given) == Path(file)
    assert suite_name(file) == (suites.folder, {"suites/suite.yaml": "toy/centre"}.get(file, given))


def test_a_name_is_found_from_a_folder_below(suites: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(suites.folder / "suites" / "a")
    assert suite_file("toy/centre") == suites.folder / "suites" / "suite.yaml"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("toy/center", "no suite 'toy/center': neither a file nor a name in "),
        ("toy/center", "did you mean 'toy/centre'?"),
        ("suites/siute.yaml", "suites/siute.yaml: cannot be read (No such file or directory)"),
        ("suites/siute.yaml", "did you mean 'suites/suite.yaml'?"),
        ("suites/a", "suites/a: a folder; harness run takes folders"),
        ("x" * 5000, "no suite 'xxx"),
        ("a\0b", "no suite 'a\\x00b'"),
    ],
)
def test_what_is_no_suite(suites: Project, given: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        suite_file(given)
    assert told in str(caught.value)


def test_two_files_of_one_name_are_told_apart_by_the_person(suites: Project) -> None:
    write_suite(suites.folder, name="copy.yaml")
    with pytest.raises(
        UsageError, match=r"several files have the name 'toy/centre': suites/copy.yaml, suites/s"
    ):
        suite_file("toy/centre")
    assert suite_file("suites/copy.yaml") == Path("suites/copy.yaml")


def test_the_file_at_the_place_of_the_name_is_meant_even_if_another_has_the_name(suites: Project) -> None:
    write_suite(suites.folder, changed(("toy/centre", "toy/near")), "copy.yaml")
    assert suite_file("toy/near") == Path("suites/toy/near.yaml")


def test_a_folder_is_all_suites_below_it_and_each_is_taken_once(suites: Project) -> None:
    (suites.folder / "suites" / ".hidden").mkdir()
    write_suite(suites.folder, changed(("toy/centre", "toy/hidden")), ".hidden/suite.yaml")
    found = suite_files(["suites", "toy/centre", "suites/a"])
    assert found == [Path(f"suites/{name}") for name in ("a/b/c.yml", "suite.yaml", "toy/near.yaml")]
    assert suite_files(["toy/near", "suites"])[0] == Path("suites/toy/near.yaml")


def test_a_suite_with_a_mistake_is_not_passed_over_in_a_folder(suites: Project) -> None:
    write_suite(suites.folder, "suite: broken\nstages: [\n", "broken.yaml")
    write_suite(suites.folder, "services: &all\n", "compose.yaml")
    assert Path("suites/broken.yaml") in suite_files(["suites"])
    assert Path("suites/compose.yaml") not in suite_files(["suites"])
    assert "broken" not in names(suites.folder)


def test_a_folder_without_a_suite(suites: Project) -> None:
    (suites.folder / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no suite in this folder"):
        suite_files(["empty"])


def test_every_command_takes_either(suites: Project) -> None:
    for given in ("toy/centre", "suites/suite.yaml"):
        for command in (
            ("plan", given),
            ("run", given),
            ("compare", given),
            ("accept", given, "--reason", "again"),
            ("history", given),
            ("explain", given, "fit"),
            ("fetch", given, "--to", "mirror"),
            ("export", given, "numbers", "--to", f"numbers-{given.partition('.')[0].replace('/', '-')}"),
            ("leaderboard", given),
        ):
            said = suites.harness(*command)
            assert said.code in (0, 4), (command, said.err)
            assert not said.err.startswith("harness: "), (command, said.err)


def test_a_run_that_is_not_there_has_a_near_name(suites: Project) -> None:
    assert suites.harness("run", "toy/centre").code == 4
    said = suites.harness("compare", "toy/center")
    assert said.code == 2
    assert said.error.endswith("; did you mean 'toy/centre'?")
