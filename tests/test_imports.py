"""What a command imports decides how long a person waits: the light ones stay light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Project, environment
from toy_suites import write_suite

REPOSITORY = Path(__file__).parents[1]
HEAVY = {
    "torch",
    "torchvision",
    "torchgeo",
    "torchmetrics",
    "lightning",
    "pandas",
    "scipy",
    "rasterio",
    "timm",
}
MIDDLING = {"numpy", "pyarrow", "yaml", "rich", "PIL", "filelock", "huggingface_hub"}
SCRIPT = """
import json, sys
from harness.cli.commands import main
try:
    code = main(sys.argv[1:])
except SystemExit as e:
    code = e.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(folder: Path, *arguments: str | Path) -> tuple[int, set[str]]:
    """A command's exit code and the packages that its process imported."""
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, packages = json.loads(answer.stdout.splitlines()[-1])
    assert {"harness", "argparse"} <= set(packages)
    return code, set(packages)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_but_the_standard_library(arguments: list[str]) -> None:
    code, packages = imported(REPOSITORY, *arguments)
    assert code == 0
    assert packages & (HEAVY | MIDDLING) == set()


@pytest.mark.parametrize("suite", sorted((REPOSITORY / "suites").glob("smoke/*.yaml")), ids=lambda p: p.stem)
def test_planning_a_real_suite_imports_nothing_heavy(tmp_path: Path, suite: Path) -> None:
    code, packages = imported(REPOSITORY, "plan", suite, "--store", tmp_path / "store")
    assert code == 0
    assert packages & (HEAVY | {"pyarrow"}) == set()


def test_a_warm_run_a_comparison_and_accepting_import_nothing_heavy(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", "suites/suite.yaml").code == 4
    commands = {
        "accept": ("accept", "toy/centre", "--reason", "first figures"),
        "warm run": ("run", "suites/suite.yaml"),
        "compare": ("compare", "toy/centre"),
        "within": ("compare", "toy/centre", "--against", "model.rate=0.2"),
    }
    for what, arguments in commands.items():
        code, packages = imported(project.folder, *arguments)
        assert code == 0, what
        assert packages & HEAVY == set(), what
