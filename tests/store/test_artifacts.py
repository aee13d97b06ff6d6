"""The store: atomic, checksummed, one writer per key, never a torn artifact."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from hashlib import sha256

import pytest

from harness.errors import StageError, StoreError, UsageError
from harness.store.artifacts import Store, check_tree
from harness.store.entries import ENTRY, Entry, Output, Result
from harness.store.environment import installed_digest, kept_installed
from harness.store.needs import projects

KEY = "ab" + "0" * 62


def make(store: Store, key: str = KEY, content: bytes = b"weights") -> Entry:
    with store.claim(key):
        work = store.begin(key)
        out = work / "entry" / "out"
        out.mkdir()
        (out / "model.bin").write_bytes(content)
        result = Result({"accuracy": 0.5}, {"n": 3}, {}, items=False)
        return store.commit(
            Entry(key, "toy.train", {"out": Output("Classifier")}, result, 1.5, {"torch": "2"}, {})
        )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_what_was_committed_is_read_back(store):
    made = make(store)
    assert store.get(KEY) == made
    assert made.files["out/model.bin"][0] == 7
    assert store.is_intact(made)
    assert (store.folder(KEY) / "out" / "model.bin").read_bytes() == b"weights"
    assert list((store.root / "work").iterdir()) == []


def test_entries_and_work_lie_where_the_head_of_the_module_says(store):
    make(store)
    make(store, "ab1" + "0" * 61)
    assert list(store.stored()) == [KEY, "ab1" + "0" * 61]
    assert store.folder(KEY) == store.root / "objects" / "ab" / KEY
    work = store.begin(KEY)
    assert work.parent == store.root / "work"
    assert re.fullmatch(KEY + r"\.[0-9a-f]{8}", work.name)


def test_an_unknown_key_is_none(store):
    assert store.get(KEY) is None


@pytest.mark.parametrize(
    "damage", ["truncate", "delete", "edit entry", "torn entry", "no entry", "other key"]
)
def test_a_damaged_entry_is_never_served(store, damage):
    make(store)
    folder = store.folder(KEY)
    entry, model = folder / ENTRY, folder / "out" / "model.bin"
    if damage == "truncate":
        os.truncate(model, 3)
    elif damage == "delete":
        model.unlink()
    elif damage == "edit entry":
        entry.write_text(entry.read_text().replace("0.5", "0.9"))
    elif damage == "torn entry":
        entry.write_text(entry.read_text()[:40])
    elif damage == "no entry":
        entry.unlink()
    else:
        other = store.folder("cd" + "0" * 62)
        other.parent.mkdir(parents=True)
        folder.rename(other)
        assert store.get("cd" + "0" * 62) is None
    assert store.get(KEY) is None


def test_same_size_damage_is_found_before_use(tmp_path, store):
    make(store)
    (store.folder(KEY) / "out" / "model.bin").write_bytes(b"weightz")
    again = Store(store.root)  # another process: nothing verified yet
    entry = again.get(KEY)
    assert entry is not None
    assert not again.is_intact(entry)


def test_a_file_is_read_once_by_a_process_that_stored_or_checked_it(store):
    made = make(store)
    again = Store(store.root)
    assert again.is_intact(made)
    (store.folder(KEY) / "out" / "model.bin").write_bytes(b"weightz")
    assert store.is_intact(made)
    assert again.is_intact(made)
    assert not Store(store.root).is_intact(made)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_no_entry(store, kind):
    store.folder(KEY).mkdir(parents=True)
    place = store.folder(KEY) / ENTRY
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    assert store.get(KEY) is None


def test_an_entry_that_cannot_be_opened_stops_the_run(store):
    """It may be as good as ever."""
    store.folder(KEY).mkdir(parents=True)
    (store.folder(KEY) / ENTRY).symlink_to(ENTRY)
    with pytest.raises(StoreError, match="Too many levels of symbolic links"):
        store.get(KEY)


def test_what_is_made_in_the_place_of_a_discarded_entry_is_checked_anew(store):
    made = make(store)
    store.discard(KEY)
    assert list((store.root / "work").iterdir()) == []
    make(Store(store.root))
    (store.folder(KEY) / "out" / "model.bin").write_bytes(b"weightz")
    assert not store.is_intact(made)


def test_what_is_not_there_is_discarded_without_a_word(store):
    assert store.take(KEY) is None
    store.discard(KEY)


def test_an_entry_is_taken_to_where_leftovers_are_looked_for(store):
    make(store)
    taken = store.take(KEY)
    assert taken is not None
    assert taken.parent == store.root / "work"
    assert taken.name.startswith(".trash-")
    assert (taken / "out" / "model.bin").read_bytes() == b"weights"


def test_another_process_may_be_faster_in_clearing_away(store, monkeypatch):
    remove = shutil.rmtree

    def faster(folder, **how):
        remove(folder)
        remove(folder, **how)

    monkeypatch.setattr(shutil, "rmtree", faster)
    store.begin(KEY)
    make(store)
    store.discard(KEY)
    assert list((store.root / "work").iterdir()) == []


def test_a_discarded_entry_can_be_made_again(store):
    make(store)
    store.discard(KEY)
    assert store.get(KEY) is None
    make(store, content=b"other")
    assert (store.folder(KEY) / "out" / "model.bin").read_bytes() == b"other"


def test_scratch_survives_a_try_and_outputs_do_not(store):
    with store.claim(KEY):
        work = store.begin(KEY)
        (work / "scratch" / "checkpoint").write_text("epoch 3")
        (work / "entry" / "half").write_text("torn")
    with store.claim(KEY):
        work = store.begin(KEY)
        assert (work / "scratch" / "checkpoint").read_text() == "epoch 3"
        assert list((work / "entry").iterdir()) == []
        work = store.begin(KEY, resume=False)
        assert list((work / "scratch").iterdir()) == []


def test_of_several_tries_the_last_is_gone_on_with(store):
    tries = [store.root / "work" / f"{KEY}.{n}" for n in ("1", "2", "3")]
    for work, moment in zip(tries, (1e9, 3e9, 2e9), strict=True):
        (work / "scratch").mkdir(parents=True)
        (work / "scratch" / "checkpoint").write_text(work.name)
        os.utime(work, (moment, moment))
    work = store.begin(KEY)
    assert (work / "scratch" / "checkpoint").read_text() == f"{KEY}.2"
    assert list((store.root / "work").iterdir()) == [work]


def test_a_try_that_was_killed_at_once_has_no_scratch(store):
    (store.root / "work" / f"{KEY}.0123abcd").mkdir(parents=True)
    assert list((store.begin(KEY) / "scratch").iterdir()) == []


def test_a_key_is_made_by_one_process_and_a_killed_one_frees_it(store):
    """A real second process holds the claim, is killed by SIGKILL, and the claim is ours."""
    code = """
        import sys, time
        from harness.store.artifacts import Store
        from pathlib import Path
        with Store(Path(sys.argv[1])).claim(sys.argv[2]):
            print("held", flush=True)
            sys.stdin.read()
    """
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(store.root), KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with store.claim(KEY) as holder:
        assert holder is not None
        assert holder.startswith(f"pid {other.pid} on ")
    other.send_signal(signal.SIGKILL)
    other.wait()
    with store.claim(KEY) as holder:
        assert holder is None
        make_inside = store.begin(KEY)
        assert make_inside.is_dir()
    other.stdin.close()
    other.stdout.close()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(UsageError, match="file/store: "):
        store.check_writable()
    with pytest.raises(StoreError, match="Not a directory"):
        store.begin(KEY)


def test_a_place_that_can_be_written_is_made_and_left_empty(tmp_path, monkeypatch):
    store = Store(tmp_path / "on" / "a" / "disk")
    for _ in range(2):
        store.check_writable()
        assert list(store.root.iterdir()) == []
    monkeypatch.setattr("harness.store.artifacts.write", lambda probe, content: None)
    store.check_writable()  # another process removes its probe, which has the same name


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "no space left on the device; free some, or set HARNESS_STORE to a larger place",
        ),
        (
            OSError(errno.EROFS, "Read-only file system"),
            "read-only; set HARNESS_STORE to a place that can be written",
        ),
        (
            OSError(errno.EACCES, "Permission denied"),
            "no permission; set HARNESS_STORE to a place that can be written",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("not from the system"), "not from the system"),
    ],
)
def test_an_error_of_the_disk_says_what_helps(store, error, told):
    with pytest.raises(StoreError) as caught, store.errors():
        raise error
    assert str(caught.value) == f"store {store.root}: {told}"


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, store):
    """The kernel's own full device stands in for a disk: the write fails with ENOSPC."""
    make(store)
    timings = store.root / "timings.jsonl"
    timings.symlink_to("/dev/full")
    with pytest.raises(StoreError, match="no space left on the device; free some, or set HARNESS_STORE"):
        store.note_timing("toy.train", {}, "cpu", 1.0)
    assert store.get(KEY) is not None


