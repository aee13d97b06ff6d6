"""What is recorded of the machine and of the process that works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.store.environment import command_line, environment


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["run", "suites/a.yaml", "--set", "x.y=1"], ["run", "suites/a.yaml", "--set", "x.y=1"]),
        (["run", "a.yaml", "--out", "/home/me/run", "--strict"], ["run", "a.yaml", "--strict"]),
        (["run", "a.yaml", "--store=/big/store"], ["run", "a.yaml"]),
        (["run", "a.yaml", "--mirror", "/data/hub"], ["run", "a.yaml", "--mirror", "DIR"]),
        (["run", "/home/me/project/suites/a.yaml"], ["run", "suites/a.yaml"]),
        (["run", "/elsewhere/a.yaml"], ["run", "/elsewhere/a.yaml"]),
    ],
)
def test_a_recorded_command_names_no_place_that_only_this_machine_has(
    given: list[str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["harness", *given])
    assert command_line(Path("/home/me/project")) == ["harness", *told]


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
        "from harness.store.processor import OBSERVED; "
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
