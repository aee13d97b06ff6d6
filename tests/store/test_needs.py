"""What a store must keep is known from the commands that run and from the records, and no doubt passes in silence."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.store import locks, needs
from harness.store.artifacts import Store

A, B, C, D = (letter * 64 for letter in "abcd")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "of" / "all" / "store")


def written(file: Path, body: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(body), encoding="utf-8")
    return file


def registered(store: Store, what: str, *places: Path) -> list[Path]:
    """Registrations in this order, whatever the paths are."""
    folder = store.root / what
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{n:016}" for n in range(len(places))]
    for file, place in zip(files, places, strict=True):
        file.write_bytes(os.fsencode(place))
    return files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_commands_need_is_known_until_they_are_done_with_the_store(store: Store) -> None:
    one, other = Store(store.root), Store(store.root)
    needs.need(one, iter([B, A]))
    [lock, keys] = sorted((store.root / "running").iterdir(), key=lambda f: f.suffix, reverse=True)
    assert (keys.suffix, lock.suffix, keys.stem) == (".keys", ".lock", lock.stem)
    assert json.loads(keys.read_text()) == [A, B]
    needs.need(other, [C])
    assert needs.running(store) == {A, B, C}
    del one
    gc.collect()
    assert len(names(store.root / "running")) == 2
    assert needs.running(store) == {C}
    del other
    gc.collect()
    assert names(store.root / "running") == []
    assert needs.running(store) == set()


def test_a_store_may_be_removed_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    store = Store(tmp_path / "store")
    needs.need(store, [A])
    shutil.rmtree(store.root)
    del store
    gc.collect()
    assert told == []


def test_what_killed_commands_needed_is_removed_and_nothing_else(store: Store) -> None:
    needs.need(store, [A])
    there = names(store.root / "running")
    written(store.root / "running" / "0", "somebody's own")
    written(store.root / "running" / "0.keys", [B])
    written(store.root / "running" / "g.keys", [C])
    written(store.root / "running" / "h.lock", "killed before it said what it needs")
    assert needs.running(store) == {A}
    assert names(store.root / "running") == ["0", *there]


@pytest.mark.parametrize(("said", "known"), [("[", set()), (json.dumps([1, B, None]), {B})])
def test_what_a_command_has_written_wrongly_is_no_key(store: Store, said: str, known: set[str]) -> None:
    needs.need(store, [A])
    [file] = (store.root / "running").glob("*.keys")
    file.write_text(said)
    assert needs.running(store) == known


def test_a_command_may_end_while_it_is_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(store.root / "running" / "0.keys", [A])
    free = locks.try_hold

    def ended(lock: Path) -> Callable[[], None] | None:
        file.unlink()
        return free(lock)

    monkeypatch.setattr(locks, "try_hold", ended)
    assert needs.running(store) == set()


def test_a_store_that_cannot_be_written_is_left_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    needs.need(store, [A])
    needs.note_project(store, tmp_path)
    needs.note_run(store, tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["project", "Zürich", os.fsdecode(b"caf\xe9")])
def test_a_project_is_noted_once_by_its_real_path(store: Store, tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    needs.note_project(store, project)
    needs.note_project(store, tmp_path / "link")
    assert needs.projects(store) == [project]
    path = os.fsencode(project)
    assert names(store.root / "projects") == [sha256(path).hexdigest()[:16]]
    assert (store.root / "projects" / sha256(path).hexdigest()[:16]).read_bytes() == path
    assert needs.runs(store) == []


def test_a_store_has_many_projects(store: Store, tmp_path: Path) -> None:
    for name in ("one", "other"):
        needs.note_project(store, tmp_path / name)
    assert sorted(needs.projects(store)) == [tmp_path / "one", tmp_path / "other"]


def test_a_half_written_registration_is_none(store: Store, tmp_path: Path) -> None:
    registered(store, "projects", tmp_path)
    (store.root / "projects" / ".0000000000000000.0123456789abcdef.torn").write_text("/half")
    assert needs.projects(store) == [tmp_path]


@pytest.mark.parametrize("content", [b"", b"../other", b"/a\0b"])
def test_a_damaged_registration_is_named_by_its_file(store: Store, content: bytes) -> None:
    [file] = registered(store, "projects", Path())
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        needs.projects(store)
    assert str(caught.value) == f"{file}: damaged, it should hold the path of a folder; remove this file"


@pytest.mark.parametrize(
    ("place", "noted"),
    [("reports/mine", False), ("reports", False), ("link", False), ("elsewhere", True), ("reports2", True)],
)
def test_a_run_is_noted_where_the_project_s_reports_do_not_have_it(
    store: Store, tmp_path: Path, place: str, noted: bool
) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "reports")
    written(tmp_path / place / "run.json", {})
    needs.note_run(store, tmp_path / place, tmp_path)
    assert needs.runs(store) == ([tmp_path / place / "run.json"] if noted else [])
    assert needs.projects(store) == []


def test_runs_that_are_not_there_are_left_out_and_on_request_forgotten(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = [tmp_path / "gone", tmp_path / "file", tmp_path / "one", tmp_path / "other"]
    records = [written(place / "run.json", {}) for place in places[2:]]
    files = registered(store, "runs", *places)
    assert needs.runs(store) == records
    assert names(store.root / "runs") == [f.name for f in files]
    assert needs.runs(store, tidy=True) == records
    assert names(store.root / "runs") == [f.name for f in files[2:]]


def test_another_process_may_tidy_at_the_same_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All registrations are already gone when they are to be removed."""
    unlink = Path.unlink

    def faster(file: Path, missing_ok: bool = False) -> None:
        unlink(file)
        unlink(file, missing_ok)

    registered(store, "runs", tmp_path / "gone")
    monkeypatch.setattr(Path, "unlink", faster)
    assert needs.runs(store, tidy=True) == []
    registered(store, "runs", tmp_path / "gone")
    needs.forget(store, tmp_path / "gone")
    assert names(store.root / "runs") == []


