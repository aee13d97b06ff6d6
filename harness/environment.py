"""What a run ran on: versions, device, driver, image digest. Recorded, never a reason not to compare.

Reads package metadata and asks the driver's own tool; imports nothing heavy.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from harness import __version__
from harness.artifact import Json
from harness.errors import UsageError

PACKAGES = ("torch", "torchvision", "torchgeo", "lightning", "torchmetrics", "numpy", "pillow", "pyarrow")


@cache
def environment() -> dict[str, Json]:
    """Flat, JSON-safe, the same for two invocations on one unchanged machine."""
    found: dict[str, Json] = {
        "harness": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "image": os.environ.get("HARNESS_IMAGE_DIGEST"),
        **_gpu(),
        **{name: _version(name) for name in PACKAGES},
    }
    return {k: v for k, v in found.items() if v is not None}


def device_class(of: Mapping[str, Json]) -> str:
    """The default label: ``"cpu"``, or the first accelerator's name (``"nvidia-h100-80gb-hbm3"``).

    Args:
        of: an environment, this one's or a recorded one.
    """
    name = of.get("gpu")
    return re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-") if name else "cpu"


@cache
def _gpu() -> dict[str, Json]:
    """``HARNESS_DEVICE=cpu`` and an empty ``CUDA_VISIBLE_DEVICES`` keep a machine's accelerators out of it."""
    device = os.environ.get("HARNESS_DEVICE", "")
    if device not in ("", "cpu"):
        raise UsageError(
            f"HARNESS_DEVICE={device}: expected cpu, or nothing (then an accelerator is used if there is one)"
        )
    if device == "cpu" or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return {}
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        lines = subprocess.run(
            query, capture_output=True, text=True, timeout=20, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    if not lines or lines[0].count(",") != 2:
        return {}
    name, driver, memory = (part.strip() for part in lines[0].split(","))
    return {"gpu": name, "gpus": len(lines), "driver": driver, "gpu_memory": memory}


def cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0] if names else platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def provenance(project: Path) -> dict[str, Json]:
    """Commit of the project and whether the tree differs from it; empty outside a git repository."""

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(project), *arguments]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=20, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


_PLACES = {"--out": False, "--store": False, "--mirror": True}
"""Options that name a place on this machine → whether a run cannot be reproduced without a place of that kind."""


def command_line(project: Path) -> list[Json]:
    """The arguments of this process, for reproducing a run anywhere: without places that only this machine has.

    A path inside the project is relative to it, a mirror is ``DIR``, and where things were put is left out.
    """
    told: list[Json] = ["harness"]
    words = iter(sys.argv[1:])
    for word in words:
        option, equals, _ = word.partition("=")
        if option in _PLACES:
            if not equals:
                next(words, None)
            told += [option, "DIR"] if _PLACES[option] else []
        else:
            path = Path(word)
            inside = path.is_absolute() and path.is_relative_to(project)
            told.append(path.relative_to(project).as_posix() if inside else word)
    return told
