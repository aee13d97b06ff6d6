"""The public job: folders of its own, what was said, and an interruption."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment

from harness.stage import Job
from harness.testing import FolderJob


def test_it_is_a_job(tmp_path: Path) -> None:
    job: Job = FolderJob(tmp_path / "not there", device="cuda")
    assert job.device == "cuda"
    assert job.folder().is_dir()
    assert job.folder("train").is_dir()
    assert job.folder("test") != job.folder("other")
    with pytest.raises(FileExistsError):
        job.folder()


def test_scratch_is_that_of_the_next_attempt(tmp_path: Path) -> None:
    (FolderJob(tmp_path).scratch / "step-10").write_text("state")
    assert (FolderJob(tmp_path).scratch / "step-10").read_text() == "state"


def test_what_it_is_told_is_kept_and_may_interrupt(tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    job = FolderJob(tmp_path, stop)
    job.log("a line")
    job.progress(1, 3, "images")
    with pytest.raises(KeyboardInterrupt):
        job.progress(2, 3, "images")
    assert job.lines == ["a line"]
    assert job.reports == [(1, 3, "images"), (2, 3, "images")]


def test_the_harness_does_not_import_it_and_it_imports_neither_torch_nor_pytest() -> None:
    code = (
        "import sys, harness, harness.cli.commands\n"
        "assert 'harness.testing' not in sys.modules\n"
        "import harness.testing\n"
        "print(sorted({'torch', 'pytest', 'numpy', 'pandas'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
