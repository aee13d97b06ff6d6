"""``harness store``: nothing that is needed goes, nothing that nobody needs stays, nothing damaged is called sound."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Project, Said, environment
from copies import Copies
from disks import content, read_only, unreadable
from toy_suites import changed, write_suite

from harness.store.artifacts import Store

SUITE = "suites/suite.yaml"
SMALL = changed(
    ("matrix:\n  model.loss: [square, absolute]\n  model.rate: [0.1, 0.2]\n", ""),
    ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
)
"""Eight tasks: numbers, parts, and three times a model with its score."""
OTHER = ("--set", "model.epochs=6")


def accept_small(project: Project) -> None:
    write_suite(project.folder, SMALL)
    assert project.harness("run", SUITE).code == 4
    project.accept()


@pytest.fixture
def accepted(project: Project, copies: Copies) -> Project:
    copies.fill(project, accept_small)
    return project


def keys(project: Project) -> set[str]:
    return set(Store(project.folder / ".harness").stored())


def entries(project: Project, use: str) -> list[Path]:
    found = (project.folder / ".harness" / "objects").glob("*/*/entry.json")
    return sorted(e.parent for e in found if json.loads(e.read_text())["use"] == use)


def test_what_a_baseline_needs_stays_without_its_run(accepted: Project) -> None:
    before = keys(accepted)
    shutil.rmtree(accepted.folder / "reports")
    said = accepted.harness("store", "gc", "--age", "0")
    assert (said.code, said.err) == (0, "")
    assert "entries kept: 8 that records need" in said.out
    assert keys(accepted) == before


def test_what_a_kept_run_needs_stays_and_nothing_else(accepted: Project) -> None:
    of_baseline = keys(accepted)
    assert accepted.harness("run", SUITE, *OTHER).code == 0
    of_both = keys(accepted)
    assert len(of_both - of_baseline) == 6
    accepted.harness("store", "gc", "--age", "0")
    assert keys(accepted) == of_both
    shutil.rmtree(accepted.runs[-1])
    said = accepted.harness("store", "gc", "--age", "0")
    assert keys(accepted) == of_baseline
    assert said.out.count("  entry ") == 6
    assert accepted.harness("run", SUITE).code == 0
    assert accepted.states()["fit"] == {"cached"}


def test_a_run_elsewhere_is_kept_as_long_as_it_is_there(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    before = keys(accepted)
    assert len(before) == 14
    for arguments in ((), ("--dry-run",)):
        assert accepted.harness("store", "gc", "--age", "0", *arguments).code == 0
        assert keys(accepted) == before
    assert '"suite": "toy/centre"' in accepted.harness("store", "du", "--json").out
    assert "(no record)" not in accepted.harness("store", "du").out
    (accepted.folder / "elsewhere").rename(accepted.folder / "moved")
    accepted.harness("store", "gc", "--age", "0", "--dry-run")
    assert len(list((accepted.folder / ".harness" / "runs").iterdir())) == 1
    assert accepted.harness("store", "gc", "--age", "0").code == 0
    assert len(keys(accepted)) == 8
    assert list((accepted.folder / ".harness" / "runs").iterdir()) == []


def test_a_run_elsewhere_can_be_forgotten(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    said = accepted.harness("store", "gc", "--age", "0", "--forget", "elsewhere", "--dry-run")
    assert "entries kept: 8 that records need" in said.out
    accepted.harness("store", "gc", "--age", "0", "--forget", "elsewhere")
    assert len(keys(accepted)) == 8


def test_a_run_in_the_reports_is_not_noted_by_itself(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, "--out", "reports/mine").code == 0
    assert not (accepted.folder / ".harness" / "runs").exists()


def test_a_run_elsewhere_is_kept_where_it_is_named(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    shutil.rmtree(accepted.folder / ".harness" / "runs")  # as after the folder was moved
    before = keys(accepted)
    for place in ("elsewhere", "elsewhere/run.json", "."):
        accepted.harness("store", "gc", "--age", "0", "--keep", place)
        assert keys(accepted) == before
    accepted.harness("store", "gc", "--age", "0")
    assert len(keys(accepted)) == 8
    refused = accepted.harness("store", "gc", "--keep", "nowhere")
    assert (refused.code, refused.error) == (2, "--keep nowhere: no such file or folder")


def test_what_is_young_stays_unless_it_is_asked_for(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    shutil.rmtree(accepted.folder / "elsewhere")
    before = keys(accepted)
    said = accepted.harness("store", "gc")
    assert keys(accepted) == before
    assert "6 younger than 1d" in said.out
    for entry in entries(accepted, "toy.measure"):
        os.utime(entry / "entry.json", (1e9, 1e9))
    accepted.harness("store", "gc", "--age", "12h")
    assert len(keys(accepted)) == 8 + 3


@pytest.mark.parametrize("age", ["x", "-1", "12", "1w"])
def test_an_age_has_a_unit(accepted: Project, age: str) -> None:
    said = accepted.harness("store", "gc", f"--age={age}")
    assert said.code == 2
    assert said.error.startswith(f"--age {age}: expected a number with s, m, h or d")


def test_a_dry_run_changes_nothing_and_says_what_would_go(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    shutil.rmtree(accepted.folder / "elsewhere")
    (accepted.folder / ".harness" / "work" / "00.12345678" / "scratch").mkdir(parents=True)
    before = content(accepted.folder)
    dry = accepted.harness("store", "gc", "--age", "0", "--dry-run").out
    assert content(accepted.folder) == before
    assert (accepted.folder / ".harness" / "work" / "00.12345678").is_dir()
    wet = accepted.harness("store", "gc", "--age", "0").out
    assert wet == dry.replace("would free", "freed")
    assert "in 7 places" in wet


def test_what_a_running_command_needs_stays_until_it_ends_or_is_killed(accepted: Project) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.store.artifacts import Store\n"
        "from harness.store.needs import need\n"
        "store = Store(Path('.harness')); need(store, sys.argv[1:]); print('said', flush=True)\n"
        "sys.stdin.read()"
    )
    shutil.rmtree(accepted.folder / "baselines")
    shutil.rmtree(accepted.folder / "reports")
    needed = sorted(keys(accepted))[:5]
    other = subprocess.Popen(
        [sys.executable, "-c", code, *needed],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "said\n"
    said = accepted.harness("store", "gc", "--age", "0")
    assert "5 that running commands need" in said.out
    assert keys(accepted) == set(needed)
    other.kill()
    other.communicate()
    accepted.harness("store", "gc", "--age", "0")
    assert keys(accepted) == set()
    assert list((accepted.folder / ".harness" / "running").iterdir()) == []


def test_a_key_that_is_being_made_is_left_alone(accepted: Project) -> None:
    shutil.rmtree(accepted.folder / "baselines")
    shutil.rmtree(accepted.folder / "reports")
    store = Store(accepted.folder / ".harness")
    key = sorted(keys(accepted))[0]
    with store.claim(key):
        work = store.begin(key)
        accepted.harness("store", "gc", "--age", "0")
        assert keys(accepted) == {key}
        assert work.is_dir()
    accepted.harness("store", "gc", "--age", "0")
    assert keys(accepted) == set()
    assert not work.exists()


def test_a_clean_up_between_two_tasks_costs_a_run_nothing_but_time(accepted: Project) -> None:
    """Whatever goes although a run counted on it, it is made again."""
    shutil.rmtree(accepted.folder / ".harness" / "objects")
    said = accepted.harness("run", SUITE)
    assert said.code == 0, said.err
    assert accepted.states()["fit"] == {"executed"}


def test_other_projects_of_the_store_are_asked_too(
    accepted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(accepted.folder / ".harness")
    other = accepted.folder / "other"
    other.mkdir()
    write_suite(other, SMALL)
    monkeypatch.chdir(other)
    assert accepted.harness("run", SUITE, *OTHER, "--store", store).code == 4
    monkeypatch.chdir(accepted.folder)
    before = keys(accepted)
    assert accepted.harness("store", "gc", "--age", "0").code == 0
    assert keys(accepted) == before
    other.rename(accepted.folder / "moved")
    refused = accepted.harness("store", "gc", "--age", "0")
    assert refused.code == 2
    assert f"{other} has used it and is not here" in refused.error
    assert keys(accepted) == before
    assert accepted.harness("store", "gc", "--age", "0", "--forget", str(other)).code == 0
    assert len(keys(accepted)) == 8
    assert accepted.harness("store", "gc", "--age", "0").code == 0


def test_a_project_that_only_read_the_store_is_asked_too(
    accepted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that it needs was there, made by another."""
    store = str(accepted.folder / ".harness")
    assert accepted.harness("run", SUITE, *OTHER).code == 0
    before = keys(accepted)
    other = accepted.folder / "other"
    other.mkdir()
    write_suite(other, SMALL)
    monkeypatch.chdir(other)
    assert "14 tasks" not in accepted.harness("run", SUITE, *OTHER, "--store", store).out
    monkeypatch.chdir(accepted.folder)
    shutil.rmtree(accepted.folder / "reports")
    assert accepted.harness("store", "gc", "--age", "0").code == 0
    assert keys(accepted) == before


