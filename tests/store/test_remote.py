"""The second tier: what one machine made, another finds; nothing that is damaged there is used."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from command_line import Project
from fsspec.implementations.local import LocalFileSystem
from toy_suites import TOY, write_suite

from harness.errors import UsageError
from harness.store.artifacts import Store
from harness.store.entries import Entry, Output
from harness.store.remote import Remote, of


def url(folder: Path) -> str:
    return f"file://{folder}"


@pytest.fixture
def shared(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was run on one machine whose store has a second tier; the next machine's store is empty."""
    folder = project.folder / "shared"
    monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'first'},{url(folder)}")
    assert project.harness("run", write_suite(project.folder, TOY)).code == 4
    project.accept()
    monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'second'},{url(folder)}")
    return folder


def test_what_one_machine_made_another_does_not_make_again(project: Project, shared: Path) -> None:
    said = project.harness("run", "suites/suite.yaml")
    assert said.code == 0, said.err
    assert project.states() == {n: {"cached"} for n in ("numbers", "parts", "model", "fit")}
    local = {p.name for p in (project.folder / "second" / "objects").glob("*/*")}
    scores = {r["key"] for s in project.latest["scores"] for r in s["repeats"]}
    assert local == scores  # the models' files were not needed, and were not brought


def test_files_are_brought_when_a_stage_reads_them(project: Project, shared: Path) -> None:
    said = project.harness("run", "suites/suite.yaml", "--set", "fit.power=2")
    assert said.code == 4, said.err  # another protocol
    assert project.states()["model"] == {"cached"}
    assert project.states()["fit"] == {"executed"}


def test_a_damaged_archive_is_as_none(project: Project, shared: Path) -> None:
    for file in shared.rglob("*.tar"):
        content = bytearray(file.read_bytes())
        content[600] ^= 1
        file.write_bytes(content)
    assert project.harness("run", "suites/suite.yaml").code == 0
    assert project.states()["fit"] == {"executed"}


def test_a_damaged_record_is_as_none(project: Project, shared: Path) -> None:
    for file in shared.rglob("*.json"):
        file.write_text("{")
    assert project.harness("run", "suites/suite.yaml").code == 0
    assert project.states()["fit"] == {"executed"}


def test_the_first_record_wins_and_a_read_only_tier_gets_nothing(
    project: Project, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in shared.rglob("*") if p.is_file()}
    project.harness("run", "suites/suite.yaml", "--fresh", "numbers")
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before} == before
    count = len(before)
    monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'third'},ro:{url(shared)}")
    project.harness("run", "suites/suite.yaml", "--set", "fit.power=2")
    assert len([p for p in shared.rglob("*") if p.is_file()]) == count
    assert project.states()["fit"] == {"executed"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_tier_that_cannot_be_written_loses_nothing_and_is_told(project: Project, shared: Path) -> None:
    shared.chmod(0o500)
    said = project.harness("run", "suites/suite.yaml", "--set", "fit.power=2")
    shared.chmod(0o700)
    assert "kept on this machine alone" in said.err
    assert project.states()["fit"] == {"executed"}


def test_a_full_second_tier_loses_nothing_and_is_told(
    project: Project, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Remote, file: Path, to: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Remote, "_put", full)
    said = project.harness("run", "suites/suite.yaml", "--set", "fit.power=2")
    assert said.err.count("kept on this machine alone") == 1
    assert "No space left on device" in said.err
    assert project.states()["fit"] == {"executed"}


@pytest.mark.parametrize("what", ["find", "cat_file", "get_file"])
def test_a_lost_connection_is_one_line_and_not_an_empty_tier(
    project: Project, shared: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def lost(self: object, *arguments: object, **more: object) -> None:
        raise ConnectionError("connection lost")

    monkeypatch.setattr(LocalFileSystem, what, lost)
    said = project.harness("run", "suites/suite.yaml")
    assert said.code == 5
    assert f"{shared}: ConnectionError: connection lost" in said.error
    assert not list((project.folder / "second").rglob("entry.json"))


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("/store,bucket", "expected FOLDER,URL"),
        ("/store,nosuch://bucket", "cannot be used"),
        ("/store,", "expected FOLDER,URL"),
        ("/store,file://", "expected FOLDER,URL"),
        ("/store,github://x", "cannot be used"),
        ("/store,reference://x", "cannot be used"),
    ],
)
def test_a_tier_that_cannot_be_named_so(named: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        of(named)


@pytest.mark.parametrize("named", ["s3://bucket/harness", "file:///shared", "ro:/shared", " "])
def test_a_url_in_place_of_the_folder_makes_no_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HARNESS_STORE", named)
    said = project.harness("run", write_suite(project.folder, TOY))
    assert (said.code, "expected FOLDER or FOLDER,URL" in said.error) == (2, True)
    assert {p.name for p in project.folder.iterdir()} == {"suites"}


@pytest.mark.parametrize("tier", ["file://tier", "local://tier/x", "ro:file://./tier"])
def test_a_tier_on_a_disk_is_named_by_its_whole_path(
    project: Project, monkeypatch: pytest.MonkeyPatch, tier: str
) -> None:
    monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'first'},{tier}")
    said = project.harness("run", write_suite(project.folder, TOY))
    assert (said.code, "expected a whole path" in said.error) == (2, True)
    assert {p.name for p in project.folder.iterdir()} == {"suites"}


