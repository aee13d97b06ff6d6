"""Digests of what lies outside, and the cache that spares reading it again."""

import json
import multiprocessing
import os
from hashlib import sha256
from pathlib import Path

import pytest

from harness.data.content import DigestCache, content_digest, files_of
from harness.errors import UsageError

LONG_AGO = (1_600_000_000, 1_600_000_000)


def old(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, LONG_AGO)
    return path


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path):
    file = old(tmp_path / "a", b"abc")
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"abc").hexdigest()


def test_what_was_read_once_is_not_read_again(tmp_path):
    file = old(tmp_path / "a", b"abc")
    first = DigestCache(tmp_path / "deep" / "cache").of(file)
    with file.open("r+b") as f:  # the same size, time and inode: only a reader would see the change
        f.write(b"xyz")
    os.utime(file, LONG_AGO)
    assert DigestCache(tmp_path / "deep" / "cache").of(file) == first
    assert DigestCache(tmp_path / "no cache").of(file) == sha256(b"xyz").hexdigest()


def test_a_file_changed_a_moment_ago_is_read_again(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    stat = file.stat()
    DigestCache(tmp_path / "cache").of(file)
    file.write_bytes(b"xyz")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"xyz").hexdigest()


def test_a_changed_file_has_another_digest(tmp_path):
    cache, file = DigestCache(tmp_path / "cache"), old(tmp_path / "a", b"abc")
    before = cache.of(file)
    old(file, b"abcd")
    assert cache.of(file) != before


@pytest.mark.parametrize("damage", [b"\xff\xfe", b'["half a li', b'{"a": 1}\n[1, 2]\n["x", "short"]\n'])
def test_a_damaged_cache_is_read_past_and_goes_on(tmp_path, damage):
    file = old(tmp_path / "a", b"abc")
    (tmp_path / "cache").write_bytes(damage)
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"abc").hexdigest()
    assert sha256(b"abc").hexdigest() in (tmp_path / "cache").read_bytes().decode("latin-1")


def test_where_nothing_can_be_written_it_still_answers(tmp_path):
    file = old(tmp_path / "a", b"abc")
    (tmp_path / "file").write_text("")
    assert DigestCache(tmp_path / "file" / "cache").of(file) == sha256(b"abc").hexdigest()


def _digest_all(cache: Path, files: list[Path]) -> None:
    for file in files:
        DigestCache(cache).of(file)


def test_processes_may_share_it(tmp_path):
    files = [old(tmp_path / f"{n}", str(n).encode()) for n in range(40)]
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_digest_all, args=(tmp_path / "cache", files)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = [json.loads(line) for line in (tmp_path / "cache").read_text().splitlines() if line]
    assert len({identity for identity, _ in lines}) == 40


def test_an_unreadable_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        DigestCache(tmp_path / "cache").of(tmp_path / "absent")


def test_names_and_bytes_both_count_and_order_does_not(tmp_path):
    cache = DigestCache(tmp_path / "cache")
    a, b = old(tmp_path / "a", b"1"), old(tmp_path / "b", b"2")
    digests = [{"x": a, "y": b}, {"y": b, "x": a}, {"x": b, "y": a}, {"x": a, "z": b}, {"x": a}]
    found = [content_digest(files, cache) for files in digests]
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_links_are_followed_hidden_files_left_out(tmp_path):
    (tmp_path / "blobs").mkdir()
    blob = old(tmp_path / "blobs" / "0a", b"abc")
    folder = tmp_path / "snapshot"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.bin").symlink_to(blob)
    (folder / ".hidden").write_text("")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("")
    assert list(files_of(folder)) == ["sub/a.bin"]
    with pytest.raises(UsageError, match="leads out of"):
        files_of(folder, within=folder)


@pytest.mark.parametrize("target", ["absent", "."])
def test_links_to_nowhere_and_in_circles_are_refused(tmp_path, target):
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(UsageError, match="link"):
        files_of(tmp_path)
