"""Kills, signals, full disks and damaged files: nothing finished is lost, nothing torn is served, one clear line."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Project, Said, environment, finish, package, start
from copies import Copies
from disks import content, files_up_to, read_only
from toy_suites import TOY, changed, write_suite

STAGES = '''
"""Stages that leave a line in a journal, and wait where they are told to."""

from __future__ import annotations

import json
from pathlib import Path

from harness.artifact import Artifact
from harness.stage import Job, stage
from toy import Numbers


@stage(version=1)
def first(*, journal: str, job: Job) -> Numbers:
    """Numbers."""
    with open(journal, "a") as lines:
        lines.write("first\\n")
    folder = job.folder()
    (folder / "numbers.json").write_text("[1.0, 2.0, 3.0]")
    return Numbers(folder)


@stage(version=1)
def second(numbers: Numbers, *, journal: str, gate: str = "none", job: Job) -> Numbers:
    """The same numbers, once the gate, a pipe, has been opened and closed; at once where there is none."""
    with open(journal, "a") as lines:
        lines.write("second resumed\\n" if (job.scratch / "half").exists() else "second\\n")
    (job.scratch / "half").write_text("done")
    folder = job.folder()
    (folder / "numbers.json").write_text("[1.0")
    if Path(gate).exists():
        Path(gate).read_text()
    (folder / "numbers.json").write_text((numbers.path / "numbers.json").read_text())
    return Numbers(folder)


@stage(version=1)
def large(*, megabytes: int, job: Job) -> Numbers:
    """Too large a file for some disks."""
    folder = job.folder()
    with (folder / "numbers.json").open("wb") as file:
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    return Numbers(folder)


class Odd:
    """A type of parameter whose author made a mistake."""

    @classmethod
    def from_text(cls, text: str) -> Odd:
        return {"known": cls()}[text]

    def to_key(self) -> str:
        return "odd"


@stage(version=1)
def odd(*, value: Odd, job: Job) -> Numbers:
    """Numbers."""
    return Numbers(job.folder())
'''
SLOW = """\
suite: toy/slow
stages:
  first:  {use: faulty.first, journal: journal}
  second: {use: faulty.second, numbers: first, journal: journal, gate: gate}
metrics:
  many: {use: toy.size, data: second}
"""
SUITE = "suites/suite.yaml"
NO_BASELINE = 4


@pytest.fixture
def faulty(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A project with the slow suite, and where its stages are installed."""
    write_suite(project.folder, SLOW)
    return project, package(tmp_path_factory.mktemp("site"), "faulty", STAGES)


def accept_toy(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", SUITE).code == NO_BASELINE
    project.accept()


@pytest.fixture
def accepted(project: Project, copies: Copies) -> Project:
    copies.fill(project, accept_toy)
    return project


def begin(faulty: tuple[Project, Path], *arguments: str) -> subprocess.Popen[str]:
    return start(faulty[0].folder, "run", SUITE, *arguments, packages=(faulty[1],))


def journal(project: Project) -> list[str]:
    return (project.folder / "journal").read_text().splitlines()


def stop_inside(faulty: tuple[Project, Path], number: signal.Signals) -> Said:
    """A run that gets a signal while its second stage waits in the middle of its work."""
    gate = faulty[0].folder / "gate"
    os.mkfifo(gate)
    process = begin(faulty)
    with gate.open("w"):  # opens when the stage has opened the other end
        process.send_signal(number)
        said = finish(process)
    gate.unlink()
    return said


def test_a_run_killed_inside_a_stage_goes_on_from_there(faulty: tuple[Project, Path]) -> None:
    project, _ = faulty
    assert stop_inside(faulty, signal.SIGKILL).code == -signal.SIGKILL
    assert journal(project) == ["first", "second"]
    said = finish(begin(faulty))
    assert said.code == NO_BASELINE, said.err
    assert journal(project) == ["first", "second", "second resumed"]
    assert project.states() == {"first": {"cached"}, "second": {"executed"}, "many": {"executed"}}
    assert project.latest["scores"][0]["repeats"][0]["values"] == {"numbers": 3.0}, "not the torn file"
    finish(begin(faulty))
    assert len(journal(project)) == 3


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "hung up"),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_a_stopped_run_says_so_and_goes_on_from_there(
    faulty: tuple[Project, Path], number: signal.Signals, code: int, word: str
) -> None:
    project, _ = faulty
    said = stop_inside(faulty, number)
    assert said.code == code
    assert said.error == f"{word}; what is finished is kept, the same command goes on from there"
    assert said.out == ""
    assert finish(begin(faulty)).code == NO_BASELINE
    assert journal(project) == ["first", "second", "second resumed"]


