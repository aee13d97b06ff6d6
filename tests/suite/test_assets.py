"""``asset:NAME``: what the package brings is named alike from any project."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_suites import write_suite

from harness import suite as suites
from harness.engine.suite_sources import resolve
from harness.errors import SuiteError
from harness.store.artifacts import Store

SUITE = """
suite: toy/asset
subject: [made]
stages:
  numbers: {use: toy.draw, count: 40, seed: 7}
  base: {use: text_to_image.load, source: "asset:tiny-pipeline"}
  made: {use: toy.train, data: numbers, epochs: 1}
metrics:
  fit: {use: toy.measure, model: made, data: numbers}
  size: {use: cost.tokens, work: base}
"""


def test_an_asset_is_found_from_any_project_and_keeps_its_name(tmp_path: Path) -> None:
    suite = suites.load(write_suite(tmp_path, SUITE))
    resolved, facts = resolve(suite, mirror=None, store=Store(tmp_path / "store"), download=False)
    source = resolved.nodes["base"].parameters["source"]
    assert (source.path / "model_index.json").is_file()
    assert source.text == "asset:tiny-pipeline"
    assert facts[0]["reference"] == "asset:tiny-pipeline"


@pytest.mark.parametrize("name", ["asset:tiny-pipelin", "asset:", "asset:../assets"])
def test_an_asset_that_is_not_there_is_refused_with_the_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(SuiteError, match="no such asset"):
        suites.load(write_suite(tmp_path, SUITE.replace("asset:tiny-pipeline", name)))
