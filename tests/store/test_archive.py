"""Archives of entries: packed the same every time, and unpacked only if all in them is what it says."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.store import archive
from harness.store.artifacts import Store
from harness.store.entries import Entry, Output

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one entry of two files."""
    made = Store(tmp_path / "store")
    work = made.begin(KEY)
    (work / "entry" / "out" / "inner").mkdir(parents=True)
    (work / "entry" / "out" / "a.txt").write_text("one")
    (work / "entry" / "out" / "inner" / "b.bin").write_bytes(bytes(range(256)))
    made.commit(Entry(KEY, "toy.draw", {"out": Output("Numbers", {"n": 1})}, None, 1.0, {"cpu": "x"}, {}))
    return made


@pytest.fixture
def packed(store: Store, tmp_path: Path) -> Path:
    file = tmp_path / "entries.tar"
    assert archive.pack([store.folder(KEY)], file) == 1
    return file


def unpacked(file: Path, to: Path) -> list[Entry]:
    return [entry for entry, _ in archive.unpack(file, to)]


def test_an_entry_comes_out_as_it_went_in(store: Store, packed: Path, tmp_path: Path) -> None:
    assert unpacked(packed, tmp_path / "to") == [store.get(KEY)]
    for path in store.folder(KEY).rglob("*"):
        if path.is_file():
            assert (
                tmp_path / "to" / KEY / path.relative_to(store.folder(KEY))
            ).read_bytes() == path.read_bytes()


def test_the_same_entry_is_packed_the_same(store: Store, packed: Path, tmp_path: Path) -> None:
    (store.folder(KEY) / "out" / "a.txt").touch()
    archive.pack([store.folder(KEY)], tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def member(name: str, content: bytes = b"x", **attributes: object) -> Callable[[tarfile.TarFile], None]:
    def add(file: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content) if attributes.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
        for attribute, value in attributes.items():
            setattr(info, attribute, value)
        file.addfile(info, io.BytesIO(content))

    return add


@pytest.mark.parametrize(
    "hostile",
    [
        member(f"{KEY}/../../escaped"),
        member("/tmp/escaped"),
        member("../escaped"),
        member("escaped"),
        member(f"{KEY}/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member(f"{KEY}/link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member(f"{KEY}/pipe", type=tarfile.FIFOTYPE),
        member(f"{KEY}/device", type=tarfile.CHRTYPE),
        member("no-key/entry.json"),
    ],
)
def test_nothing_leaves_the_folder(
    packed: Path, tmp_path: Path, hostile: Callable[[tarfile.TarFile], None]
) -> None:
    with tarfile.open(packed, "a") as file:
        hostile(file)
    with pytest.raises(UsageError, match="is no file of an entry"):
        unpacked(packed, tmp_path / "deep" / "to")
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (member(f"{KEY}/out/a.txt", b"two"), "out/a.txt differs from its checksum"),
        (member(f"{KEY}/out/more.txt"), "other files than its entry.json lists"),
        (member(f"{KEY}/entry.json", b"{}"), "no sound entry.json"),
        (member(f"{'cd' * 32}/out/a.txt"), "no sound entry.json"),
    ],
)
def test_what_is_not_what_it_says_is_refused(
    packed: Path, tmp_path: Path, change: Callable[[tarfile.TarFile], None], says: str
) -> None:
    with tarfile.open(packed, "a") as file:
        change(file)
    with pytest.raises(UsageError, match=says):
        unpacked(packed, tmp_path / "to")


@pytest.mark.parametrize("content", [b"", b"not a tar", b"PK\x03\x04"])
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UsageError, match="not an archive of entries"):
        unpacked(tmp_path / "x.tar", tmp_path / "to")


def test_a_truncated_archive_is_refused(packed: Path, tmp_path: Path) -> None:
    content = packed.read_bytes()
    for cut in range(512, len(content.rstrip(b"\0")), 512):
        (tmp_path / "cut.tar").write_bytes(content[:cut])
        with pytest.raises(UsageError):
            unpacked(tmp_path / "cut.tar", tmp_path / f"to-{cut}")