def test_a_run_that_no_longer_counts_is_left_out_alone(store: Store, tmp_path: Path) -> None:
    records = [written(tmp_path / name / "run.json", {}) for name in ("first", "second", "third")]
    registered(store, "runs", *(record.parent for record in records))
    assert needs.runs(store, [tmp_path / "nowhere", tmp_path / "first"]) == records[1:]


def test_a_run_that_cannot_be_looked_at_is_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    odd = tmp_path / "odd" / "run.json"
    odd.symlink_to(odd)
    there = written(tmp_path / "there" / "run.json", {})
    registered(store, "runs", odd.parent, there.parent)
    told: list[OSError] = []
    assert needs.runs(store, failed=told.append) == [there]
    assert [error.filename for error in told] == [str(odd)]
    with pytest.raises(UsageError) as caught:
        needs.runs(store)
    assert str(caught.value) == (
        f"{odd}: cannot be looked at (Too many levels of symbolic links), so nobody knows what the records there need"
    )


def test_a_folder_is_forgotten_as_a_project_and_as_a_run(store: Store, tmp_path: Path) -> None:
    places = tmp_path / "first", tmp_path / "kept", tmp_path / "link"
    for what in ("projects", "runs"):
        registered(store, what, *places)
    needs.forget(store, tmp_path / "first")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")  # since it was noted
    needs.forget(store, tmp_path / "link")
    for what in ("projects", "runs"):
        assert names(store.root / what) == [f"{1:016}"]


def test_a_folder_is_the_noted_one_by_either_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert needs.is_at(tmp_path / "real", Path("link"))
    assert needs.is_at(tmp_path / "link", Path("link"))
    assert not needs.is_at(tmp_path / "other", Path("link"))


def record(suite: str, *keys: str) -> dict[str, object]:
    return {"suite": suite, "tasks": {f"task {n}": {"key": key} for n, key in enumerate(keys)}}


