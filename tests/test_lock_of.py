"""The part of the lock for a component: its packages and theirs, with the lock's versions and hashes, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parents[1]
COMPONENTS = ("land-cover", "text-to-image", "language-model", "prompts")


def part(*arguments: str) -> str:
    command = [sys.executable, str(TREE / "scripts" / "lock_of.py"), "--folder", str(TREE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names(text: str) -> set[str]:
    return {line.partition("==")[0] for line in text.splitlines() if line[:1].isalnum()}


@pytest.mark.parametrize(
    ("extra", "has", "lacks"),
    [
        (
            "land-cover",
            {"torchgeo", "lightning", "rasterio", "rich"},
            {"diffusers", "chromadb", "bitsandbytes"},
        ),
        ("text-to-image", {"diffusers", "peft", "timm"}, {"torchgeo", "chromadb", "lightning"}),
        ("language-model", {"bitsandbytes", "peft"}, {"diffusers", "chromadb", "torchgeo", "torchvision"}),
        (
            "prompts",
            {"chromadb", "llama-index-core", "bitsandbytes", "cryptography"},
            {"diffusers", "torchgeo"},
        ),
    ],
)
def test_a_component_has_its_packages_and_no_others(extra: str, has: set[str], lacks: set[str]) -> None:
    found = names(part(extra))
    assert has | {"torch", "numpy", "pyarrow"} <= found
    assert not lacks & found
    assert not {"pytest", "mypy", "hypothesis"} & found


def test_the_lines_are_the_lock_s_and_every_component_is_part_of_all() -> None:
    lock = (TREE / "requirements.lock").read_text(encoding="utf-8")
    everything = part("all")
    shared = part("--common", *COMPONENTS)
    for text in (everything, shared, *(part(extra) for extra in COMPONENTS)):
        assert text.count("--hash=sha256:") > len(names(text))
        assert set(text.splitlines()) <= set(lock.splitlines())
        assert names(text) <= names(everything)
        assert "ray" not in names(text)  # in no image
    for extra in COMPONENTS:
        assert names(shared) <= names(part(extra))
    assert "torch" in names(shared)


def test_a_tool_is_alone_without_the_core() -> None:
    assert "cyclonedx-bom" in names(part("--alone", "sbom"))
    assert not {"numpy", "rich", "filelock"} & names(part("--alone", "sbom"))
    assert {"numpy", "cyclonedx-bom"} <= names(part("sbom"))


def test_no_image_has_ray_or_the_tool_that_lists_packages() -> None:
    for extra in (*COMPONENTS, "all"):
        assert not {"cyclonedx-bom", "ray"} & names(part(extra))


def test_ray_brings_its_core_alone() -> None:
    found = names(part("ray"))
    assert {"ray", "msgpack", "protobuf"} <= found
    assert (
        not {"torch", "opencensus", "aiohttp-cors", "prometheus-client"} & found
    )  # the last three: its dashboard


def test_an_extra_that_is_not_there() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        part("vision")
    assert "no extra 'vision'; there are all, " in failed.value.stderr


def test_every_target_of_the_dockerfile_is_an_extra() -> None:
    lines = (TREE / "Dockerfile").read_text(encoding="utf-8").splitlines()
    targets = {line.split(" AS ")[1] for line in lines if line.startswith("FROM ") and " AS " in line}
    assert {*COMPONENTS, "all"} <= targets
    for extra in (*COMPONENTS, "all dev fidelity trackers"):
        assert any(f"lock_of.py --folder /tmp/lock {extra} >" in line for line in lines)


def test_every_image_is_written_with_its_bill_of_materials() -> None:
    text = (TREE / "Dockerfile").read_text(encoding="utf-8")
    for target in (*COMPONENTS, "all"):
        built = text.partition(f" AS {target}\n")[2].partition("\nFROM ")[0]
        assert "/tmp/lock/bill_of_materials.sh" in built
