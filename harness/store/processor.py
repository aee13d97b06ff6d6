"""What the processor is and can do, as the system says."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

_MOVING = re.compile(
    r"sse4_1|sse4_2|avx|avx2|fma|f16c|avx_\w+|avx512\w+|amx_\w+|asimd\w*|sve\w*|sme\w*|bf16|i8mm"
)
"""Flags of instructions that sums and products are computed with; each has an order of addition of its own."""

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
"""oneDNN's instruction sets, each with what it asks of the processor, from the least to the most."""


def cpu_name() -> str:
    names = re.findall(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def instructions() -> str:
    """The flags that numbers depend on, in alphabetical order; empty where the system does not say."""
    return " ".join(sorted(flag for flag in _flags() if _MOVING.fullmatch(flag)))


def onednn_isa() -> str | None:
    """The instruction set that oneDNN computes with, in its own words; None where it has none for the processor.

    Derived, for torch's oneDNN cannot be asked: the most that the processor has, up to ``ONEDNN_MAX_CPU_ISA``.
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
