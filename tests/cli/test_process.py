"""How the process ends: codes, streams that are full, closed or left, and modules that cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Project, environment, package
from toy_suites import write_suite

from harness.cli.crash import explain
from harness.errors import Exit


def shell(folder: Path, line: str, *packages: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("HARNESS", f"{sys.executable} -m harness")],
        cwd=folder,
        env={**environment(*packages), **more},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("HARNESS --help > /dev/full", 5),
        ("HARNESS schema > /dev/full", 5),
        ("HARNESS nothing 2> /dev/full", 2),
        ("HARNESS schema >&- 2>&-", 0),
        ("set -o pipefail; HARNESS schema | head -1", 0),
    ],
)
def test_streams_that_take_nothing(tmp_path: Path, line: str, code: int) -> None:
    done = shell(tmp_path, line)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_terminal_without_the_characters_gets_escapes(project: Project) -> None:
    write_suite(project.folder)
    done = shell(project.folder, "HARNESS compare $'caf\\xe9\\x1b[31m'", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr.startswith("harness: no run 'caf\\udce9\\x1b[31m'")
    assert len(done.stderr.splitlines()) == 1


def test_a_name_that_is_no_utf8_is_told(project: Project) -> None:
    write_suite(project.folder)
    done = shell(project.folder, "HARNESS run suites/suite.yaml --out $'o\\xe9'")
    assert done.returncode == 4, done.stderr
    [record] = (folder / "run.json" for folder in project.folder.iterdir() if folder.name == "o\udce9")
    assert json.loads(record.read_text())["suite"] == "toy/centre"
    done = shell(project.folder, "HARNESS run suites/suite.yaml --store $'s\\xe9'")
    assert (done.returncode, done.stderr.startswith("harness: store s\\xe9: a path that is no UTF-8")) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    "command", ["accept toy/centre --reason", "rescore toy/centre/cpu --accept"], ids=["accept", "rescore"]
)
def test_a_text_that_is_recorded_is_utf8(project: Project, command: str) -> None:
    write_suite(project.folder)
    done = shell(project.folder, f"HARNESS {command} $'right\\xff'")
    assert done.returncode == 2
    option = command.rpartition(" ")[2]
    assert done.stderr.splitlines()[-1] == f"harness: argument {option}: not text in UTF-8: 'right\\xff'"


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError: invalid syntax"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError\n"),
        ("class Panic(BaseException): pass\nraise Panic('in Rust\\nat 7')", "Panic: in Rust\n"),
        ("class Mute(Exception):\n def __str__(self): raise ValueError\nraise Mute", "Mute\n"),
        (
            "class Lazy:\n def __getattr__(self, name): raise RuntimeError(f'no {name}')\nlazy = Lazy()",
            "RuntimeError: no __stage__",
        ),
    ],
    ids=["missing", "error", "exit", "syntax", "cancelled", "panic", "mute", "lazy"],
)
def test_a_module_that_cannot_be_imported(tmp_path: Path, code: str, cause: str) -> None:
    site = package(tmp_path / "site", "broken", code)
    told = f"harness: stages 'broken.…' of broken: broken_stages does not import: {cause}"
    one = shell(tmp_path, "HARNESS stages broken.any", site)
    assert one.returncode == 2
    assert one.stderr.startswith(told)
    every = shell(tmp_path, "HARNESS stages", site)
    assert every.returncode == 0
    assert every.stderr.startswith(told)
    assert "toy.draw" in every.stdout


ENDS = """\
suite: own/ends
stages:
  numbers: {use: toy.draw, count: 3}
  gone:    {use: ends.ends, how: HOW}
metrics:
  of_gone: {use: toy.size, data: gone}
  size:    {use: toy.size, data: numbers}
"""
ENDING = """
import asyncio, ctypes, os, threading
from harness.stage import Higher, Job, Scores, stage
from toy import Numbers


class MuteError(Exception):
    def __str__(self):
        raise ValueError("no text")


@stage(version=1)
def ends(*, how: str, job: Job) -> Numbers:
    if how == "cancelled":
        raise asyncio.CancelledError
    if how == "mute":
        raise MuteError
    if how == "C":
        ctypes.CDLL(None).exit(6)
    if how == "thread":
        thread = threading.Thread(target=ctypes.CDLL(None).exit, args=(0,))
        thread.start()
        thread.join()
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["cancelled", "mute"])
def test_a_run_goes_on_after_any_exception_of_a_stage(project: Project, how: str) -> None:
    write_suite(project.folder, ENDS.replace("HOW", how))
    done = shell(
        project.folder, "HARNESS run suites/suite.yaml", package(project.folder / "site", "ends", ENDING)
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert project.states() == {
        "numbers": {"executed"},
        "gone": {"failed"},
        "of_gone": {"skipped"},
        "size": {"executed"},
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc tells how a process ends")
@pytest.mark.parametrize("how", ["C", "thread", "Python"])
def test_a_stage_that_ends_the_process_gives_no_verdict(project: Project, how: str) -> None:
    write_suite(project.folder, ENDS.replace("HOW", how))
    done = shell(
        project.folder, "HARNESS run suites/suite.yaml", package(project.folder / "site", "ends", ENDING)
    )
    assert done.returncode == 5, done.stderr
    told = "harness: a library gave up and ended the process; what is finished is kept"
    assert done.stderr.splitlines()[-1] == told
    assert project.runs == []


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), Exit.FAILED),
        (FileNotFoundError(2, "No such file or directory", "gone"), Exit.USAGE),
        (MemoryError(), Exit.FAILED),
        (UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"), Exit.USAGE),
        (ModuleNotFoundError("No module named 'rich'"), Exit.USAGE),
        (KeyError("\udce9\x1b"), Exit.INTERNAL),
        (MuteError(), Exit.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_nobody_expected_has_a_code_and_a_line(error: Exception, code: Exit) -> None:
    line, told = explain(error)
    assert told is code
    assert line
    assert ("internal error" in line) == (code is Exit.INTERNAL)
