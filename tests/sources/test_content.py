"""Digests of what lies outside, the cache that spares reading it again, and what is refused of it."""

from __future__ import annotations

import hashlib
import json
import mmap
import multiprocessing
import os
import shlex
import subprocess
import sys
import tarfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.errors import UsageError
from harness.sources import content
from harness.sources.content import (
    ALWAYS_READ,
    DigestCache,
    content_digest,
    conversion,
    files_of,
    passed_over,
)
from harness.sources.hub import Source
from harness.sources.resolve import resolve

CASE = Path(__file__).parents[1] / "cases" / "01"
LONG_AGO = (1_600_000_000, 1_600_000_000)


def old(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, LONG_AGO)
    return path


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path):
    file = old(tmp_path / "a", b"abc")
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"abc").hexdigest()


def settled(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that has been as it is for long, as a clock an hour on sees it."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    return old(path, content)


def test_what_was_read_once_and_is_settled_is_not_read_again(tmp_path, monkeypatch):
    file = settled(tmp_path / "a", b"abc", monkeypatch)
    first = DigestCache(tmp_path / "deep" / "cache").of(file)
    line = (tmp_path / "deep" / "cache").read_text()
    (tmp_path / "deep" / "cache").write_text(line.replace(first, "0" * 64))
    assert DigestCache(tmp_path / "deep" / "cache").of(file) == "0" * 64
    assert DigestCache(tmp_path / "deep" / "cache").of(file, read=True) == first


def test_a_file_changed_a_moment_ago_is_not_remembered(tmp_path):
    DigestCache(tmp_path / "cache").of(old(tmp_path / "a", b"abc"))
    assert not (tmp_path / "cache").exists()


def test_where_the_clock_was_set_back_nothing_is_remembered(tmp_path, monkeypatch):
    file = old(tmp_path / "a", b"abc")
    monkeypatch.setattr(time, "time_ns", lambda: 1_600_000_001_000_000_000)
    DigestCache(tmp_path / "cache").of(file)
    assert not (tmp_path / "cache").exists()


def in_place(file: Path, other: Path) -> None:
    with file.open("r+b") as f:
        f.write(other.read_bytes())


def by_rename(file: Path, other: Path) -> None:
    other.rename(file)


def through_a_hard_link(file: Path, other: Path) -> None:
    link = file.with_name("link")
    link.hardlink_to(file)
    in_place(link, other)


def through_a_map(file: Path, other: Path) -> None:
    with file.open("r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[:] = other.read_bytes()
        m.flush()


@pytest.mark.parametrize("change", [in_place, by_rename, through_a_hard_link, through_a_map])
def test_a_change_of_equal_size_and_time_is_seen(tmp_path, monkeypatch, change):
    """``touch -r``, ``rsync --inplace``, ``tar`` and ``cp -p`` all set the time that they want."""
    file = settled(tmp_path / "a", b"abc", monkeypatch)
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"abc").hexdigest()
    change(file, old(tmp_path / "other", b"xyz"))
    os.utime(file, LONG_AGO)
    assert DigestCache(tmp_path / "cache").of(file) == sha256(b"xyz").hexdigest()


@pytest.mark.parametrize("always", [0, ALWAYS_READ])
def test_archives_unpacked_over_one_another_are_seen(tmp_path, monkeypatch, always):
    """Their files have the same names, sizes and times, and are written into the same inodes."""
    monkeypatch.setattr(content, "ALWAYS_READ", always)
    real, digests = time.time_ns, []
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    for archive in ("v1.tar", "v2.tar", "v1.tar"):
        with tarfile.open(CASE / archive) as held:
            for member in held.getmembers():
                target = tmp_path / "data" / member.name
                if member.isdir():
                    target.mkdir(exist_ok=True)
                    continue
                packed = held.extractfile(member)
                assert packed is not None
                target.write_bytes(packed.read())
                os.utime(target, (member.mtime, member.mtime))
        digests.append(content_digest(files_of(tmp_path / "data"), DigestCache(tmp_path / "cache")))
    assert digests[0] == digests[2] != digests[1]
    assert (tmp_path / "cache").exists() == (always == 0)


def test_little_is_always_read(tmp_path, monkeypatch):
    file = settled(tmp_path / "a", b"abc", monkeypatch)
    cache = DigestCache(tmp_path / "cache")
    cache.of(file)
    (tmp_path / "cache").write_text((tmp_path / "cache").read_text().replace(cache.of(file), "0" * 64))
    assert content_digest(file, DigestCache(tmp_path / "cache")) == f"sha256:{sha256(b'abc').hexdigest()}"


def test_a_changed_file_has_another_digest(tmp_path):
    cache, file = DigestCache(tmp_path / "cache"), old(tmp_path / "a", b"abc")
    before = cache.of(file)
    old(file, b"abcd")
    assert cache.of(file) != before


@pytest.mark.parametrize("damage", [b"\xff\xfe", b'["half a li', b'{"a": 1}\n[1, 2]\n["x", "short"]\n'])
def test_a_damaged_cache_is_read_past_and_goes_on(tmp_path, monkeypatch, damage):
    file = settled(tmp_path / "a", b"abc", monkeypatch)
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


def test_processes_may_share_it(tmp_path, monkeypatch):
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    files = [old(tmp_path / f"{n}", str(n).encode()) for n in range(40)]
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_digest_all, args=(tmp_path / "cache", files)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = [json.loads(line) for line in (tmp_path / "cache").read_text().splitlines() if line]
    assert len({identity for identity, _ in lines}) == 40


@pytest.mark.parametrize(
    "line", ["7", "null", "[" * 100_000, '{"a": 1}', '["x"]', "[NaN, 1]", '[["a"], "b"]']
)
def test_a_line_of_the_cache_that_is_something_else_is_passed_over(tmp_path, line):
    (tmp_path / "cache").write_text(f"{line}\n")
    file = old(tmp_path / "a", b"abc")
    assert DigestCache(tmp_path / "cache").of(file) == hashlib.sha256(b"abc").hexdigest()


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


def found(folder: Path) -> Source:
    source = Source.from_text(f"path:{folder}")
    return resolve(source, mirror=None, cache=DigestCache(folder.parent / "cache"), download=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "part.safetensors").write_bytes(b"weights")
    (tmp_path / "other").write_bytes(b"of somebody else")
    return folder


@pytest.mark.parametrize("named", ["../../other", "../../model2/x.safetensors", "/etc/hostname"])
def test_shards_outside_are_refused(model: Path, named: str) -> None:
    index = model / "unet" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part.safetensors", "b": named}}))
    with pytest.raises(UsageError, match="which is outside of") as caught:
        found(model)
    assert named in str(caught.value)


@pytest.mark.parametrize("named", ["part.safetensors", "../unet/part.safetensors", "not-downloaded.bin"])
def test_shards_inside_are_not(model: Path, named: str) -> None:
    index = model / "unet" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": named}}))
    assert found(model).found is not None


def test_a_vocabulary_elsewhere_is_refused_where_there_is_one(model: Path, tmp_path: Path) -> None:
    file = model / "tokenizer_config.json"
    file.write_text(json.dumps({"vocab_file": "/home/author/vocab.json", "merges_file": None}))
    assert found(model).found is not None
    (model / "vocab.json").write_text("{}")
    file.write_text(json.dumps({"vocab_file": str(model / "vocab.json")}))
    assert found(model).found is not None
    file.write_text(json.dumps({"vocab_file": str(tmp_path / "other")}))
    with pytest.raises(UsageError, match="which is outside of"):
        found(model)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"weight_map": 3}'])