@pytest.mark.parametrize("linked", ["baselines", "reports", "reports/toy", "reports/toy/centre", "run"])
def test_what_lies_behind_a_link_is_needed_too(accepted: Project, linked: str) -> None:
    assert accepted.harness("run", SUITE, *OTHER).code == 0
    before = keys(accepted)
    place = accepted.runs[-1] if linked == "run" else accepted.folder / linked
    if linked == "baselines":
        shutil.rmtree(accepted.folder / "reports")
    place.rename(accepted.folder / "disk")
    place.symlink_to(accepted.folder / "disk")
    (accepted.folder / "disk" / "circle").symlink_to(accepted.folder / "disk")
    (accepted.folder / "reports").mkdir(exist_ok=True)
    (accepted.folder / "disk" / "up").symlink_to(accepted.folder / "reports")
    said = accepted.harness("store", "gc", "--age", "0")
    assert said.code == 0, said
    assert keys(accepted) == (of_baseline(before, accepted) if linked == "baselines" else before)
    if linked != "baselines":
        assert accepted.harness("compare", "toy/centre").code == 0


def of_baseline(before: set[str], project: Project) -> set[str]:
    text = (project.folder / "baselines" / "toy" / "centre" / "cpu.json").read_text()
    found = {key for key in before if key in text}
    assert len(found) == 8
    return found


