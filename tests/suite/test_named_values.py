"""Names that a matrix gives its values, and sources, which points name as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Project
from toy_suites import TOY, changed, write_suite

from harness import suite as suites
from harness.errors import SuiteError
from harness.store import record_file

NAMED = changed(
    ("model.rate: [0.1, 0.2]", "model.rate: [{slow: 0.1}, 0.2]"), ("model.rate: 0.1", "model.rate: slow")
)
SOURCES = """
suite: toy/tools
subject: [model]
stages:
  numbers: {use: toy.draw, count: 40, seed: 7}
  brought: {use: toy.gather, source: "path:../a"}
  model: {use: toy.train, data: brought, epochs: 5}
metrics:
  fit: {use: toy.measure, model: model, data: numbers}
matrix:
  brought.source: [{a: "path:../a"}, "path:../b"]
reference: {brought.source: a}
gate:
  fit.error: [{margin: 0.5, at: {brought.source: a}}, {margin: 0.5, against: reference}]
"""


@pytest.fixture
def tools(project: Project) -> Project:
    for name, numbers in (("a", "[1, 2]"), ("b", "[1, 2, 3]")):
        (project.folder / name).mkdir()
        (project.folder / name / "n.json").write_text(numbers)
    return project


def test_a_named_value_is_meant_wherever_a_value_stands(project: Project) -> None:
    write_suite(project.folder, NAMED)
    assert project.harness("run", "suites/suite.yaml", "--only", "model.rate=slow").code == 4
    run = record_file.load(project.runs[-1])
    assert {s.point["model.rate"] for s in run.scores} == {"slow"}
    assert {s.settings["model.rate"] for s in run.scores} == {0.1}, "what it means is in the record"
    assert project.latest["only"] == {"model.rate": ["slow"]}


def test_set_takes_a_name(project: Project) -> None:
    write_suite(project.folder, NAMED)
    project.harness("run", "suites/suite.yaml", "--set", "model.rate=slow")
    assert {s.settings["model.rate"] for s in record_file.load(project.runs[-1]).scores} == {0.1}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("[{slow: 0.1}, {slow: 0.2}]", "two values are called 'slow'"),
        ("[{0.2: 0.1}, 0.2]", "two values are called '0.2'"),
        ('[{"a b": 0.1}, 0.2]', "'a b' is no name"),
        ("[{slow: 0.1}, {fast: 0.1}]", "stands twice"),
        ("[{slow: x}, 0.2]", "expected a number"),
        ("[{slow: 0.1, fast: 0.2}]", "expected a number"),
    ],
)
def test_bad_names_are_refused(tmp_path: Path, values: str, problem: str) -> None:
    text = changed(("model.rate: [0.1, 0.2]", f"model.rate: {values}"), (", model.rate: 0.1}", "}"))
    with pytest.raises(SuiteError, match=problem):
        suites.load(write_suite(tmp_path, text))


def test_a_value_without_its_name_is_still_meant(tmp_path: Path) -> None:
    text = NAMED.replace("model.rate: slow", "model.rate: 0.1")
    assert suites.load(write_suite(tmp_path, text)).reference["model.rate"] == 0.1


def test_a_suite_without_names_is_as_it_was(tmp_path: Path) -> None:
    assert all(axis.names == () for axis in suites.load(write_suite(tmp_path, TOY)).matrix)


def test_points_over_sources_are_named_and_not_digests(tools: Project) -> None:
    write_suite(tools.folder, SOURCES)
    said = tools.harness("run", "suites/suite.yaml")
    assert said.code == 4
    run = record_file.load(tools.runs[-1])
    assert [s.point["brought.source"] for s in run.scores] == ["a", "path:../b"]
    assert all(str(s.settings["brought.source"]).startswith("sha256:") for s in run.scores), (
        "kept in the record"
    )
    assert run.reference == {"brought.source": "a"}
    assert "sha256:" not in said.out
    assert "source=path:../b" in said.out
    assert "sha256:" not in (tools.runs[-1] / "report.md").read_text().split("### ")[1]


def test_another_output_of_a_tool_is_the_same_point(tools: Project) -> None:
    """A baseline over sources holds for what the tools bring next: the name is the point, not the content."""
    write_suite(tools.folder, SOURCES)
    tools.harness("run", "suites/suite.yaml")
    tools.accept("toy/tools")
    (tools.folder / "a/n.json").write_text("[90, 91]")
    said = tools.harness("run", "suites/suite.yaml")
    assert said.code == 6, said.out
    assert tools.latest["comparison"]["missing"] == []


def test_a_source_that_got_a_name_is_still_the_same_point(tools: Project) -> None:
    write_suite(tools.folder, SOURCES)
    tools.harness("run", "suites/suite.yaml")
    tools.accept("toy/tools")
    write_suite(tools.folder, SOURCES.replace('"path:../b"]', '{b: "path:../b"}]'))
    said = tools.harness("run", "suites/suite.yaml")
    assert (said.code, tools.latest["comparison"]["new"]) == (0, []), said.out


def test_a_baseline_over_named_sources_can_be_scored_again(tools: Project) -> None:
    write_suite(tools.folder, SOURCES)
    tools.harness("run", "suites/suite.yaml")
    tools.accept("toy/tools")
    said = tools.harness("rescore", "toy/tools/cpu")
    assert said.code == 0, said.err
