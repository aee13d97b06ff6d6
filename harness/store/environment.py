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

_MOVING = re.compile(
    r"sse4_1|sse4_2|avx|avx2|fma|f16c|avx_\w+|avx512\w+|amx_\w+|asimd\w*|sve\w*|sme\w*|bf16|i8mm"
)
"""Flags of instructions that are used for sums and products; each has its own order of addition."""

_ONEDNN: tuple[tuple[str, frozenset[str]], ...] = (
    ("SSE41", frozenset({"sse4_1"})),
    ("AVX", frozenset({"avx"})),
    ("AVX2", frozenset({"avx2"})),
    ("AVX2_VNNI", frozenset({"avx2", "avx_vnni"})),
    ("AVX2_VNNI_2", frozenset({"avx_vnni", "avx_vnni_int8", "avx_ne_convert"})),
    ("AVX512_CORE", frozenset({"avx512f", "avx512bw", "avx512vl", "avx512dq"})),
    ("AVX512_CORE_VNNI", frozenset({"avx512bw", "avx512vl", "avx512dq", "avx512_vnni"})),
    ("AVX512_CORE_BF16", frozenset({"avx512dq", "avx512_vnni", "avx512_bf16"})),
    ("AVX512_CORE_FP16", frozenset({"avx512_bf16", "avx512_fp16", "avx_vnni"})),
    ("AVX512_CORE_AMX", frozenset({"avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"})),
    ("AVX512_CORE_AMX_FP16", frozenset({"avx512_fp16", "amx_tile", "amx_fp16"})),
)
"""oneDNN's instruction sets, each with the processor flags that it needs, from the smallest to the largest."""

OBSERVED = frozenset(
    {
        *("threads", "cpu_capability", "onednn_isa", "openblas_core"),
        *("cuda", "cudnn", "compute_capability", "matmul_precision"),
        *("cudnn_tf32", "cudnn_benchmark", "cudnn_deterministic", "deterministic_algorithms"),
    }
)
"""The fields of ``observed``. An environment without a field is from an execution that did not need its library."""


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
        "cpu": cpu_name(),
        INSTRUCTIONS: instructions() or None,
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


def total_memory_gb() -> float:
    """The machine's main memory in GB; infinite if the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return float("inf")


def cpu_name() -> str:
    names = re.findall(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def instructions() -> str:
    """The processor flags that numbers depend on, in alphabetical order; empty if the system reports none."""
    return " ".join(sorted(flag for flag in _flags() if _MOVING.fullmatch(flag)))


def onednn_isa() -> str | None:
    """The instruction set that oneDNN uses, by oneDNN's name; None if it has none for this processor.

    It is derived, because torch does not report it: the largest that the processor has, up to ``ONEDNN_MAX_CPU_ISA``.
    """
    asked = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    names = [name for name, _ in _ONEDNN]
    most = names.index(asked.upper()) if asked.upper() in names else len(names) - 1
    held = [name for name, needed in _ONEDNN[: most + 1] if needed <= _flags()]
    return held[-1] if held else None


@cache
def _flags() -> frozenset[str]:
    lines = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return frozenset(lines[0].split()) if lines else frozenset()


@cache
def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def observed() -> dict[str, Json]:
    """Threads, instruction sets and, if something ran on a GPU, its libraries and switches."""
    found: dict[str, Json] = {}
    if "torch" in sys.modules:
        found |= _torch()
    if "numpy" in sys.modules and (core := _openblas_core()):
        found["openblas_core"] = core
    return found


def _torch() -> dict[str, Json]:
    import torch

    found: dict[str, Json] = {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    if torch.backends.mkldnn.is_available() and (isa := onednn_isa()):
        found["onednn_isa"] = isa
    if torch.cuda.is_initialized():
        cudnn = torch.backends.cudnn
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
            "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn_tf32": cudnn.allow_tf32,
            "cudnn_benchmark": cudnn.benchmark,
            "cudnn_deterministic": cudnn.deterministic,
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        }
    return {name: value for name, value in found.items() if value is not None}


@cache
def _openblas_core() -> str | None:
    """The kernels that numpy's OpenBLAS chose, such as ``SkylakeX``; None with another library."""
    from threadpoolctl import threadpool_info

    cores = {str(i["architecture"]) for i in threadpool_info() if i["internal_api"] == "openblas"}
    return " ".join(sorted(cores)) or None


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
