"""The harness as a person uses it: a project's folder, commands in it, and what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import harness
from harness.cli.commands import main

TOYS = Path(__file__).parent / "toy_package"
ITSELF = Path(harness.__file__).parents[1]
"""The harness that these tests are of, which need not be the one that is installed."""


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what is wrong; there must be just one, it must be the last, and no traceback."""
        lines = self.err.splitlines()
        marked = [line for line in lines if line.startswith("harness: ")]
        assert len(marked) == 1, self.err
        assert lines[-1] == marked[0], self.err
        assert "Traceback" not in self.err
        return marked[0].removeprefix("harness: ")

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Project:
    """A folder with suites, which is the working folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def harness(self, *arguments: str | Path) -> Said:
        """A command in this process."""
        self.capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as e:  # what argparse does
            code = int(e.code or 0)
        return Said(code, *self.capsys.readouterr())

    def accept(self, run: str = "toy/centre", *arguments: str) -> None:
        said = self.harness("accept", run, "--reason", "first figures", *arguments)
        assert said.code == 0, said.err

    @property
    def runs(self) -> list[Path]:
        """Folders of runs, oldest first."""
        files = (self.folder / "reports").glob("**/run.json")
        return [f.parent for f in sorted(files, key=lambda f: f.stat().st_mtime_ns)]

    @property
    def latest(self) -> dict[str, Any]:
        """The newest ``run.json``."""
        body: dict[str, Any] = json.loads((self.runs[-1] / "run.json").read_text())
        return body

    def states(self) -> dict[str, set[str]]:
        """What became of the tasks of each node in the newest run."""
        found: dict[str, set[str]] = {}
        for task in self.latest["tasks"]:
            found.setdefault(task["node"], set()).add(task["state"])
        return found


def environment(*packages: Path) -> dict[str, str]:
    """For a process of its own that finds the toys and other packages."""
    path = os.pathsep.join(str(p) for p in (*packages, TOYS, ITSELF))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def start(
    project: Path, *arguments: str | Path, packages: tuple[Path, ...] = (), **variables: str
) -> subprocess.Popen[str]:
    """A command in a process of its own, with its output piped."""
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment(*packages) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate()
    return Said(process.returncode, out, err)


def package(folder: Path, word: str, code: str) -> Path:
    """Another author's package, as an installer leaves it: a module and the metadata of its entry point."""
    info = folder / f"{word}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {word}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness.stages]\n{word} = {word}_stages\n")
    (folder / f"{word}_stages.py").write_text(code)
    return folder