def test_two_runs_at_once_make_each_artifact_once(faulty: tuple[Project, Path]) -> None:
    project, _ = faulty
    gate = project.folder / "gate"
    os.mkfifo(gate)
    one = begin(faulty)
    with gate.open("w"):
        other = begin(faulty)
        assert other.stderr is not None
        waits = other.stderr.readline()
    said = finish(one), finish(other)
    assert (
        waits
        == f"second is being made by another process; waiting for pid {one.pid} on {socket.gethostname()}\n"
    )
    assert [s.code for s in said] == [NO_BASELINE, NO_BASELINE], said
    assert journal(project) == ["first", "second"]
    assert len(project.runs) == 2


KILLED_AT_EVERY_STEP = """
import contextlib, json, os, shutil, signal, sys
from pathlib import Path
from imported_ahead import import_ahead
import harness.cli.commands.run
from harness.cli.commands import main
from harness.store.environment import environment
from harness.suite.registry import find

store = os.path.realpath(".harness")
CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}
environment()
find("toy.size")
import_ahead(lambda: main(["run", "suites/suite.yaml"]))


def run(kill_at):
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        if event in CHANGES and str(arguments[0]).startswith(store):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            code = main(["run", "suites/suite.yaml"])
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


kill_at, told = 0, []
while True:
    kill_at += 1
    for leftover in (".harness", "reports"):
        shutil.rmtree(leftover, ignore_errors=True)
    Path("journal").write_text("")
    killed = run(kill_at)
    finished = [json.loads(e.read_text())["use"] for e in Path(".harness/objects").glob("*/*/entry.json")
                if e.read_text().endswith("}")]
    before = Path("journal").read_text().split("\\n")[:-1]
    resumed = run(0)
    after = Path("journal").read_text().split("\\n")[:-1]
    body = json.loads(max(Path("reports").glob("**/run.json"), key=lambda f: f.stat().st_mtime_ns).read_text())
    entries = len(list(Path(".harness/objects").glob("*/*/entry.json")))
    values = body["scores"][0]["repeats"][0]["values"]
    told.append([killed, finished, before, resumed, after[len(before):], values, entries])
    if killed != -signal.SIGKILL:
        break
print(json.dumps(told))
"""


@pytest.mark.slow
def test_a_run_killed_at_any_step_of_a_write_loses_nothing_and_serves_nothing_torn(
    faulty: tuple[Project, Path],
) -> None:
    """SIGKILL before each change that a run makes in its store, one after the other; each time it is resumed."""
    project, site = faulty
    answer = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_STEP],
        cwd=project.folder,
        env=environment(site, Path(__file__).parent),
        capture_output=True,
        text=True,
        check=True,
    )
    *kills, whole = json.loads(answer.stdout)
    assert whole[0] == NO_BASELINE
    assert len(kills) > 30
    for killed, finished, before, resumed, again, values, entries in kills:
        assert (killed, resumed, values, entries) == (-signal.SIGKILL, NO_BASELINE, {"numbers": 3.0}, 3)
        assert ("first" in again) == ("faulty.first" not in finished), (before, finished, again)
        assert any("second" in line for line in again) == ("faulty.second" not in finished)


def test_a_damaged_artifact_is_made_again(accepted: Project) -> None:
    """Same size, other content: found when a stage is about to read it."""
    [parts] = entries(accepted, "toy.split")
    file = parts / "train" / "numbers.json"
    file.write_text(file.read_text().replace("2", "3"))
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6")
    assert said.code == 0, said.err
    assert "parts was damaged in the store and is made again" in said.err
    assert accepted.states()["parts"] == {"executed"}
    assert accepted.states()["numbers"] == {"cached"}


@pytest.mark.parametrize("damage", ["truncate", "delete", "tear the entry"])
def test_a_torn_artifact_is_made_again(accepted: Project, damage: str) -> None:
    [parts] = entries(accepted, "toy.split")
    if damage == "truncate":
        os.truncate(parts / "train" / "numbers.json", 9)
    elif damage == "delete":
        (parts / "train" / "numbers.json").unlink()
    else:
        os.truncate(parts / "entry.json", 40)
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6")
    assert said.code == 0, said.err
    assert accepted.states()["parts"] == {"executed"}