def test_timings_leave_out_a_torn_line(store):
    store.root.mkdir()
    store.note_timing("toy.train", {"epochs": 3, "of": "Zürich"}, "cpu", 1.23456)
    with (store.root / "timings.jsonl").open("a") as f:
        f.write('{"use": "toy')
    assert store.timings() == [
        {"use": "toy.train", "settings": {"epochs": 3, "of": "Zürich"}, "device": "cpu", "wall_s": 1.235}
    ]


def test_what_was_installed_is_kept_by_its_digest(store):
    store.keep_distributions({"numpy": "9.9"})
    digest = installed_digest({"numpy": "9.9"})
    assert kept_installed(store.root, [digest]) == {digest: {"numpy": "9.9"}}


def test_an_entry_says_what_it_holds_to_a_person(store):
    make(store)
    body = json.loads((store.folder(KEY) / ENTRY).read_text())
    assert body["use"] == "toy.train"
    assert body["result"]["values"] == {"accuracy": 0.5}
    assert set(body["files"]) == {"out/model.bin"}


def rewritten(store: Store, **changes) -> None:
    """An entry edited by somebody who knows how its digest is made."""
    file = store.folder(KEY) / ENTRY
    body = json.loads(file.read_text())
    body.pop("digest")
    body |= changes
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = sha256(f"harness/entry/1:{text}".encode(errors="surrogatepass")).hexdigest()
    file.write_text(json.dumps({**body, "digest": digest}))


