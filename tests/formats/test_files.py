"""Files and folders appear whole, whatever ends their writer, and nothing of it stays."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from disks import content, files_up_to

from harness.formats import files
from harness.formats.files import files_below


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    files.write(file, "old")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.chmod(0o600)
    files.write(file, "né")
    assert file.read_bytes() == "né".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names(tmp_path) == ["page.html"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_as_it_is(tmp_path: Path) -> None:
    files.write(Path(os.devnull), "gone")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        files.write(tmp_path / "full", "x")
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "full").is_char_device()


@pytest.mark.parametrize("before", [None, "what was there"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "page.html"
    if before is not None:
        file.write_text(before)
    with files_up_to(1000), pytest.raises(OSError, match="File too large"):
        files.write(file, "x" * 5000)
    assert content(tmp_path) == ({} if before is None else {"page.html": before.encode()})


def test_a_full_disk_leaves_no_half_of_a_folder(tmp_path: Path) -> None:
    def fill() -> None:
        with files_up_to(1000), files.new_folder(tmp_path / "run") as folder:
            (folder / "first").write_text("x")
            (folder / "second").write_bytes(b"x" * 5000)

    with pytest.raises(OSError, match="File too large"):
        fill()
    assert names(tmp_path) == []


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "run") as folder:
        (folder / "logs").mkdir()
        (folder / "logs" / "a.txt").write_text("a")
        assert not (tmp_path / "run").exists()
    assert content(tmp_path) == {"run/logs/a.txt": b"a"}
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another_only_where_that_is_asked_for(
    tmp_path: Path, exchanges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").write_text("old")

    def fill(replace: bool) -> None:
        with files.new_folder(tmp_path / "run", replace=replace) as folder:
            (folder / "new").write_text("new")

    with pytest.raises(FileExistsError):
        fill(replace=False)
    assert content(tmp_path) == {"run/old": b"old"}
    fill(replace=True)
    assert content(tmp_path) == {"run/new": b"new"}


def test_what_fails_inside_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with files.new_file(tmp_path / "rows") as torn:
            torn.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == []


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from harness.formats import files as atomic\n"
        "with atomic.new_file(Path(sys.argv[1])) as torn:\n"
        "    torn.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    file = tmp_path / "page.html"
    done = subprocess.run([sys.executable, "-c", code, file], check=False)
    assert done.returncode == -signal.SIGKILL
    [torn] = names(tmp_path)
    assert files.is_torn(Path(torn))
    left = (tmp_path / torn).read_bytes()
    files.write(file, "whole")
    assert content(tmp_path) == {"page.html": b"whole"}
    (tmp_path / torn).write_bytes(left)
    with files.new_folder(tmp_path / "run") as mine:
        files.remove_all_torn(tmp_path)
        assert names(tmp_path) == sorted([mine.name, "page.html"])


def test_what_another_is_writing_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    with files.new_file(file) as torn:
        torn.write_text("second")
        files.write(file, "first")
        assert file.read_text() == "first"
        assert not files.remove_abandoned(torn)
    assert content(tmp_path) == {"page.html": b"second"}


def test_somebodys_own_files_are_no_temporaries(tmp_path: Path) -> None:
    own = [
        ".page.html.mine.torn",
        "page.html.torn",
        ".page.html.0123456789abcdef.torn.txt",
        ".other.0123.torn",
    ]
    for name in own:
        (tmp_path / name).write_text("mine")
    files.write(tmp_path / "page.html", "x")
    files.remove_all_torn(tmp_path)
    assert names(tmp_path) == sorted([*own, "page.html"])


def test_a_home_folder_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for given, whole in (("~/x", "/home/me/x"), ("a/~", "a/~"), ("~nobody-of-this-name/x",) * 2):
        assert files.expanded(Path(given)) == Path(whole)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=os.strerror)
def test_a_file_system_without_locks_is_no_obstacle(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    young = tmp_path / ".page.html.0123456789abcdef.torn"
    old = tmp_path / ".page.html.fedcba9876543210.torn"
    young.write_text("may be written just now")
    old.write_text("of last year")
    os.utime(old, (1e9, 1e9))
    files.write(tmp_path / "page.html", "x")
    assert names(tmp_path) == [young.name, "page.html"]


def found(folder: Path) -> tuple[list[str], list[str]]:
    """The files, and the names of what could not be looked at."""
    failed: list[OSError] = []
    files = [str(file.relative_to(folder)) for file in files_below(folder, failed.append)]
    return files, [Path(e.filename).name for e in failed]


def test_a_folder_is_entered_once_and_by_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "run.json").write_text("")
    (tmp_path / "also").symlink_to("real")
    (tmp_path / "real" / "back").symlink_to(tmp_path)
    (tmp_path / "first.json").symlink_to("real/deep/run.json")
    assert found(tmp_path) == (["first.json", "real/deep/run.json"], [])
    assert found(tmp_path / "also") == (["deep/run.json", "back/first.json"], [])


def test_links_out_of_the_folder_are_followed_one_after_the_other(tmp_path: Path) -> None:
    for name in ("here", "there", "far"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("")
    (tmp_path / "here" / "next").symlink_to("../there")
    (tmp_path / "there" / "next").symlink_to("../far")
    assert found(tmp_path / "here") == (["run.json", "next/run.json", "next/next/run.json"], [])


def test_what_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert found(tmp_path) == ([], ["gone", "loop"])
    assert found(tmp_path / "gone") == ([], ["gone"])
    assert found(tmp_path / "nothing") == ([], ["nothing"])