def test_damaged_rows_of_a_score_are_made_again(accepted: Project) -> None:
    damaged = entries(accepted, "toy.measure")[0] / "items.parquet"
    damaged.write_bytes(damaged.read_bytes()[::-1])
    said = accepted.harness("run", SUITE)
    assert said.code == 0, said.err
    assert "was damaged in the store and is made again" in said.err
    assert [t["state"] for t in accepted.latest["tasks"]].count("executed") == 1
    assert "25 of 26 tasks came from the store" in said.err


def entries(project: Project, use: str) -> list[Path]:
    """The folders of a stage's entries in the store."""
    found = (project.folder / ".harness" / "objects").glob("*/*/entry.json")
    return [e.parent for e in found if json.loads(e.read_text())["use"] == use]


def test_a_disk_that_fills_up_inside_a_stage_fails_that_task_alone(faulty: tuple[Project, Path]) -> None:
    """The limit that the kernel sets on a file's size stands in for a small disk."""
    project, site = faulty
    text = """\
suite: toy/large
stages:
  large: {use: faulty.large, megabytes: 4}
  small: {use: toy.draw, count: 3}
metrics:
  of_large: {use: toy.size, data: large}
  of_small: {use: toy.size, data: small}
"""
    write_suite(project.folder, text)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", SUITE],
        env=environment(site),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )
    said = finish(process)
    assert said.code == 5
    assert "large: OSError: [Errno 27] File too large" in said.out
    assert "Traceback" not in said.out + said.err
    assert project.states()["of_small"] == {"executed"}


def test_a_full_disk_under_the_store_is_one_line(accepted: Project) -> None:
    """The kernel's own full device in the place of one of the store's files."""
    timings = accepted.folder / ".harness" / "timings.jsonl"
    timings.unlink()
    timings.symlink_to("/dev/full")
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6")
    assert said.code == 5
    assert said.error == (
        f"store {accepted.folder}/.harness: no space left on the device; free some, or set HARNESS_STORE to a "
        "larger place"
    )
    timings.unlink()
    assert accepted.harness("run", SUITE, "--set", "model.epochs=6").code == 0
    assert "cached" in accepted.states()["model"], "what was finished is kept"


def test_a_store_that_cannot_be_written_is_met_before_anything_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(project.folder)
    (project.folder / "file").write_text("")
    monkeypatch.setenv("HARNESS_STORE", "file/store")
    said = project.harness("run", SUITE)
    assert said.code == 2
    assert said.error == "store file/store: Not a directory"
    assert project.runs == []


def test_a_read_only_store_serves_what_is_finished(accepted: Project) -> None:
    store = accepted.folder / ".harness"
    before = content(store)
    with read_only(store):
        for command in (
            ("run", SUITE),
            ("plan", SUITE),
            ("compare", "toy/centre"),
            ("explain", "toy/centre", "fit"),
            ("export", "toy/centre", "numbers", "--to", "numbers"),
        ):
            said = accepted.harness(*command)
            assert (said.code, said.err.count("harness: ")) == (0, 0), said
        assert (accepted.runs[-1] / "report.html").is_file()
        said = accepted.harness("run", SUITE, "--set", "model.epochs=6")
        assert said.code == 2
        assert "set HARNESS_STORE to a place that can be written" in said.error
    assert content(store) == before


@pytest.mark.parametrize("out", [(), ("--out", "reports/mine"), ("--out", "reports")])
def test_read_only_reports_are_met_before_anything_runs(accepted: Project, out: tuple[str, ...]) -> None:
    reports = accepted.folder / "reports"
    before = content(accepted.folder)
    with read_only(reports):
        said = accepted.harness("run", SUITE, "--set", "model.epochs=6", *out)
    assert said.code == 2
    assert "no place for a run" in said.error
    assert content(accepted.folder) == before


