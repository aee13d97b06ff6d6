"""What a person waits for: commands in a process of their own, from start to exit."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import finish, start
from pytest_benchmark.fixture import BenchmarkFixture
from toy_suites import write_suite


@pytest.fixture
def finished(project_folder: Path) -> Path:
    """A project whose toy suite has run and been accepted."""
    write_suite(project_folder)
    for arguments, code in (
        (("run", "suites/suite.yaml"), 4),  # there is no baseline yet
        (("accept", "toy/centre", "--reason", "first figures"), 0),
    ):
        assert finish(start(project_folder, *arguments)).code == code
    return project_folder


@pytest.fixture
def project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HARNESS_STORE", "HARNESS_MIRROR", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("plan", "suites/suite.yaml"),
        ("run", "suites/suite.yaml"),
        ("compare", "toy/centre"),
    ],
    ids=["help", "plan", "warm run", "compare"],
)
def test_a_command(finished: Path, benchmark: BenchmarkFixture, arguments: tuple[str, ...]) -> None:
    """Of a toy suite that has run; the aim for a warm run is under 2 s on two cores."""
    said = benchmark.pedantic(lambda: finish(start(finished, *arguments)), rounds=5, warmup_rounds=1)
    assert said.code == 0, said.err
    assert said.out
