"""Every stage of ours is brought by an extra, and a missing package is told with the extra that brings it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engine import extras
from harness.suite.registry import all_stages

PROJECT: Any = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


@pytest.fixture(autouse=True)
def of_this_tree(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The requirements of this tree, which need not be those of the installed package."""
    lines = list(PROJECT["dependencies"])
    for extra, names in PROJECT["optional-dependencies"].items():
        lines += [f"{name}; extra == '{extra}'" for name in names]
    monkeypatch.setattr(extras.metadata, "requires", lambda name: lines)
    extras.extras.cache_clear()
    yield
    extras.extras.cache_clear()


def test_every_stage_has_an_extra_or_needs_none() -> None:
    core = extras.extras()[""]
    for stage in all_stages([]):
        if not {extras._normal(name) for name in stage.software} <= core:
            assert extras.hint(stage.software), (stage.name, stage.software)


@pytest.mark.parametrize(
    ("software", "extra"),
    [
        (("torch", "diffusers", "transformers"), "text-to-image"),
        (("torch", "torchvision", "torchgeo", "timm", "lightning", "torchmetrics"), "land-cover"),
        (("torch", "transformers", "tokenizers", "peft", "bitsandbytes"), "language-model"),
        (("chromadb", "llama_index_core"), "prompts"),
        (("torchgeo", "chromadb"), "all"),
    ],
)
def test_the_smallest_extra_with_everything_is_told(software: tuple[str, ...], extra: str) -> None:
    assert extras.hint(software) == f": pip install 'remote-sensing-harness[{extra}]'"


def test_a_package_that_no_extra_has() -> None:
    assert extras.hint(("jax",)) == ""
    smallest = ("completion", "fidelity")  # which of them depends on the version that is installed
    assert extras.hint(()) in ("", *(f": pip install 'remote-sensing-harness[{name}]'" for name in smallest))


def test_without_metadata_there_is_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise extras.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras.metadata, "requires", missing)
    extras.extras.cache_clear()
    assert extras.hint(("torch",)) == ""