@pytest.mark.parametrize("link", ["baselines", "reports/old", "baselines/toy/centre/other.json"])
def test_a_link_that_leads_nowhere_stops_it(accepted: Project, link: str) -> None:
    """As to a disk that is not mounted."""
    if link == "baselines":
        shutil.rmtree(accepted.folder / "baselines")
    (accepted.folder / link).symlink_to("/nowhere/at/all")
    before = keys(accepted)
    said = accepted.harness("store", "gc", "--age", "0")
    assert (said.code, said.error) == (
        2,
        f"{accepted.folder / link}: cannot be looked at (No such file or directory), so nobody knows what the records "
        "there need",
    )
    assert keys(accepted) == before
    assert accepted.harness("store", "du").code == 0


@pytest.mark.parametrize(
    "closed", ["baselines", "reports/toy", "reports/toy/centre", "reports/toy/centre/calibrate"]
)
def test_a_folder_that_cannot_be_listed_stops_it(accepted: Project, closed: str) -> None:
    """As it belongs to somebody else."""
    (accepted.folder / closed).mkdir(exist_ok=True)
    before = keys(accepted)
    with unreadable(accepted.folder / closed) as bound:
        said = by_itself(bound, accepted.folder, "store", "gc", "--age", "0")
        told = by_itself(bound, accepted.folder, "store", "du")
    assert (said.code, said.error) == (
        2,
        f"{accepted.folder / closed}: cannot be looked at (Permission denied), so nobody knows what the records there "
        "need",
    )
    assert (told.code, told.err) == (0, "")
    assert keys(accepted) == before