@pytest.mark.parametrize("command", ["run --out out", "leaderboard --to board", "export"])
def test_a_full_disk_leaves_what_was_there(accepted: Project, command: str) -> None:
    """The kernel's limit on a file's size stands in for the disk."""
    arguments = {
        "run --out out": ("run", SUITE, "--out", "out"),
        "leaderboard --to board": ("leaderboard", "toy/centre", "--to", "board"),
        "export": ("export", "toy/centre", "numbers", "--to", "numbers"),
    }[command]
    if command != "export":
        assert accepted.harness(*arguments).code == 0
    notes = (".harness/", "reports/.numbers/")  # the store, and the numbers that runs were given
    before = content(accepted.folder)
    with files_up_to(300 if command == "export" else 5000):
        said = accepted.harness(*arguments)
    assert said.code in (2, 5)
    assert "cannot be written (File too large)" in said.error
    after = content(accepted.folder)
    assert {name for name in after if not name.startswith(notes)} == {
        name for name in before if not name.startswith(notes)
    }
    assert all(after[name] == before[name] for name in before if not name.startswith(notes))


def test_a_page_that_does_not_fit_leaves_the_record_and_no_half_page(accepted: Project) -> None:
    record = (accepted.runs[0] / "run.json").stat().st_size
    page = (accepted.runs[0] / "report.html").stat().st_size
    assert record < page
    with files_up_to((record + page) // 2):
        said = accepted.harness("run", SUITE, "--out", "out")
    assert said.code == 5
    assert "out: the report cannot be written (File too large)" in said.err
    assert not (accepted.folder / "out" / "report.html").exists()
    assert not [p for p in (accepted.folder / "out").iterdir() if p.name.startswith(".")]
    assert accepted.harness("compare", "out").code == 0


def test_rows_of_another_run_are_refused(accepted: Project) -> None:
    """As a kill leaves them between two files of a run that takes another's place."""
    assert accepted.harness("run", SUITE, "--out", "one").code == 0
    accepted.harness("run", SUITE, "--out", "two", "--set", "model.epochs=1")
    shutil.copy("two/items.parquet", "one/items.parquet")
    said = accepted.harness("compare", "one")
    assert (said.code, said.error) == (
        2,
        "one/items.parquet: damaged, or the items of another record; run the suite again",
    )
    assert accepted.harness("run", SUITE, "--out", "one").code == 0
    assert accepted.harness("compare", "one").code == 0
    (accepted.folder / "one" / "items.parquet").unlink()
    assert "cannot be read" in accepted.harness("compare", "one").error


def test_what_a_killed_run_began_is_no_run(accepted: Project) -> None:
    begun = accepted.folder / "reports" / "toy" / "centre" / ".99991231-000000-ffff.0123456789abcdef.torn"
    shutil.copytree(accepted.runs[0], begun)
    said = accepted.harness("compare", "toy/centre", "--json")
    assert said.json["run"] == json.loads((accepted.runs[0] / "run.json").read_text())["id"]


def test_a_run_folder_that_cannot_be_written_keeps_the_work(accepted: Project) -> None:
    """A folder stands where ``run.json`` should be written."""
    (accepted.folder / "out" / "run.json" / "folder").mkdir(parents=True)
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6", "--out", "out")
    assert said.code == 5
    assert said.error == (
        "out: the run cannot be written (Is a directory); its results are in the store, run it again"
    )
    shutil.rmtree(accepted.folder / "out" / "run.json")
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6", "--out", "out")
    assert said.code == 0
    assert "26 tasks, 26 cached" in said.out


def test_an_edited_baseline_is_refused_before_anything_runs(accepted: Project) -> None:
    file = accepted.folder / "baselines" / "toy" / "centre" / "cpu.json"
    body = json.loads(file.read_text())
    body["scores"][0]["repeats"][0]["values"]["error"] += 1
    file.write_text(json.dumps(body))
    runs = len(accepted.runs)
    said = accepted.harness("run", SUITE, "--set", "model.epochs=6")
    assert said.code == 2
    assert said.error.startswith(
        "baselines/toy/centre/cpu.json: it or its items changed after it was accepted"
    )
    assert len(accepted.runs) == runs
    assert accepted.harness("compare", "toy/centre").code == 2


def test_edited_items_of_a_baseline_are_refused(accepted: Project) -> None:
    [items] = (accepted.folder / "baselines" / "toy" / "centre").glob("cpu.*.items.parquet")
    items.write_bytes(items.read_bytes()[:-1])
    said = accepted.harness("compare", "toy/centre")
    assert said.code == 2
    assert "changed after it was accepted" in said.error


def test_a_foreign_baseline_is_refused(accepted: Project) -> None:
    write_suite(accepted.folder, changed(("toy/centre", "toy/other")))
    there = accepted.folder / "baselines"
    (there / "toy" / "centre").rename(there / "toy" / "other")
    said = accepted.harness("run", SUITE)
    assert said.code == 2
    assert "a foreign baseline, of suite 'toy/centre'" in said.error


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"schema": "other/1"}', b"null"])
def test_what_is_no_baseline_is_refused(accepted: Project, content: bytes) -> None:
    (accepted.folder / "baselines" / "toy" / "centre" / "cpu.json").write_bytes(content)
    said = accepted.harness("run", SUITE)
    assert said.code == 2
    assert said.error.startswith("baselines/toy/centre/cpu.json")


BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "suites/suite.yaml:1: "),
        ("suite: !!python/object/apply:os.system [ls]\n", "suites/suite.yaml:1: "),
        (changed(("toy.draw", "!!python/name:os.system x")), "suites/suite.yaml:6: "),
        (TOY + "suite: twice\n", "'suite' stands twice"),
        ("[" * 5000, "nested more than"),
        ("a: '" + "x" * 3_000_000 + "'", "suites/suite.yaml"),
        ("\x00", "not YAML"),
    ],
    ids=["bomb", "call", "name", "duplicate", "deep", "long", "binary"],
)
def test_a_hostile_suite_is_one_line(project: Project, text: str, told: str) -> None:
    write_suite(project.folder, text)
    for command in ("plan", "run"):
        said = project.harness(command, SUITE)
        assert said.code == 2
        assert told in said.error
    assert not (project.folder / ".harness").exists()


def test_a_mistake_inside_the_program_is_70_and_its_traceback_lies_in_a_file(
    faulty: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = faulty
    write_suite(
        project.folder,
        changed(("{use: faulty.first, journal: journal}", "{use: faulty.odd, value: x}"), text=SLOW),
    )
    monkeypatch.setenv("TMPDIR", str(project.folder))
    said = finish(begin(faulty))
    assert said.code == 70
    told, _, file = said.error.rpartition(" ")
    assert told == "internal error: KeyError: 'x'; please report it with the traceback in"
    assert Path(file).parent == project.folder
    assert "in from_text" in Path(file).read_text()


def test_a_run_never_lands_among_somebodys_own_files(accepted: Project) -> None:
    docs = accepted.folder / "docs"
    docs.mkdir()
    (docs / "report.md").write_text("mine")
    (docs / "notes.txt").write_text("mine, too")
    said = accepted.harness("run", SUITE, "--out", "docs")
    assert (said.code, said.error) == (
        2,
        "--out docs: holds other files (notes.txt, …); name a new folder, or a run's",
    )
    assert (docs / "report.md").read_text() == "mine"


def test_a_run_takes_the_place_of_another_run(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, "--out", "again").code == 0
    (accepted.folder / "again" / "notes.txt").write_text("mine")
    assert accepted.harness("run", SUITE, "--out", "again").code == 0


def test_a_run_in_a_folder_of_its_own_is_found_by_its_suite(accepted: Project) -> None:
    for run in (accepted.folder / "reports").rglob("run.json"):
        run.unlink()
    assert accepted.harness("run", SUITE, "--out", "reports/mine").code == 0
    assert accepted.harness("compare", "toy/centre").code == 0


def test_edited_figures_are_compared_under_protest(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, "--out", "edited").code == 0
    file = accepted.folder / "edited" / "run.json"
    file.write_text(file.read_text().replace('"about": "', '"about": "Edited. ', 1))
    assert accepted.harness("run", SUITE, "--out", "whole").code == 0
    for arguments in (
        ("compare", "edited"),
        ("compare", "whole", "edited"),
        ("compare", "edited", "--against", "model.rate=0.1"),
        ("explain", "edited", "fit"),
        ("run", SUITE, "--baseline", "edited"),
    ):
        said = accepted.harness(*arguments)
        assert said.err.count("somebody edited its figures") == 1, arguments
    assert "somebody edited" not in accepted.harness("compare", "whole").err


def test_an_unknown_device_is_refused(accepted: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "plan", SUITE],
        cwd=accepted.folder,
        env={**environment(), "HARNESS_DEVICE": "gpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("harness: HARNESS_DEVICE=gpu: expected cpu, or nothing")


def test_a_store_that_is_a_file_is_refused(accepted: Project) -> None:
    (accepted.folder / "thing").write_text("")
    said = accepted.harness("plan", SUITE, "--store", "thing")
    assert (said.code, said.error) == (2, "store thing: not a folder")