def test_a_home_folder_may_hold_the_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project.folder / "home"))
    monkeypatch.setenv("HARNESS_STORE", "~/store,file://~/tier")
    assert project.harness("run", write_suite(project.folder, TOY)).code == 4
    assert {p.name for p in (project.folder / "home").iterdir()} == {"store", "tier"}
    assert project.harness("plan", "suites/suite.yaml", "--store=~/mine").code == 0
    assert {p.name for p in project.folder.iterdir()} == {"home", "reports", "suites"}


def test_a_server_that_does_not_answer_is_not_an_empty_tier(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'first'},{address}")
        said = project.harness("run", write_suite(project.folder, TOY))
    assert (said.code, address in said.error) == (5, True), said.err
    assert not list((project.folder / "first").rglob("entry.json"))


def entry_of(folder: Path, value: float) -> Path:
    """A stored entry whose one output has this value; its key is the same for every value."""
    store = Store(folder)
    key = "0" * 64
    work = store.begin(key, resume=False)
    (work / "entry" / "out").mkdir()
    (work / "entry" / "out" / "value").write_text(str(value))
    store.commit(Entry(key, "x.y", {"out": Output("Artifact", {}, {})}, None, value, {}, {}))
    return store.folder(key)


def test_what_another_machine_offered_in_the_meantime_is_not_replaced(tmp_path: Path) -> None:
    slow, fast = (Remote(url(tmp_path / "tier")) for _ in range(2))
    first, second = entry_of(tmp_path / "a", 1.0), entry_of(tmp_path / "b", 2.0)
    assert slow.get(first.name) is None  # it has read which keys there are
    fast.offer(first)
    slow.offer(second)
    found = Remote(url(tmp_path / "tier")).get(first.name)
    assert found is not None
    assert found.wall_s == 1.0


def test_an_archive_beside_the_record_of_another_is_as_none(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 2.0)):
        Remote(url(tmp_path / name / "tier")).offer(entry_of(tmp_path / name, value))
    [one], [other] = ((tmp_path / name / "tier").rglob("*.tar") for name in "ab")
    one.write_bytes(other.read_bytes())
    tier = Remote(url(tmp_path / "a" / "tier"))
    (tmp_path / "to").mkdir()
    assert tier.fetch("0" * 64, tmp_path / "to") is None


def test_one_tier_has_no_second() -> None:
    assert of("/store") == ("/store", None)
    assert of("") == ("", None)
    folder, remote = of("/store,ro:memory://x")
    assert (folder, remote is not None and remote.is_writable) == ("/store", False)


def test_push_pull_export_and_import(project: Project, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = project.harness("store", "pull", "toy/centre/cpu")
    assert (pulled.code, "entries here from file://" in pulled.out) == (0, True)
    keys = {p.name for p in (project.folder / "second" / "objects").glob("*/*")}
    assert {r["key"] for s in project.latest["scores"] for r in s["repeats"]} <= keys

    monkeypatch.setenv("HARNESS_STORE", f"{project.folder / 'second'},{url(project.folder / 'other')}")
    pushed = project.harness("store", "push", "toy/centre/cpu")
    assert (pushed.code, f"{len(keys)} entries pushed to" in pushed.out) == (0, True)
    assert {p.stem for p in (project.folder / "other").rglob("*.json")} == keys

    monkeypatch.setenv("HARNESS_STORE", str(project.folder / "second"))
    said = project.harness("store", "export", "toy/centre/cpu", "--to", "all.tar")
    assert (said.code, f"{len(keys)} entries in all.tar" in said.out) == (0, True)
    assert project.harness("store", "export", "toy/centre/cpu", "--to", "all.tar").code == 2
    monkeypatch.setenv("HARNESS_STORE", str(project.folder / "third"))
    said = project.harness("store", "import", "all.tar")
    assert (said.code, f"{len(keys)} entries from all.tar" in said.out) == (0, True)
    assert {p.name for p in (project.folder / "third" / "objects").glob("*/*")} == keys
    assert project.harness("store", "verify").code == 0
    assert "no second tier" in project.harness("store", "push", "toy/centre").error


def test_an_archive_that_is_no_archive_leaves_nothing(project: Project) -> None:
    (project.folder / "x.tar").write_bytes(b"nothing")
    said = project.harness("store", "import", "x.tar")
    assert (said.code, "not an archive of entries" in said.error) == (2, True)
    assert not list((project.folder / ".harness").rglob("*.json"))
    assert project.harness("store", "import", "y.tar").code == 2
