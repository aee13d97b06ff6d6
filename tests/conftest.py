"""What every test gets: no time limits of hypothesis on machines that are shared, its share of the cores, and threads
that do not spin.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from command_line import Project

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see harness/executors/local.py
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))
# A shell starts background jobs with Ctrl-C ignored, and what ignores it hands that on: the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """An empty project that is the working folder, with nothing of the developer's environment in it."""
    (tmp_path / "suites").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_STORE", "HARNESS_MIRROR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return Project(tmp_path, capsys)
