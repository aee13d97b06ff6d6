"""The planted situations of ``make trust``: some of each kind, and a wrong answer fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def table(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "trust" / "table.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "count"),
    [("same bytes", 2), ("a generator trained once", 2), ("one value without items", 2), ("is edited", 5)],
)
def test_the_harness_is_right(words: str, count: int) -> None:
    done = table("--only", words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} of {count} right" in done.stderr


def test_no_situation_is_no_success() -> None:
    assert table("--only", "no situation has these words").returncode == 6


def test_the_document_has_every_answer_right() -> None:
    text = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| ", text, re.MULTILINE)
    assert len(rows) >= 40
    assert "(wrong)" not in text
