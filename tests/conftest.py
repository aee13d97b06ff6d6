"""What every test gets: the same draws everywhere, its share of the cores, threads that do not spin, and a limit of
memory.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from command_line import Project
from copies import Copies
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["browsing", "memory_limit"]

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # workers share the cores, so no thread spins
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))
# A shell starts background jobs with Ctrl-C ignored, nohup ignores the hang-up, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# No profile asks how fast the machine is; a folder may be shared between examples that write it anew.
ANYWHERE = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("fixed", **ANYWHERE, derandomize=True, database=None)
settings.register_profile("fuzz", **ANYWHERE, max_examples=1000, print_blob=True)
# One example shows that a mutant was noticed; which is the smallest does not matter.
settings.register_profile("mutants", settings.get_profile("fixed"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests first: a worker that begins with one at the end would finish long after the others."""
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path] / tests[item.path])


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was collected stays until the end: no search for garbage has to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # pytest-xdist may be off
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three workers for two cores: some always wait, for files to reach the disk or for other processes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + max(1, cores // 2)


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    return Copies(tmp_path_factory.mktemp("copies"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """An empty project that is the working folder, with nothing of the developer's environment in it."""
    (tmp_path / "suites").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_STORE", "HARNESS_MIRROR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return Project(tmp_path, capsys)
