"""Instruction sets: what a processor's flags mean for oneDNN, and that oneDNN agrees."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from harness.store import processor

CLASSIC = "fpu sse4_1 sse4_2 avx f16c fma avx2 sha_ni"
GENOA = f"{CLASSIC} avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16"
XEON = f"{GENOA} avx_vnni avx512_fp16 amx_tile amx_int8 amx_bf16"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)

    def set_(text: str) -> None:
        monkeypatch.setattr(processor, "_flags", lambda: frozenset(text.split()))

    return set_


@pytest.mark.parametrize(
    ("text", "cap", "isa"),
    [
        (CLASSIC, None, "AVX2"),
        (f"{CLASSIC} avx_vnni", None, "AVX2_VNNI"),
        (GENOA, None, "AVX512_CORE_BF16"),
        (GENOA, "AVX512_CORE", "AVX512_CORE"),
        (GENOA, "avx2", "AVX2"),
        (GENOA, "SSE41", "SSE41"),
        (GENOA, "AVX512_CORE_AMX", "AVX512_CORE_BF16"),
        (GENOA, "ALL", "AVX512_CORE_BF16"),
        (XEON, None, "AVX512_CORE_AMX"),
        (XEON, "AVX512_CORE_FP16", "AVX512_CORE_FP16"),
        ("asimd sve", None, None),
    ],
)
def test_onednn_takes_the_most_that_is_there_and_allowed(flags, monkeypatch, text, cap, isa) -> None:
    flags(text)
    if cap:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert processor.onednn_isa() == isa


def test_flags_that_numbers_depend_on_are_listed_in_order(flags) -> None:
    flags(GENOA)
    assert processor.instructions() == (
        "avx avx2 avx512_bf16 avx512_vnni avx512bw avx512dq avx512f avx512vl f16c fma sse4_1 sse4_2"
    )


def test_two_processors_of_one_name_differ_in_their_instructions(monkeypatch) -> None:
    text = "model name\t: AMD EPYC\nflags\t\t: {}\n\nmodel name\t: AMD EPYC\nflags\t\t: {}\n"
    seen = []
    for flags in (CLASSIC, GENOA):
        processor._flags.cache_clear()
        monkeypatch.setattr(processor, "_cpuinfo", lambda flags=flags: text.format(flags, flags))
        seen.append((processor.cpu_name(), processor.instructions()))
    processor._flags.cache_clear()
    assert [name for name, _ in seen] == ["AMD EPYC"] * 2
    assert seen[0][1] != seen[1][1]


_WORDS = {
    "SSE41": "Intel SSE4.1",
    "AVX2": "Intel AVX2",
    "AVX512_CORE": "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
}
ASK = """
import torch
torch.nn.functional.conv2d(torch.ones(8, 8, 64, 64), torch.ones(8, 8, 3, 3))
from harness.store.processor import observed
found = observed()
print("observed", found["onednn_isa"], found["cpu_capability"], found["threads"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("isa", "capability"), [("SSE41", "default"), ("AVX2", "avx2"), ("AVX512_CORE", "avx512")]
)
def test_onednn_and_torch_say_the_same(isa: str, capability: str) -> None:
    """OneDNN prints its instruction set if asked to; torch's cannot be called for it."""
    if capability == "avx512" and "avx512f" not in processor.instructions().split():
        pytest.skip("the processor has no AVX-512")
    env = {
        **os.environ,
        "ONEDNN_VERBOSE": "1",
        "ONEDNN_MAX_CPU_ISA": isa,
        "ATEN_CPU_CAPABILITY": capability,
        "OMP_NUM_THREADS": "2",
    }
    out = subprocess.run(
        [sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True
    ).stdout
    (printed,) = set(re.findall(r"info,cpu,isa:(.+)", out))
    assert printed == _WORDS[isa]
    assert f"observed {isa} {capability.upper()} 2" in out
