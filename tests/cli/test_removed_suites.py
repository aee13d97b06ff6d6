"""Patterns at the merge base match what ``glob`` matches in a folder."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest

from harness.cli.removed_suites import _regex

FILES = ("a.yaml", "s/a.yaml", "s/ab.yaml", "s/t/a.yaml", "s/t/u/b.yaml", "s/a+.yml", "s/a.yaml.txt")


@pytest.mark.parametrize(
    "pattern",
    [
        "*.yaml",
        "s/*.yaml",
        "s/**/*.yaml",
        "**/*.yaml",
        "s/?.yaml",
        "s/[ab].yaml",
        "s/[!b]*.y*ml",
        "s/a+.yml",
        "s/**",
    ],
)
def test_as_glob(tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")
    expected = {n for n in glob.glob(pattern, recursive=True) if Path(n).is_file()}
    assert expected
    assert {name for name in FILES if re.fullmatch(_regex(pattern), name)} == expected
