"""A test that holds too much memory fails, and says so once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import subprocess, sys

def test_small(): pass
def test_large(): {large}
def test_after(): pass
"""
HOLDS = "bytearray(300_000_000)"


@pytest.mark.parametrize("large", [f"len({HOLDS})", f"subprocess.run([sys.executable, '-c', '{HOLDS}'])"])
@pytest.mark.parametrize(("limit", "failed"), [(250, True), (2000, False)])
def test_the_first_test_above_the_limit_fails(tmp_path: Path, large: str, limit: int, failed: bool) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(large=large))
    command = ["-m", "pytest", "-q", "-p", "memory_limit", "-o", f"memory_limit_mb={limit}", "--rootdir=."]
    done = subprocess.run(
        [sys.executable, *command, "test_it.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == int(failed), done.stdout
    assert ("3 passed, 1 error" if failed else "3 passed") in done.stdout
    assert ("ERROR test_it.py::test_large" in done.stdout) == failed