def test_the_records_of_a_project_are_its_baselines_and_its_runs(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    written(one / "baselines" / "toy" / "cpu.json", record("toy", A))
    written(one / "reports" / "toy" / "1" / "run.json", record("toy", B))
    written(other / "reports" / "run.json", record("another", C))
    for beside in (
        "baselines/cpu.txt",
        "reports/toy/1/other.json",
        "reports/toy/1/my-run.json",
        "elsewhere/run.json",
    ):
        (one / beside).parent.mkdir(exist_ok=True)
        (one / beside).write_text("no record")
    for torn in (".cpu.json.0123456789abcdef.torn", ".toy.0123456789abcdef.torn/cpu.json"):
        (one / "baselines" / torn).parent.mkdir(exist_ok=True)
        (one / "baselines" / torn).write_text("half")
    assert needs.by_suite([one, tmp_path / "nowhere", other]) == {"toy": {A, B}, "another": {C}}


def test_a_project_in_a_folder_with_the_name_of_a_temporary_has_records(tmp_path: Path) -> None:
    project = tmp_path / ".x.torn"
    written(project / "baselines" / "cpu.json", record("toy", A))
    assert needs.by_suite([project]) == {"toy": {A}}


def test_further_records_are_named_alone_or_by_their_folder(tmp_path: Path) -> None:
    run = written(tmp_path / "far" / "run.json", record("toy", A))
    kept = written(tmp_path / "kept.txt", record("toy", B))
    written(tmp_path / "folder" / "deep" / "any.json", record("toy", C))
    assert needs.by_suite([], [run], [tmp_path / "folder", kept]) == {"toy": {A, B, C}}


def test_a_record_that_has_just_gone_needs_nothing(tmp_path: Path) -> None:
    there = written(tmp_path / "run.json", record("toy", A))
    assert needs.by_suite([], [tmp_path / "gone.json", there]) == {"toy": {A}}


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text("{")
    with pytest.raises(UsageError) as caught:
        needs.by_suite([], [file])
    assert str(caught.value).startswith(f"{file}:1: not JSON")
    assert str(caught.value).endswith("; a record that cannot be read: mend or remove it first")


def test_what_is_to_be_kept_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        needs.by_suite([], keep=[tmp_path / "nowhere"])
    assert str(caught.value) == f"--keep {tmp_path / 'nowhere'}: no such file or folder"
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be read.*; a record that cannot be read"):
        needs.by_suite([], keep=[tmp_path / "file" / "inside"])


@pytest.mark.parametrize("place", ["baselines", "reports", "kept"])
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "kept").mkdir()
    link = tmp_path / ("kept/link.json" if place == "kept" else place)
    link.symlink_to(tmp_path / "not mounted")
    told: list[OSError] = []
    assert needs.by_suite([tmp_path], keep=[tmp_path / "kept"], failed=told.append) == {}
    assert {error.filename for error in told} == {str(link)}
    with pytest.raises(UsageError) as caught:
        needs.by_suite([tmp_path], keep=[tmp_path / "kept"])
    assert str(caught.value) == (
        f"{link}: cannot be looked at (No such file or directory), so nobody knows what the records there need"
    )


def test_a_folder_may_go_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    assert needs.by_suite([tmp_path / "gone"]) == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"suite": "s", "key": A, "tasks": [{"key": B}, [[{"x": {"key": C}}]]]}, {"s": {A, B, C}}),
        ({"suite": "s", "key": {"key": A}}, {"s": {A}}),
        ({"suite": "s", "key": [A], "other": B}, {"s": set()}),
        (
            {"suite": "s", "tasks": [{"key": A[1:]}, {"key": A + "a"}, {"key": A.upper()}, {"key": 5}]},
            {"s": set()},
        ),
        ({"key": A}, {"": {A}}),
        ([{"key": A}], {"": {A}}),
        (3, {"": set()}),
    ],
)
def test_every_key_in_a_record_is_needed_whatever_its_form(
    tmp_path: Path, body: object, found: dict[str, set[str]]
) -> None:
    assert needs.by_suite([], [written(tmp_path / "run.json", body)]) == found