@pytest.mark.parametrize("closed", ["other", "other/reports", "other/run"])
def test_a_project_that_cannot_be_read_is_named(
    accepted: Project, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    other = accepted.folder / "other"
    other.mkdir()
    write_suite(other, SMALL)
    monkeypatch.chdir(other)
    store = str(accepted.folder / ".harness")
    for out in ((), ("--out", "run/far")):
        assert accepted.harness("run", SUITE, *OTHER, "--store", store, *out).code == 4
    before = keys(accepted)
    with unreadable(accepted.folder / closed) as bound:
        said = by_itself(bound, accepted.folder, "store", "gc", "--age", "0")
        forget = (word for place in (other, other / "run/far") for word in ("--forget", place))
        told = by_itself(bound, accepted.folder, "store", "gc", "--age", "0", "--dry-run", *forget)
    assert (said.code, told.code) == (2, 0), (said, told)
    assert f"{accepted.folder / closed}" in said.error
    assert "Permission denied" in said.error
    assert "HARNESS_STORE" not in said.error
    assert keys(accepted) == before


def by_itself(bound: list[str], folder: Path, *arguments: str | Path) -> Said:
    """A command in a process of its own, which permissions bind."""
    command = [*bound, sys.executable, "-m", "harness", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("damage", [b"{", b"\xff", b"[" * 100_000])
def test_a_record_that_cannot_be_read_stops_it(accepted: Project, damage: bytes) -> None:
    (accepted.runs[0] / "run.json").write_bytes(damage)
    before = keys(accepted)
    said = accepted.harness("store", "gc", "--age", "0")
    assert said.code == 2
    assert "a record that cannot be read" in said.error
    assert keys(accepted) == before


@pytest.mark.parametrize("content", [b"garbage", b"", b"/a\0b", b"../other"])
@pytest.mark.parametrize("what", ["projects", "runs"])
def test_a_damaged_registration_is_named_by_its_file(accepted: Project, content: bytes, what: str) -> None:
    file = accepted.folder / ".harness" / what / "0123456789abcdef"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    said = accepted.harness("store", "gc")
    assert (said.code, said.error) == (
        2,
        f"{file}: damaged, it should hold the path of a folder; remove this file",
    )


def test_a_project_is_forgotten_by_the_path_that_was_noted(accepted: Project) -> None:
    """Its folder has become a link since."""
    (accepted.folder / ".harness" / "projects" / "0123456789abcdef").write_text(f"{accepted.folder}/gone")
    (accepted.folder / "gone").symlink_to("/nowhere/at/all")
    said = accepted.harness("store", "gc", "--age", "0")
    assert said.error.endswith(f"; --forget {accepted.folder}/gone leaves it out")
    assert accepted.harness("store", "gc", "--age", "0", "--forget", f"{accepted.folder}/gone").code == 0
    assert accepted.harness("store", "gc", "--age", "0").code == 0


def test_leftovers_of_killed_processes_go(accepted: Project) -> None:
    store = accepted.folder / ".harness"
    key = sorted(keys(accepted))[0]
    for left in (f"work/{key}.0123abcd/scratch", "work/.trash-0123"):
        (store / left).mkdir(parents=True)
    (store / "claims" / f"{key}.lock").write_text('{"pid": 1, "host": "gone"}')
    torn = store / ".digests.jsonl.0123456789abcdef.torn"
    torn.write_text("half")
    assert accepted.harness("store", "gc").code == 0
    for empty in ("work", "claims", "running"):
        assert list((store / empty).iterdir()) == []
    assert not torn.exists()


def test_a_run_removes_what_killed_runs_left(accepted: Project) -> None:
    store = accepted.folder / ".harness"
    [key] = [e.name for e in entries(accepted, "toy.split")]
    (store / "work" / f"{key}.0123abcd" / "scratch").mkdir(parents=True)
    (store / "work" / ".trash-0123").mkdir()
    (store / "claims" / f"{key}.lock").write_text("")
    assert accepted.harness("run", SUITE, *OTHER).code == 0
    for empty in ("work", "claims", "running"):
        assert list((store / empty).iterdir()) == []


DAMAGE = {
    "changed": lambda e: (e / "items.parquet").write_bytes((e / "items.parquet").read_bytes()[::-1]),
    "cut": lambda e: os.truncate(e / "items.parquet", 10),
    "gone": lambda e: (e / "items.parquet").unlink(),
    "more": lambda e: (e / "new.txt").write_text(""),
    "link": lambda e: (e / "new").symlink_to("/"),
    "no entry": lambda e: (e / "entry.json").unlink(),
    "edited": lambda e: (e / "entry.json").write_text((e / "entry.json").read_text().replace("toy", "boy")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_removed_where_that_is_asked_for(accepted: Project, damage: str) -> None:
    sound = accepted.harness("store", "verify")
    assert (sound.code, sound.out) == (0, "8 sound, 0 damaged\n")
    entry = entries(accepted, "toy.measure")[0]
    DAMAGE[damage](entry)
    said = accepted.harness("store", "verify")
    assert said.code == 5
    assert entry.name in said.out.splitlines()[0]
    assert said.out.splitlines()[-1].startswith("7 sound, 1 damaged; `harness store verify --remove`")
    removed = accepted.harness("store", "verify", "--remove")
    assert (removed.code, removed.out.splitlines()[-1]) == (0, "7 sound, 1 damaged")
    assert accepted.harness("store", "verify").out == "7 sound, 0 damaged\n"
    assert accepted.harness("run", SUITE).code == 0
    assert accepted.harness("store", "verify").out == "8 sound, 0 damaged\n"


def test_the_space_is_told_by_suite_stage_and_kind(accepted: Project) -> None:
    assert accepted.harness("run", SUITE, *OTHER, "--out", "elsewhere").code == 0
    shutil.rmtree(accepted.folder / "elsewhere")
    rows = accepted.harness("store", "du", "--json").json
    told = {(r["suite"], r["use"], r["kind"]): (r["entries"], r["size"]) for r in rows}
    assert told["toy/centre", "toy.draw", "Numbers"][0] == 1
    assert told["toy/centre", "toy.measure", "scores"][0] == told["", "toy.measure", "scores"][0] == 3
    files = [
        p
        for p in (accepted.folder / ".harness" / "objects").rglob("*")
        if p.is_file() and p.name != "entry.json"
    ]
    assert sum(size for _, size in told.values()) == sum(p.stat().st_size for p in files)
    lines = accepted.harness("store", "du").out.splitlines()
    assert lines[-1].split()[:3] == [*lines[-1].split()[:2], "14"]
    assert "(no record)" in lines[0] + lines[1]


def test_a_store_that_is_not_there_is_one_line(project: Project) -> None:
    write_suite(project.folder)
    for command in ("gc", "verify", "du"):
        said = project.harness("store", command)
        assert said.code == 2
        assert said.error.endswith(".harness: no such folder")
    assert not (project.folder / ".harness").exists()


def test_a_read_only_store_is_checked_and_not_cleaned(accepted: Project) -> None:
    with read_only(accepted.folder / ".harness"):
        assert accepted.harness("store", "verify").code == 0
        assert accepted.harness("store", "du").code == 0
        said = accepted.harness("store", "gc")
        assert said.code == 2
        assert "set HARNESS_STORE to a place that can be written" in said.error
