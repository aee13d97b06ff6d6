"""Shells complete commands, options, and the names of the project's suites, runs and baselines."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Project, environment
from toy_suites import changed, write_suite

from harness.cli import completion

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("argcomplete") is None, reason="argcomplete is not installed (extra: completion)"
)


@pytest.fixture
def toys(project: Project) -> Project:
    """A project with two suites, a run and a baseline."""
    write_suite(project.folder)
    write_suite(project.folder, changed(("toy/centre", "toy/other")), "other.yaml")
    assert project.harness("run", "toy/centre").code == 4
    project.accept()
    return project


def completed(folder: Path, line: str) -> list[str]:
    """What argcomplete's shell code would offer after a line, with the cursor at its end."""
    answer = folder / "answer.txt"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    spec = importlib.util.find_spec("argcomplete")
    assert spec is not None
    assert spec.origin is not None
    ran = subprocess.run(
        [sys.executable, "-m", "harness"],
        cwd=folder,
        env=environment(Path(spec.origin).parents[1]) | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    found = answer.read_text().split("\n")
    answer.unlink()
    return [word.strip() for word in found if word.strip()]


@needs_library
def test_commands_options_and_names(toys: Project) -> None:
    (run,) = toys.runs
    for line, offered in {
        "harness ex": {"export", "explain", "extend"},
        "harness run toy/": {"toy/centre", "toy/other"},
        "harness plan toy/c": {"toy/centre"},
        "harness run suites/o": {"suites/other.yaml"},
        "harness run toy/centre --no": {"--no-proposals"},
        "harness compare toy": {"toy/centre"},
        f"harness accept {run.name[:9]}": {run.name},
        "harness extend toy": {"toy/centre/cpu"},
        "harness export toy/centre n": {"numbers"},
        "harness store v": {"verify"},
        "harness completion f": {"fish"},
    }.items():
        assert set(completed(toys.folder, line)) == offered, line


@needs_library
def test_a_project_in_which_nothing_can_be_read_offers_nothing_and_says_nothing(project: Project) -> None:
    write_suite(project.folder, "suite: [\n", "broken.yaml")
    (project.folder / "harness.toml").write_text("=")
    assert completed(project.folder, "harness run toy") == []
    assert completed(project.folder, "harness export none x") == []


@needs_library
@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_code_for_a_shell_is_the_library_s(project: Project, shell: str) -> None:
    import argcomplete

    said = project.harness("completion", shell)
    assert said.code == 0, said.err
    assert said.out.rstrip("\n") == argcomplete.shellcode(["harness"], shell=shell).rstrip("\n")


@needs_library
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_it(project: Project, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    code = project.harness("completion", shell).out
    ran = subprocess.run([program, "-n"], input=code, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_without_the_library_it_is_named_and_completion_is_silent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    said = project.harness("completion", "bash")
    assert said.code == 2
    assert said.error.startswith("completion needs the package argcomplete")
    from harness.cli.arguments import parser

    completion.answer(parser())


def test_another_shell_is_refused(project: Project) -> None:
    said = project.harness("completion", "bsh")
    assert said.code == 2
    assert "invalid choice: 'bsh'" in said.error
