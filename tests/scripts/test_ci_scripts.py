"""The scripts of actions and workflows that no other test runs: installing, history, images, their lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ci.hosted import accepted
from command_line import ITSELF, Project, environment
from copies import Copies
from git_repository import git

SCRIPTS = ITSELF / "scripts" / "ci"


def script(name: str, *arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(SCRIPTS / name), *arguments],
        cwd=folder,
        env={**environment(), "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_tree_of_the_action_is_installed(tmp_path: Path) -> None:
    tree = tmp_path / "action"
    for file in git(ITSELF, "ls-files", "harness", "pyproject.toml", "README.md", "LICENSE").split("\n"):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).write_bytes((ITSELF / file).read_bytes())
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    done = script("install.sh", str(tree), folder=tmp_path, PIP_TARGET=str(tmp_path / "site"), **offline)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "harness" / "report" / "templates").is_dir()
    assert done.stdout.startswith("harness ")


def test_a_version_that_is_not_there_fails_the_step(tmp_path: Path) -> None:
    done = script("install.sh", ".", folder=tmp_path, VERSION="0.0.0", EXTRAS="land-cover", PIP_NO_INDEX="1")
    assert done.returncode != 0
    assert "remote-sensing-harness[land-cover]==0.0.0" in done.stderr


def test_the_history_of_every_baseline_is_told(project: Project, copies: Copies) -> None:
    copies.fill(project, accepted)
    summary = project.folder / "summary.md"
    done = script("history.sh", folder=project.folder, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stderr
    text = summary.read_text()
    assert "### toy/one, cpu" in text
    assert "### toy/two, cpu" in text
    assert text.count("first figures") >= 2
    assert text.count("```") == 4


def program(folder: Path, name: str, code: str) -> None:
    """A program on the path that notes what it is asked, one JSON list a line."""
    folder.mkdir(exist_ok=True)
    place = repr(str(folder / f"{name}.asked"))
    note = f"import json, sys\nwith open({place}, 'a') as f: print(json.dumps(sys.argv[1:]), file=f)\n"
    (folder / name).write_text(f"#!{sys.executable}\n{note}{code}")
    (folder / name).chmod(0o755)


def asked(folder: Path, name: str) -> list[list[str]]:
    file = folder / f"{name}.asked"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


DOCKER = """
if sys.argv[1] == 'run':
    print('{"bomFormat": "CycloneDX"}')
if sys.argv[1:3] == ['image', 'inspect']:
    name = sys.argv[-1].rpartition(':')[0]
    print('sha256:' + 'a' * 64)
    print(name + '@sha256:' + 'b' * 64)
"""


def test_images_are_built_listed_pushed_and_pinned(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Code")
    commit = git(tmp_path, "rev-parse", "HEAD")
    tools = tmp_path / "tools"
    program(tools, "docker", DOCKER)
    done = script(
        "images.sh",
        "bills",
        folder=tmp_path,
        PATH=f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        COMPONENTS="land-cover prompts",
        REGISTRY="registry.example/Team/Models",
    )
    assert done.returncode == 0, done.stderr
    images = [f"registry.example/team/models/{c}:{commit}" for c in ("land-cover", "prompts")]
    assert [a for a in asked(tools, "docker") if a[0] == "push"] == [["push", image] for image in images]
    bills = {p.name: json.loads(p.read_text()) for p in (tmp_path / "bills").iterdir()}
    assert bills == {f"{c}.cdx.json": {"bomFormat": "CycloneDX"} for c in ("land-cover", "prompts")}
    locked = json.loads((tmp_path / "images.lock").read_text())["images"]
    assert locked["prompts"]["reference"] == f"registry.example/team/models/prompts@sha256:{'b' * 64}"


def test_a_changed_lock_is_proposed_once_on_a_branch(tmp_path: Path) -> None:
    work, remote, tools = tmp_path / "work", tmp_path / "remote.git", tmp_path / "tools"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "images.lock").write_text("{}\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "Code")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(remote))
    git(work, "remote", "add", "origin", str(remote))
    program(tools, "gh", "")
    path = f"{tools}:{os.environ['PATH']}"
    assert script("propose_lock.sh", folder=work, PATH=path).stdout == "images.lock: unchanged\n"
    assert asked(tools, "gh") == []
    (work / "images.lock").write_text('{"new": 1}\n')
    done = script("propose_lock.sh", folder=work, PATH=path)
    assert done.returncode == 0, done.stderr
    assert git(remote, "show", "harness/images-lock:images.lock") == '{"new": 1}'
    listed, made = asked(tools, "gh")
    assert listed[:2] == ["pr", "list"]
    assert made[:6] == ["pr", "create", "--head", "harness/images-lock", "--base", "main"]
    program(tools, "gh", "print(12)")
    git(work, "switch", "-q", "main")
    (work / "images.lock").write_text('{"new": 2}\n')
    assert script("propose_lock.sh", folder=work, PATH=path).returncode == 0
    assert git(remote, "show", "harness/images-lock:images.lock") == '{"new": 2}'
    assert [words[1] for words in asked(tools, "gh")] == ["list", "create", "list"], (
        "one that is open is updated"
    )
