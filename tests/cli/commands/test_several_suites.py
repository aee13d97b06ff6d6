"""``harness run`` with several suites: all are checked first, one runs after another, and the worst code counts."""

from __future__ import annotations

import pytest
from command_line import Project
from toy_suites import changed, write_suite

from harness.errors import Exit, worst

FAILING = changed(("model:   {use: toy.train, data: parts.train", "model:   {use: toy.train, data: limited"))
FAILING = FAILING.replace(
    "  model:  ", "  limited: {use: toy.limit, numbers: parts.train, at_most: 0.0}\n  model:  "
).replace("toy/centre", "toy/fails")


@pytest.fixture
def two(project: Project) -> Project:
    """``toy/centre``, which has a baseline, and ``toy/other``, which has none."""
    write_suite(project.folder)
    assert project.harness("run", "toy/centre").code == 4
    project.accept()
    write_suite(project.folder, changed(("toy/centre", "toy/other")), "other.yaml")
    return project


def test_one_runs_after_another_and_the_last_lines_sum_up(two: Project) -> None:
    said = two.harness("run", "toy/centre", "suites/other.yaml")
    assert said.code == 4
    assert said.out.splitlines()[-3:] == [
        "2 suites, exit 4",
        "  toy/centre: unchanged (exit 0)",
        "  toy/other: no baseline yet (exit 4)",
    ]
    assert len(two.runs) == 3
    assert all((folder / "report.html").is_file() for folder in two.runs)


def test_each_record_has_the_command_that_runs_this_suite_alone(two: Project) -> None:
    two.harness("run", "suites", "--set", "model.epochs=4", "--strict", "--baseline", "cpu")
    assert two.latest["provenance"]["command"] == [
        *("harness", "run", "suites/suite.yaml", "--set", "model.epochs=4", "--baseline", "cpu", "--strict")
    ]


def test_a_folder_of_one_suite_and_json_are_not_in_the_command_of_its_record(project: Project) -> None:
    write_suite(project.folder)
    for arguments in (("suites",), ("toy/centre", "--json")):
        assert project.harness("run", *arguments).code == 4
        assert project.latest["provenance"]["command"] == ["harness", "run", "suites/suite.yaml"]


def test_a_task_that_fails_does_not_keep_the_others_from_running(two: Project) -> None:
    write_suite(two.folder, FAILING, "a-fails.yaml")
    said = two.harness("run", "suites")
    assert said.code == 5
    assert said.out.splitlines()[-4:] == [
        "3 suites, exit 5",
        "  toy/fails: failed (exit 5)",
        "  toy/other: no baseline yet (exit 4)",
        "  toy/centre: unchanged (exit 0)",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("suites", "toy/centr"), "no suite 'toy/centr'"),
        (("suites", "--set", "model.epoch=1"), "did you mean 'epochs'?"),
        (("suites", "--fresh", "mdel"), "--fresh mdel: no such stage; did you mean 'model'?"),
        (("suites", "--out", "here"), "--out here: the folder of one run, and several suites are to run"),
        (("suites", "--baseline", "baselines/toy/centre/cpu.json"), "a label is of each"),
        (("suites", "--shard", "1/2", "--json"), "--shard gives no verdict"),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(
    two: Project, arguments: tuple[str, ...], told: str
) -> None:
    said = two.harness("run", *arguments)
    assert said.code == 2
    assert told in said.error
    assert len(two.runs) == 1
    assert not (two.folder / "here").exists()


def test_a_mistake_in_the_last_suite_is_found_before_the_first_runs(two: Project) -> None:
    write_suite(two.folder, changed(("epochs: 5", "epochs: many")), "z.yaml")
    said = two.harness("run", "suites")
    assert said.code == 2
    assert said.error.startswith("suites/z.yaml:8: ")
    assert len(two.runs) == 1


def test_one_part_of_each(two: Project) -> None:
    said = two.harness("run", "suites", "--shard", "1/2", "--set", "model.epochs=3")
    assert said.code == 0
    assert said.out.count("shard 1/2: ") == 2
    assert len(two.runs) == 1


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], Exit.OK),
        ([Exit.OK, Exit.INCONCLUSIVE], Exit.INCONCLUSIVE),
        ([Exit.INCOMPARABLE, Exit.REGRESSED, Exit.INCONCLUSIVE], Exit.REGRESSED),
        ([Exit.REGRESSED, Exit.FAILED], Exit.FAILED),
        ([Exit.FAILED, Exit.USAGE], Exit.USAGE),
    ],
)
def test_the_first_code_that_applies(codes: list[Exit], expected: Exit) -> None:
    assert worst(codes) is expected