ODD = {
    "another version": {"version": 2},
    "NaN": {"wall_s": float("nan")},
    "infinity": {"result": {"values": {"accuracy": 1e999}, "conditions": {}, "details": {}, "items": False}},
    "a text for a number": {
        "result": {"values": {"accuracy": "0.5"}, "conditions": {}, "details": {}, "items": False}
    },
    "a lone surrogate": {"use": "toy.\udc80"},
    "a list for a text": {"use": ["toy"]},
    "a list for an object": {"environment": []},
    "no outputs": {"outputs": None},
    "a field too many": {
        "outputs": {"out": {"kind": "Classifier", "facts": {}, "conditions": {}, "more": 1}}
    },
    "an absolute path": {"files": {"/etc/passwd": [1, "0" * 64]}},
    "a path that leads out": {"files": {"../../../x": [1, "0" * 64]}},
    "a path with a zero": {"files": {"out/\0": [1, "0" * 64]}},
    "an output that leads out": {"outputs": {"..": {"kind": "Classifier", "facts": {}, "conditions": {}}}},
    "a digest that is none": {"files": {"out/model.bin": [7, 5]}},
}


@pytest.mark.parametrize("change", ODD)
def test_an_entry_of_other_form_is_none_even_where_its_digest_fits(store, change):
    make(store)
    rewritten(store)
    assert store.get(KEY) is not None
    rewritten(store, **ODD[change])
    assert store.get(KEY) is None


@pytest.mark.parametrize(
    "text",
    ["null", "[]", "3", '"x"', "NaN", "[" * 100_000, '{"digest": NaN}', '{"\\ud800": 1, "digest": "x"}', ""],
)
def test_what_is_no_entry_at_all_is_none(store, text):
    make(store)
    (store.folder(KEY) / ENTRY).write_text(text)
    assert store.get(KEY) is None


@pytest.mark.parametrize("damage", ["a file more", "a link for a file", "a link beside"])
def test_files_that_were_not_stored_are_damage(store, damage):
    make(store)
    folder = store.folder(KEY) / "out"
    if damage == "a file more":
        (folder / "more.bin").write_bytes(b"")
    elif damage == "a link beside":
        (folder / "more").symlink_to("/")
    else:
        (folder / "model.bin").rename(store.root / "model.bin")
        (folder / "model.bin").symlink_to(store.root / "model.bin")
    again = Store(store.root)
    entry = again.get(KEY)
    assert entry is None or not again.is_intact(entry)


@pytest.mark.parametrize("kind", ["link", "pipe", "name"])
def test_a_stage_may_leave_files_and_folders_alone(tmp_path, kind):
    if kind == "link":
        (tmp_path / "link").symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(tmp_path / "pipe")
    else:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    with pytest.raises(StageError) as caught:
        check_tree(tmp_path)
    str(caught.value).encode()


def test_an_entry_takes_the_place_of_another_whole(store):
    make(store)
    make(store, content=b"better")
    again = Store(store.root)
    entry = again.get(KEY)
    assert entry is not None
    assert again.is_intact(entry)
    assert list((store.root / "work").iterdir()) == []


def test_a_try_that_was_taken_over_stores_nothing(store):
    """As after a lease that ran out: the first holder was only slow."""
    slow, other = Store(store.root), Store(store.root)
    work = slow.begin(KEY)
    (work / "scratch" / "checkpoint").write_text("epoch 3")
    taken = other.begin(KEY)
    assert (taken / "scratch" / "checkpoint").read_text() == "epoch 3"
    with pytest.raises(StoreError, match="another process has taken this work over"):
        slow.commit(Entry(KEY, "toy.train", {}, None, 1.0, {}, {}))
    assert store.get(KEY) is None
    other.commit(Entry(KEY, "toy.train", {}, None, 1.0, {}, {}))
    assert store.get(KEY) is not None
    assert list((store.root / "work").iterdir()) == []


def test_a_store_that_is_only_read_is_not_made(store):
    assert store.get(KEY) is None
    assert not store.has(KEY)
    assert store.timings() == []
    assert projects(store) == []
    assert list(store.stored()) == []
    assert not store.root.exists()
