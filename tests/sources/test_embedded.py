"""What is installed with the harness is named in any project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve
from harness.suite.located_yaml import Map, parse
from harness.suite.typed import parse as value_of


def written(text: str, folder: Path) -> Source:
    """A source as a suite in a folder names it."""
    tree = parse(f"source: '{text}'\n", str(folder / "suite.yaml"))
    assert isinstance(tree, Map)
    found = value_of(Source, tree.entries["source"].value, "source")
    assert isinstance(found, Source)
    return found


def test_it_is_the_same_wherever_the_suite_lies(tmp_path: Path) -> None:
    asset = written("asset:tiny-pipeline", tmp_path)
    assert asset.place is not None
    assert (asset.place / "model_index.json").is_file()
    assert asset == written("asset:tiny-pipeline", tmp_path / "elsewhere")
    cache = DigestCache(tmp_path / "cache")
    sources = asset, written(f"path:{asset.place}", tmp_path)
    named, by_path = (resolve(s, mirror=None, cache=cache, download=False) for s in sources)
    assert named.to_key() == by_path.to_key()
    assert named.facts()["reference"] == "asset:tiny-pipeline"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asset:tiny-pipelin", "no such asset, only tiny-pipeline; did you mean 'tiny-pipeline'?"),
        ("asset:../hub.py", "no such asset, only tiny-pipeline"),
        ("asset:", "no such asset, only tiny-pipeline"),
        ("assets:tiny-pipeline", "neither org/name@commit nor path:"),
    ],
)
def test_another_name_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SuiteError, match="source: ") as e:
        written(text, tmp_path)
    assert message in str(e.value)
    assert "suite.yaml:1" in str(e.value)
