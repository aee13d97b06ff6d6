"""What is handed over in the place of a file or a number, and a folder that is gone: one line, and exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli.test_process import shell
from command_line import Project
from copies import Copies
from toy_suites import write_suite

NINES = "9" * 400
GATHER = """\
suite: toy/gather
subject: [numbers]
stages:
  numbers: {use: toy.gather, source: "path:PLACE"}
metrics:
  many: {use: toy.size, data: numbers}
"""


def accept_toy(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", "suites/suite.yaml").code == 4
    project.accept()


@pytest.fixture
def made(project: Project, copies: Copies) -> Project:
    """A project with a run, a baseline, and things that are no files."""
    copies.fill(project, accept_toy)
    os.mkfifo("pipe.yaml")
    os.mkfifo("pipe.json")
    Path("folder.yaml").mkdir()
    Path("device.yaml").symlink_to("/dev/zero")
    Path("utf16.yaml").write_bytes("suite: x".encode("utf-16"))
    Path("empty.yaml").touch()
    Path("extends-pipe.yaml").write_text("extends: pipe.yaml\n")
    Path("extends-nul.yaml").write_text('extends: "a\\0b"\n')
    return project


LINES = [
    *(
        f"plan {name}.yaml"
        for name in (
            "pipe",
            "folder",
            "device",
            "utf16",
            "empty",
            "extends-pipe",
            "extends-nul",
            "missing",
        )
    ),
    "run suites/suite.yaml --store pipe.json",
    "run suites/suite.yaml --mirror pipe.json",
    "run suites/suite.yaml --out " + "x" * 5000,
    "compare pipe.json",
    "compare toy/centre pipe.json",
    "accept pipe.json --reason x",
    "explain pipe.json fit",
    "history pipe.yaml",
    "leaderboard toy/centre --published pipe.yaml",
    "store gc --keep pipe.json",
    "extend pipe.json --seeds 5",
    f"calibrate suites/suite.yaml --repeats {NINES}",
    f"explain toy/centre fit --most {NINES}",
    f"review make toy/centre --seed {NINES}",
    "review make toy/centre --count 1_0",
    f"plan suites/suite.yaml --set numbers.seed={NINES}",
    "plan suites/suite.yaml --set numbers.mean=1e400",
]
PLACES = ["../pipe.json", "/dev/zero", "a\\0b", "..", "\\x1b"]
"""The project's own folder, ``..``, holds a pipe."""


def test_what_is_no_file_and_what_is_no_number(made: Project) -> None:
    for line in LINES:
        said = made.harness(*line.split())
        assert (line, said.code) == (line, 2)
        assert said.error, line


def test_a_source_that_is_no_file(made: Project) -> None:
    for place in PLACES:
        write_suite(made.folder, GATHER.replace("PLACE", place), "gather.yaml")
        said = made.harness("plan", "suites/gather.yaml")
        assert (place, said.code) == (place, 2)
        assert said.error.startswith("suites/gather.yaml:4: "), place


def replace(file: Path, kind: str) -> None:
    """Put something else in the place of a file, or nothing where it is to be missing."""
    file.unlink()
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "empty":
            file.touch()
        case "deep":
            file.write_text("[" * 100_000)


@pytest.mark.parametrize("name", ["run.json", "items.parquet"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "missing", "empty"])
def test_something_else_in_the_place_of_a_file_of_a_run(made: Project, name: str, kind: str) -> None:
    file = made.runs[-1] / name
    run = file.parent
    replace(file, kind)
    said = made.harness("compare", run)
    assert said.code == 2
    assert str(file) in said.error or f"no run '{run}'" in said.error


@pytest.mark.parametrize("kind", ["pipe", "folder", "empty", "deep"])
def test_something_else_in_the_place_of_an_entry_of_the_store(made: Project, kind: str) -> None:
    """It is made again."""
    for file in (made.folder / ".harness" / "objects").glob("*/*/entry.json"):
        replace(file, kind)
    (made.folder / ".harness" / "timings.jsonl").write_text(
        '{"use": 1}\n[[\n{"wall_s": "x"}\n' + "[" * 100_000
    )
    said = made.harness("run", "suites/suite.yaml")
    assert said.code == 0, said.err
    assert "26 tasks, 0 cached" in said.out


def test_a_working_folder_that_was_deleted_is_told(project: Project) -> None:
    done = shell(project.folder, "mkdir gone; cd gone; rmdir ../gone; HARNESS plan x.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "harness: the working folder cannot be used (No such file or directory); change to another\n"
    )


def test_a_project_whose_path_is_no_utf8_can_be_used(project: Project) -> None:
    """Its own path reaches no record; the store has to be elsewhere."""
    write_suite(project.folder)
    line = "mkdir -p $'n\\xe9'; cp -r suites $'n\\xe9/suites'; cd $'n\\xe9'; OMP_x=$'\\xe9' HARNESS"
    store = project.folder / "store"
    ran = shell(project.folder, f"{line} run suites/suite.yaml --store {store}")
    assert ran.returncode == 4, ran.stderr
    accepted = shell(project.folder, f"{line} accept toy/centre --reason x")
    assert accepted.returncode == 0, accepted.stderr
    cleaned = shell(project.folder, f"{line} store gc --store {store}")
    assert cleaned.stdout.splitlines()[-1].startswith("entries kept: 26 that records need"), cleaned.stderr


def test_a_suite_whose_name_is_no_utf8_leaves_a_record(project: Project) -> None:
    write_suite(project.folder)
    done = shell(project.folder, "mv suites/suite.yaml $'suites/s\\xe9.yaml'; HARNESS run suites/*.yaml")
    assert done.returncode == 4, done.stderr
    assert project.latest["provenance"]["command"][-1] == r"suites/s\xe9.yaml"


def test_the_usage_is_printed_in_lines(project: Project) -> None:
    said = project.harness("review", "make")
    assert said.code == 2
    assert said.err.startswith("usage: harness review make")
    assert r"\x0a" not in said.err
