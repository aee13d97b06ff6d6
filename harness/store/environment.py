"""The environment of a computation: versions, device, driver, image, instruction set, everything installed.

It is recorded, and differences never prevent a comparison. This module reads the names of installed packages and calls
the driver's own tool; it imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from harness import __version__
from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.formats.escapes import visible
from harness.formats.strict_json import canonical
from harness.store import processor
from harness.store.processor import observed

PACKAGES = ("torch", "torchvision", "torchgeo", "lightning", "torchmetrics", "numpy", "pillow", "pyarrow")

DISTRIBUTIONS = "distributions"
"""The field with the digest of everything installed, and the folder in the store with the list behind each digest."""

INSTRUCTIONS = "instructions"
"""The field with the processor's flags."""

_METADATA = re.compile(r"(?P<name>.+?)(?:-(?P<version>\d[^-]*)(?:-.*)?)?\.(?:dist|egg)-info")

_VARIABLES = re.compile(
    r"(OMP|GOMP|KMP|MKL|OPENBLAS|GOTO|BLIS|ATEN|ONEDNN|DNNL|NPY|CUBLAS|CUBLASLT|CUDNN|CUDA_MATH)_\w+"
    r"|(NVIDIA|TORCH|TORCHINDUCTOR)_\w*TF32\w*|TORCH_CUDNN_\w+|GLIBC_TUNABLES|PYTHONHASHSEED"
)
"""Variables that change instructions, threads or an order of addition; ``GLIBC_TUNABLES`` changes exp and log."""

_HARMLESS = re.compile(r"\w+_VERBOSE|OMP_DISPLAY_\w+|OMP_AFFINITY_FORMAT|KMP_(DUPLICATE_LIB_OK|INIT_AT_FORK)")
"""Exceptions to these: variables that only print, and one that scikit-learn sets when it is imported."""


def environment() -> dict[str, Json]:
    """This process's environment: flat, JSON-safe, the same for two invocations on one unchanged machine."""
    found: dict[str, Json] = {
        **_machine(),
        "image": visible(os.environ.get("HARNESS_IMAGE_DIGEST") or "") or None,
        "image_config": visible(os.environ.get("HARNESS_IMAGE_CONFIG") or "") or None,
        **{
            n: visible(v)
            for n, v in sorted(os.environ.items())
            if _VARIABLES.fullmatch(n) and not _HARMLESS.fullmatch(n)
        },
        **_gpu(),
    }
    return {k: v for k, v in found.items() if v is not None}


def environment_of_work() -> dict[str, Json]:
    """The environment of the work that this process has just done, with what its libraries report about themselves."""
    return {**environment(), **observed()}


@cache
def _machine() -> dict[str, Json]:
    return {
        "harness": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": processor.cpu_name(),
        INSTRUCTIONS: processor.instructions() or None,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **{name: _version(name) for name in PACKAGES},
        DISTRIBUTIONS: installed_digest(installed()),
    }


def device_class(of: Mapping[str, Json]) -> str:
    """The default device label: ``"cpu"``, or the first accelerator's name (``"nvidia-h100-80gb-hbm3"``).

    Args:
        of: an environment, the present or a recorded one.
    """
    name = of.get("gpu")
    return re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-") if name else "cpu"


@cache
def _gpu() -> dict[str, Json]:
    """The accelerators; empty with ``HARNESS_DEVICE=cpu`` or an empty ``CUDA_VISIBLE_DEVICES``."""
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


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def installed() -> Mapping[str, str]:
    """Distribution → version, for all that this process could import, by name.

    It is read from the folder names of their metadata, which takes a millisecond; opening each folder takes a second.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        with suppress(OSError), os.scandir(place or ".") as entries:
            for match in filter(None, (_METADATA.fullmatch(entry.name) for entry in entries)):
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.setdefault(name, match["version"] or "unknown")
    return dict(sorted(found.items()))


def installed_digest(listed: Mapping[str, Json]) -> str:
    """The digest of a list, as used in environments: 12 hexadecimal digits."""
    return sha256(f"harness/distributions/1:{canonical(listed)}".encode()).hexdigest()[:12]


def keep_installed(root: Path, listed: Mapping[str, Json]) -> None:
    """Write a list into the store at ``root``, unless it is there.

    Raises:
        OSError: the list cannot be written.
    """
    file = root / DISTRIBUTIONS / f"{installed_digest(listed)}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, json.dumps(listed, indent=0))


def kept_installed(root: Path, digests: Iterable[str]) -> dict[str, dict[str, Json]]:
    """The lists behind digests that the store at ``root`` has."""
    found: dict[str, dict[str, Json]] = {}
    for name in sorted(set(digests)):
        with suppress(UsageError):
            listed = strict_json.read(root / DISTRIBUTIONS / f"{name}.json")
            if isinstance(listed, dict) and installed_digest(listed) == name:
                found[name] = listed
    return found
