"""The examples of docs/scaling/ do what they say, run as their systems would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import environment
from toy_suites import write_suite

EXAMPLES = Path(__file__).parents[1] / "docs" / "scaling"


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A project, with ``harness`` as a command."""
    write_suite(tmp_path)
    command = tmp_path / "bin" / "harness"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    command.chmod(0o755)
    return tmp_path


def ran(folder: Path, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **environment(),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HARNESS_STORE": str(folder / "shared"),
        **more,
    }
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def states(folder: Path) -> list[str]:
    """The states of all tasks in a plain run on the shared store."""
    assert (
        ran(folder, ["harness", "run", "suites/suite.yaml", "--out", "merged"]).returncode == 4
    )  # no baseline
    body: Any = json.loads((folder / "merged" / "run.json").read_text())
    return [t["state"] for t in body["tasks"]]


def test_slurm(shell: Path) -> None:
    for index in ("1", "2", "3"):
        said = ran(
            shell,
            ["bash", str(EXAMPLES / "slurm.sh"), "suites/suite.yaml"],
            SLURM_ARRAY_TASK_ID=index,
            SLURM_ARRAY_TASK_COUNT="3",
        )
        assert said.returncode == 0, said.stderr
    assert set(states(shell)) == {"cached"}


def test_kubernetes(shell: Path) -> None:
    job: Any = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())
    container = job["spec"]["template"]["spec"]["containers"][0]
    shards = next(e["value"] for e in container["env"] if e["name"] == "SHARDS")
    assert job["spec"]["completions"] == int(shards)
    for index in ("0", "1"):
        said = ran(
            shell,
            [*container["command"], *container["args"]],
            SUITE="suites/suite.yaml",
            SHARDS="2",
            JOB_COMPLETION_INDEX=index,
        )
        assert said.returncode == 0, said.stderr
    assert set(states(shell)) == {"cached"}


def test_a_ci_matrix(shell: Path) -> None:
    jobs: Any = yaml.safe_load((EXAMPLES / "matrix.yml").read_text())["jobs"]
    shards = jobs["shard"]["strategy"]["matrix"]["shard"]
    assert shards == list(range(1, len(shards) + 1))
    for shard in shards:
        line = jobs["shard"]["steps"][-1]["run"]
        line = line.replace("${{ matrix.shard }}", str(shard)).replace(
            "${{ strategy.job-total }}", str(len(shards))
        )
        said = ran(shell, ["bash", "-e", "-c", line], SUITE="suites/suite.yaml")
        assert said.returncode == 0, said.stderr
    assert set(states(shell)) == {"cached"}