def test_damage_is_left_to_the_reader(model: Path, content: str) -> None:
    (model / "model.safetensors.index.json").write_text(content)
    assert found(model).found is not None


LAYERS = {"conv.weight": torch.arange(6.0).reshape(2, 3).T, "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "checkpoint",
    [LAYERS, {"state_dict": LAYERS, "epoch": 3, "optimizer": {"lr": 0.1}}],
    ids=["bare", "wrapped"],
)
def test_the_command_writes_the_tensors_of_a_checkpoint(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    torch.save(checkpoint, tmp_path / "model.pth")
    python, *arguments = shlex.split(conversion("model.pth", "model.safetensors"))
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True)
    made = load_file(tmp_path / "model.safetensors")
    assert made.keys() == LAYERS.keys()
    assert all(torch.equal(made[name], tensor) for name, tensor in LAYERS.items())


def test_what_operating_systems_leave_is_no_content_and_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    cache = DigestCache(tmp_path / "cache")
    before = content_digest(files_of(folder), cache)
    assert passed_over(folder) == {}
    for name in (
        "Thumbs.db",
        "Desktop.ini",
        ".DS_Store",
        "._a.txt",
        "__MACOSX/._a.txt",
        ".git/HEAD",
        "x/@eaDir/a",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert content_digest(files_of(folder), cache) == before
    assert passed_over(folder) == {
        "passed over": {
            "._*": 1,
            ".DS_Store": 1,
            "@eaDir": 1,
            "Desktop.ini": 1,
            "Thumbs.db": 1,
            "__MACOSX": 1,
        }
    }
