"""What is recorded of the machine, of the process that works, and of all that is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.store import environment as environments
from harness.store.environment import DISTRIBUTIONS, environment


@pytest.mark.parametrize(
    "name",
    [
        *("OMP_NUM_THREADS", "OMP_DYNAMIC", "MKL_CBWR", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"),
        *("OPENBLAS_CORETYPE", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "GLIBC_TUNABLES"),
        *(
            "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
            "NPY_DISABLE_CPU_FEATURES",
            "PYTHONHASHSEED",
            "DNNL_MAX_CPU_ISA",
        ),
    ],
)
def test_variables_that_move_results_are_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert name not in environment()
    monkeypatch.setenv(name, "1")
    assert environment()[name] == "1"


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "OMP_DISPLAY_ENV", "ONEDNN_VERBOSE", "KMP_DUPLICATE_LIB_OK", "PATH"]
)
def test_other_variables_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in environment()


def test_an_image_has_two_digests_named_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_IMAGE_DIGEST", "sha256:1")
    monkeypatch.setenv("HARNESS_IMAGE_CONFIG", "sha256:2")
    found = environment()
    assert (found["image"], found["image_config"]) == ("sha256:1", "sha256:2")
    monkeypatch.setenv("HARNESS_IMAGE_DIGEST", "")
    assert "image" not in environment()


def test_work_without_libraries_loads_none_for_the_record() -> None:
    code = (
        "import sys; from harness.store.environment import environment_of_work as e; "
        "from harness.store.environment import OBSERVED; "
        "found = e(); assert found['instructions'] and found['distributions'], found; "
        "assert not OBSERVED & found.keys(), found; "
        "sys.exit(bool({'torch', 'numpy', 'threadpoolctl'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_threads_are_those_that_torch_has_at_that_moment() -> None:
    import torch

    from harness.store.environment import environment_of_work

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert environment_of_work()["threads"] == before + 1
    finally:
        torch.set_num_threads(before)
    assert environment_of_work()["cpu_capability"] == torch.backends.cpu.get_cpu_capability()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        sys, "path", [str(tmp_path / "first"), str(tmp_path / "absent"), str(tmp_path / "second")]
    )
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    environments.installed.cache_clear()
    yield tmp_path
    environments.installed.cache_clear()


def test_names_are_normalised_and_the_first_on_the_path_counts(place: Path) -> None:
    for name in (
        "first/ruamel.yaml-0.18.dist-info",
        "second/ruamel_yaml-0.17.dist-info",
        "second/torch-2.15.0+cu132.dist-info",
        "second/old_one-1.0-py3.11.egg-info",
        "second/developed.egg-info",
        "second/torch",
    ):
        (place / name).mkdir()
    assert environments.installed() == {
        "developed": "unknown",
        "old-one": "1.0",
        "ruamel-yaml": "0.18",
        "torch": "2.15.0+cu132",
    }


def test_here_it_says_what_the_metadata_say() -> None:
    environments.installed.cache_clear()
    found = environments.installed()
    assert len(found) > 50
    for name in ("numpy", "torch", "pyarrow"):
        assert found[name] == metadata.version(name)


def test_a_list_is_kept_once_and_found_by_its_digest(tmp_path: Path) -> None:
    listed = {"numpy": "2.4.6", "torch": "2.15.0"}
    environments.keep_installed(tmp_path, listed)
    environments.keep_installed(tmp_path, listed)
    name = environments.installed_digest(listed)
    assert [p.name for p in (tmp_path / DISTRIBUTIONS).iterdir()] == [f"{name}.json"]
    assert environments.kept_installed(tmp_path, [name, "absent"]) == {name: listed}
    assert environments.installed_digest({**listed, "numpy": "2.4.5"}) != name


@pytest.mark.parametrize("damage", ["", "[]", '{"numpy": "1"}'])
def test_a_damaged_list_is_no_list(tmp_path: Path, damage: str) -> None:
    name = environments.installed_digest({"numpy": "2.4.6"})
    (tmp_path / DISTRIBUTIONS).mkdir()
    (tmp_path / DISTRIBUTIONS / f"{name}.json").write_text(damage)
    assert environments.kept_installed(tmp_path, [name]) == {}


CLASSIC = "fpu sse4_1 sse4_2 avx f16c fma avx2 sha_ni"


GENOA = f"{CLASSIC} avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16"


XEON = f"{GENOA} avx_vnni avx512_fp16 amx_tile amx_int8 amx_bf16"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)

    def set_(text: str) -> None:
        monkeypatch.setattr(environments, "_flags", lambda: frozenset(text.split()))

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
    assert environments.onednn_isa() == isa


def test_flags_that_numbers_depend_on_are_listed_in_order(flags) -> None:
    flags(GENOA)
    assert environments.instructions() == (
        "avx avx2 avx512_bf16 avx512_vnni avx512bw avx512dq avx512f avx512vl f16c fma sse4_1 sse4_2"
    )


def test_two_processors_of_one_name_differ_in_their_instructions(monkeypatch) -> None:
    text = "model name\t: AMD EPYC\nflags\t\t: {}\n\nmodel name\t: AMD EPYC\nflags\t\t: {}\n"
    seen = []
    for flags in (CLASSIC, GENOA):
        environments._flags.cache_clear()
        monkeypatch.setattr(environments, "_cpuinfo", lambda flags=flags: text.format(flags, flags))
        seen.append((environments.cpu_name(), environments.instructions()))
    environments._flags.cache_clear()
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
from harness.store.environment import observed
found = observed()
print("observed", found["onednn_isa"], found["cpu_capability"], found["threads"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("isa", "capability"), [("SSE41", "default"), ("AVX2", "avx2"), ("AVX512_CORE", "avx512")]
)
def test_onednn_and_torch_say_the_same(isa: str, capability: str) -> None:
    """OneDNN prints its instruction set if asked to; torch's cannot be called for it."""
    if capability == "avx512" and "avx512f" not in environments.instructions().split():
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
