"""Another author's stages and metrics, installed beside the harness, work like its own: no fork, no registry file."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Project, Said, finish, package, start

CODE = '''
"""Roughness of a line of heights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from harness.artifact import Artifact
from harness.errors import StageError
from harness.stage import Items, Job, Lower, Scores, Seed, stage


class Heights(Artifact):
    """``heights.json``: a list of floats."""


@stage(version=1)
def walk(*, steps: Annotated[int, Ge(2)], stride: float = 1.0, seed: Seed = 0, job: Job) -> Heights:
    """Heights along a path.

    Args:
        steps: how many.
        stride: how far up or down at each.
        seed: where the path goes.
        job: who runs this.
    """
    if stride > 100:
        raise StageError(f"a stride of {stride:g} leaves the map")
    heights = [stride * ((seed * 7 + i * i * 3) % 5) for i in range(steps)]
    folder = job.folder()
    (folder / "heights.json").write_text(json.dumps(heights))
    return Heights(folder, {"steps": steps})


@dataclass(frozen=True, kw_only=True)
class Roughness(Scores):
    step: Lower
    """Mean absolute difference of neighbours."""


@stage(version=1)
def roughness(heights: Heights) -> Roughness:
    """How rough a path is."""
    values = json.loads((heights.path / "heights.json").read_text())
    steps = [abs(a - b) for a, b in zip(values, values[1:])]
    rows = Items([str(i) for i in range(len(steps))], {"step": steps})
    return Roughness(step=sum(steps) / len(steps), items=rows, conditions={"n": len(values)})
'''
SUITE = """\
suite: terrain/path
subject: [path]
stages:
  path: {use: terrain.walk, steps: 12}
metrics:
  rough: {use: terrain.roughness, heights: path}
seeds:
  path.seed: [0, 1, 2]
gate: {rough: 0.1}
"""


DEVICES = """

def unfit(parameters, device):
    return "a stride above 50 needs a GPU" if parameters["stride"] > 50 and device == "cpu" else ""


@stage(version=1, resources=Resources("RESOURCES"), unfit=unfit)
def walk("""


@pytest.fixture
def installed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    (project.folder / "suites" / "path.yaml").write_text(SUITE)
    return project, package(tmp_path_factory.mktemp("site"), "terrain", CODE)


def harness(installed: tuple[Project, Path], *arguments: str) -> Said:
    project, site = installed
    return finish(start(project.folder, *arguments, packages=(site,)))


def test_a_suite_of_another_packages_stages_runs_to_its_verdict(installed: tuple[Project, Path]) -> None:
    project, _ = installed
    first = harness(installed, "run", "suites/path.yaml")
    assert first.code == 4, first.err
    assert harness(installed, "accept", "terrain/path", "--reason", "a first path").code == 0
    again = harness(installed, "run", "suites/path.yaml")
    assert again.code == 0, again.err
    assert "= unchanged" in again.out
    assert project.states() == {"path": {"cached"}, "rough": {"cached"}}
    rougher = harness(installed, "run", "suites/path.yaml", "--set", "path.stride=3")
    assert rougher.code == 6, rougher.out
    assert "regressed" in rougher.out


@pytest.mark.parametrize(("gpu", "change"), [("one", "path.stride=60"), ("none", "path.stride=60")])
def test_what_cannot_work_on_this_device_is_refused_before_anything_runs(
    project: Project, tmp_path_factory: pytest.TempPathFactory, gpu: str, change: str
) -> None:
    (project.folder / "suites" / "path.yaml").write_text(SUITE)
    code = CODE.replace("@stage(version=1)\ndef walk(", DEVICES.replace("RESOURCES", gpu))
    code = code.replace("Job, Lower,", "Job, Lower, Resources,")
    installed = project, package(tmp_path_factory.mktemp("site"), "terrain", code)
    told = "path: a stride above 50 needs a GPU"
    planned = harness(installed, "plan", "suites/path.yaml", "--set", change)
    assert (planned.code, f"✗ not on this machine: {told}" in planned.out) == (0, True)
    assert harness(installed, "plan", "suites/path.yaml", "--set", change, "--json").json["unfit"] == [told]
    for executor in ("inline", "local"):
        refused = harness(installed, "run", "suites/path.yaml", "--set", change, "--executor", executor)
        assert (refused.code, refused.error) == (2, told)
    assert not list((project.folder / ".harness").glob("objects/*/*/entry.json"))
    assert not list((project.folder / "reports").rglob("run.json"))
    assert harness(installed, "run", "suites/path.yaml", "--set", "path.stride=50").code == 4


def test_its_mistakes_are_told_like_any_others(installed: tuple[Project, Path]) -> None:
    assert (
        "did you mean 'stride'?"
        in harness(installed, "plan", "suites/path.yaml", "--set", "path.strid=3").error
    )
    assert (
        "steps: 1 is not at least 2"
        in harness(installed, "plan", "suites/path.yaml", "--set", "path.steps=1").error
    )
    failed = harness(installed, "run", "suites/path.yaml", "--set", "path.stride=101")
    assert failed.code == 5
    assert "a stride of 101 leaves the map" in failed.out
    assert "Traceback" not in failed.out + failed.err


def test_its_stages_are_listed_with_their_parameters(installed: tuple[Project, Path]) -> None:
    said = harness(installed, "stages", "terrain.walk")
    assert said.code == 0
    for word in ("terrain.walk", "steps", "stride", "how far up or down at each"):
        assert word in said.out
    schema = harness(installed, "schema")
    assert "terrain.roughness" in schema.out


def test_an_edited_metric_is_run_again_without_what_it_reads(installed: tuple[Project, Path]) -> None:
    """The source of a stage is part of its key, so nothing stale is served and nothing is trained again."""
    project, site = installed
    assert harness(installed, "run", "suites/path.yaml").code == 4
    module = site / "terrain_stages.py"
    module.write_text(CODE.replace("abs(a - b)", "(a - b) ** 2"))
    assert harness(installed, "run", "suites/path.yaml").code == 4
    assert project.states() == {"path": {"cached"}, "rough": {"executed"}}
    module.write_text(
        CODE.replace('"""How rough a path is."""', '"""How rough it is."""').replace(
            "steps: how many", "steps: number"
        )
    )
    assert harness(installed, "run", "suites/path.yaml").code == 4
    assert project.states() == {"path": {"cached"}, "rough": {"cached"}}, "words change nothing"


def test_without_the_package_the_suite_says_what_is_missing(installed: tuple[Project, Path]) -> None:
    project, _ = installed
    said = finish(start(project.folder, "plan", "suites/path.yaml"))
    assert said.code == 2
    first, second = said.err.splitlines()
    assert first.startswith(
        "harness: suites/path.yaml:4: use: no stage 'terrain.walk', for there is no module"
    )
    assert second.startswith("suites/path.yaml:6: use: no stage 'terrain.roughness'")
