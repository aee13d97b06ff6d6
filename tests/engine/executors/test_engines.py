"""The command lines for container engines, and whose containers are left over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.engine.executors import engines
from harness.engine.executors.engines import Apptainer, Container, Docker, Podman
from harness.errors import UsageError

IMAGE = f"example.org/all@sha256:{'a' * 64}"
CONTAINER = Container(
    IMAGE,
    ("harness", "worker"),
    "harness-1",
    "host/12/34",
    (Path("/data/images"), Path("/store/objects")),
    (Path("/store/work"),),
    {"HF_HUB_OFFLINE": "1", "A": "b"},
    user=(1000, 1001),
)


def test_a_container_sees_what_it_needs_and_nothing_else() -> None:
    assert Docker().run(CONTAINER) == [
        *("docker", "run", "--rm", "--interactive", "--init", "--pull=never"),
        *("--name=harness-1", "--label=harness.driver=host/12/34"),
        *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--shm-size=8g", "--tmpfs=/tmp:exec", "--workdir=/tmp", "--user=1000:1001"),
        "--mount=type=bind,source=/data/images,target=/data/images,readonly",
        "--mount=type=bind,source=/store/objects,target=/store/objects,readonly",
        "--mount=type=bind,source=/store/work,target=/store/work",
        *("--env=A=b", "--env=HF_HUB_OFFLINE=1", "--entrypoint=harness", IMAGE, "worker"),
    ]


def test_gpus_by_cdi_and_a_limit_of_memory() -> None:
    container = Container(IMAGE, ("harness", "worker"), "n", "d", gpus=("GPU-1", "MIG-2"), memory="16g")
    for engine in (Docker(), Podman()):
        line = engine.run(container)
        assert line[0] == engine.name
        assert [a for a in line if "gpu" in a.lower()] == [
            "--device=nvidia.com/gpu=GPU-1",
            "--device=nvidia.com/gpu=MIG-2",
        ]
        assert "--memory=16g" in line
    line = Apptainer(Path("/i")).run(container)
    assert {"--nv", "--memory=16g"} <= set(line)
    assert "--nv" not in Apptainer(Path("/i")).run(CONTAINER)


def test_podman_keeps_the_number_of_a_user_who_is_not_root() -> None:
    assert {"--userns=keep-id", "--user=1000:1001"} <= set(Podman().run(CONTAINER))
    as_root = Podman().run(Container(IMAGE, ("harness", "worker"), "n", "d"))
    assert "--userns=keep-id" not in as_root
    assert "--user=0:0" in as_root


def test_apptainer_runs_a_file_named_by_the_digest() -> None:
    line = Apptainer(Path("/images")).run(CONTAINER)
    assert line[-3:] == [f"/images/{'a' * 64}.sif", "harness", "worker"]
    assert {"--containall", "--no-home", "--cleanenv", "--network=none"} <= set(line)
    assert {"--bind=/data/images:/data/images:ro", "--bind=/store/work:/store/work"} <= set(line)
    pull = Apptainer(Path("/images")).pull(IMAGE)
    assert pull == ["apptainer", "pull", f"/images/{'a' * 64}.sif", f"docker://{IMAGE}"]


def test_a_process_that_has_ended_is_gone_and_others_are_not() -> None:
    assert not engines.is_gone(engines.driver())
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    assert engines.is_gone(f"{os.uname().nodename}/{ended.stdout.strip()}/1")
    assert engines.is_gone(f"{os.uname().nodename}/{os.getpid()}/1")  # the number was given again
    assert not engines.is_gone(f"elsewhere/{ended.stdout.strip()}/1")
    assert not engines.is_gone("what another tool wrote")


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no container engine answers: docker, podman, apptainer"):
        engines.find(None, tmp_path)
    with pytest.raises(UsageError, match="podman does not answer"):
        engines.find("podman", tmp_path)
    with pytest.raises(
        UsageError, match="'dokcer': none of docker, podman, apptainer; did you mean 'docker'"
    ):
        engines.find("dokcer", tmp_path)
