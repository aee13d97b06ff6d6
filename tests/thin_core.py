"""An environment with the core's packages alone, as ``pip install remote-sensing-harness`` makes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

TREE = Path(__file__).parents[1]


def install(folder: Path, *extras: str) -> int:
    """Put the wheel of this tree and links to what it requires into a folder; returns its size in bytes.

    Args:
        folder: not there yet.
        extras: whose packages are put there, too.
    """
    folder.mkdir()
    project: Any = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    size = 0
    brought = [line for extra in extras for line in project["optional-dependencies"][extra]]
    for distribution in _closure(project["dependencies"] + brought):
        for file in distribution.files or []:
            place = Path(str(distribution.locate_file(file)))
            if place.is_file():
                size += place.stat().st_size
            top = file.parts[0]
            if top != ".." and not (folder / top).exists() and top != "__pycache__":
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    size += _install_wheel(folder)
    return size


def environment(folder: Path, *more: Path) -> dict[str, str]:
    """Variables of a process in that environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (folder, *more))), "PYTHONDONTWRITEBYTECODE": "1"}


def python() -> list[str]:
    """The interpreter without any installed package."""
    return [str(getattr(sys, "_base_executable", sys.executable)), "-S", "-s"]


def _closure(requirements: list[str]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(r) for r in requirements]
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        applies = wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
        )
        if applies and name not in found:
            found[name] = metadata.distribution(name)
            inner = [Requirement(r) for r in found[name].requires or []]
            waiting += [r for r in inner if r.marker is None or r.marker.evaluate({"extra": ""})]
    return list(found.values())


def _install_wheel(folder: Path) -> int:
    build = folder.parent / "build"
    build.mkdir()
    shutil.copytree(TREE / "harness", build / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TREE / name, build / name)
    wheels = folder.parent / "wheels"
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, "--wheel-dir", str(wheels), str(build)], check=True, capture_output=True)
    [wheel] = wheels.glob("*.whl")
    shutil.unpack_archive(wheel, folder, "zip")
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
