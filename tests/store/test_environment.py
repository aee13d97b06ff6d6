"""What is recorded of the machine, of the process that works, and of all that is installed."""

from __future__ import annotations

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
