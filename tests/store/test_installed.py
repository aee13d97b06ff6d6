"""All that is installed, by the names of metadata folders."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.store import installed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        sys, "path", [str(tmp_path / "first"), str(tmp_path / "absent"), str(tmp_path / "second")]
    )
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    installed.distributions.cache_clear()
    yield tmp_path
    installed.distributions.cache_clear()


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
    assert installed.distributions() == {
        "developed": "unknown",
        "old-one": "1.0",
        "ruamel-yaml": "0.18",
        "torch": "2.15.0+cu132",
    }


def test_here_it_says_what_the_metadata_say() -> None:
    installed.distributions.cache_clear()
    found = installed.distributions()
    assert len(found) > 50
    for name in ("numpy", "torch", "pyarrow"):
        assert found[name] == metadata.version(name)


def test_a_list_is_kept_once_and_found_by_its_digest(tmp_path: Path) -> None:
    listed = {"numpy": "2.4.6", "torch": "2.15.0"}
    installed.keep(tmp_path, listed)
    installed.keep(tmp_path, listed)
    name = installed.digest(listed)
    assert [p.name for p in (tmp_path / installed.FOLDER).iterdir()] == [f"{name}.json"]
    assert installed.kept(tmp_path, [name, "absent"]) == {name: listed}
    assert installed.digest({**listed, "numpy": "2.4.5"}) != name


@pytest.mark.parametrize("damage", ["", "[]", '{"numpy": "1"}'])
def test_a_damaged_list_is_no_list(tmp_path: Path, damage: str) -> None:
    name = installed.digest({"numpy": "2.4.6"})
    (tmp_path / installed.FOLDER).mkdir()
    (tmp_path / installed.FOLDER / f"{name}.json").write_text(damage)
    assert installed.kept(tmp_path, [name]) == {}
