"""Describe the processor, and how the numerical libraries in this process use it."""

from __future__ import annotations

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path

from harness.artifact import Json

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


OBSERVED = frozenset(
    {
        *("threads", "cpu_capability", "onednn_isa", "openblas_core"),
        *("cuda", "cudnn", "compute_capability", "matmul_precision"),
        *("cudnn_tf32", "cudnn_benchmark", "cudnn_deterministic", "deterministic_algorithms"),
    }
)
"""The fields of ``observed``. An environment without a field is from an execution that did not need its library."""


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
