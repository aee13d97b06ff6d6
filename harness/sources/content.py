"""Files from outside: the digest of their content, and what is refused: links and names that lead out, and pickles.

A cache of digests spares a repeated run from reading gigabytes.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath

from harness.errors import UsageError
from harness.formats.escapes import is_utf8

CARD = "README.md"

ALWAYS_READ = 128 * 2**20
"""A source of at most this many bytes is read each time it is looked up, which takes less than a second."""

_SETTLED_NS = 2_000_000_000
"""A file that changed less than this long ago is not cached: its next change may get the same time stamp."""


class DigestCache:
    """Caches the sha256 of files by path, device, inode, size, and the times of the last write and change.

    The kernel sets the time of change: unpacking an archive, ``touch``, ``rsync`` and renaming change it, and no
    program can set it back. The cache has one JSON line per file, appended in one write. Several processes may share
    it, and a torn line is ignored. If it cannot be written, it is a cache for this process only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, file: Path, *, read: bool = False) -> str:
        """sha256 of a file's bytes, as 64 hex digits.

        Args:
            file: must not change meanwhile.
            read: whether to read the file even if its digest is cached.

        Raises:
            UsageError: the file cannot be read, or is being written to.
        """
        now = time.time_ns()
        try:
            with file.open("rb") as content:
                before = os.fstat(content.fileno())
                identity = _identity(file, before)
                if not read and identity in self._known:
                    return self._known[identity]
                digest = file_digest(content, "sha256").hexdigest()
                after = os.fstat(content.fileno())
        except OSError as e:
            raise UsageError(f"{file}: cannot be read ({e.strerror})") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UsageError(f"{file}: was written to while it was read; run again")
        settled = now - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS
        if not read and settled and identity == _identity(file, after):
            self._known[identity] = digest
            self._remember(identity)
        return digest

    @cached_property
    def _known(self) -> dict[str, str]:
        known: dict[str, str] = {}
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return known
        for line in lines:
            try:
                identity, digest = json.loads(line)
            except (ValueError, TypeError, RecursionError):
                continue
            if isinstance(identity, str) and isinstance(digest, str) and len(digest) == 64:
                known[identity] = digest
        return known

    def _remember(self, identity: str) -> None:
        # The newline ends a line that a killed process left unfinished.
        line = f"\n{json.dumps([identity, self._known[identity]])}\n".encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            return
        try:
            os.write(descriptor, line)
        except OSError:
            return
        finally:
            os.close(descriptor)


def _identity(file: Path, stat: os.stat_result) -> str:
    numbers = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return json.dumps([str(file.resolve()), *numbers])


_LEFT_BY_SYSTEMS = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
        *("@eadir", "$recycle.bin", "system volume information", "lost+found"),
    }
)
"""What operating systems leave in folders that people look at, in lower case. Looking must not change a digest."""


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is no data, by its own name: hidden (``.DS_Store``, ``._a.png``), or a system's note."""
    return name.startswith(".") or name.casefold() in _LEFT_BY_SYSTEMS


def passed_over(place: Path) -> dict[str, dict[str, int]]:
    """The fact that counts what ``files_of`` leaves out below a folder, by name; empty if there is nothing.

    A folder is counted once. Hidden names are counted as ``.*``, those of macOS's copies as ``._*``. What git and the
    hub keep beside a repository is not counted.
    """
    found: Counter[str] = Counter()
    for _, folders, names in os.walk(place):
        left = [name for name in (*folders, *names) if is_passed_over(name)]
        found.update(_kind(name) for name in left if not name.startswith(_KEPT_BESIDE))
        folders[:] = [name for name in folders if name not in left]
    return {"passed over": dict(sorted(found.items()))} if found else {}


_KEPT_BESIDE = (".git", ".cache", ".huggingface", ".revision")


def _kind(name: str) -> str:
    if name.startswith("._"):
        return "._*"
    return ".*" if name.startswith(".") and name != ".DS_Store" else name


def files_of(folder: Path, *, within: Path | None = None) -> dict[str, Path]:
    """The files below ``folder`` that are data (see ``is_passed_over``), by relative path with ``/``, sorted.

    Symbolic links are followed (a snapshot of the hub's cache is made of them).

    Args:
        folder: a folder, or a link to one.
        within: if given, a link that leads out of this folder is an error: the files of a mirror must be in the
            mirror.

    Raises:
        UsageError: a link that leads out, to nothing or in a circle; a folder that cannot be listed; a name that is not
            UTF-8.
    """
    found: dict[str, Path] = {}
    bound = within.resolve() if within else None
    waiting = [(folder, frozenset[Path]())]
    while waiting:
        current, above = waiting.pop()
        try:
            here = current.resolve(strict=True)
            entries = sorted(current.iterdir())
        except OSError as e:
            raise UsageError(f"{current}: cannot be listed ({e.strerror})") from None
        if here in above:
            raise UsageError(f"{current}: a link to a folder that it is in")
        for entry in entries:
            if is_passed_over(entry.name):
                continue
            if not is_utf8(entry.name):
                raise UsageError(f"{entry}: a name that is no UTF-8; rename it")
            target = entry.resolve()
            if bound and not target.is_relative_to(bound):
                raise UsageError(f"{entry}: a link that leads out of {within}")
            if entry.is_dir():
                waiting.append((entry, above | {here}))
            elif entry.is_file():
                found[entry.relative_to(folder).as_posix()] = entry
            else:
                raise UsageError(f"{entry}: neither a file nor a folder")
    return dict(sorted(found.items()))


def content_digest(files: Mapping[str, Path] | Path, cache: DigestCache) -> str:
    """Digest of the content of a file or a set of files: ``sha256:`` and 64 hex digits.

    Args:
        files: one file, whose name is ignored; or files by relative path, which is part of the digest.
        cache: cache of the files' digests; used if there are more than ``ALWAYS_READ`` bytes.
    """
    single = isinstance(files, Path)
    named = {"": files} if isinstance(files, Path) else files
    read = _size(named.values()) <= ALWAYS_READ
    digests = [[name, cache.of(path, read=read)] for name, path in sorted(named.items())]
    if single:
        return f"sha256:{digests[0][1]}"
    return f"sha256:{sha256(f'harness/content/1:{json.dumps(digests)}'.encode()).hexdigest()}"


def _size(files: Iterable[Path]) -> int:
    try:
        return sum(file.stat().st_size for file in files)
    except OSError as e:
        raise UsageError(f"{e.filename}: cannot be read ({e.strerror})") from None


def without_card(files: Mapping[str, Path]) -> dict[str, Path]:
    """A repository's files without its card, which is text that its owner may edit and that a mirror may lack.

    If the card is the only file, it is kept.
    """
    return {name: path for name, path in files.items() if name != CARD} or dict(files)


SHARDS = ".index.json"
"""Files with this ending list which weights are in which file of their folder."""
TOKENIZER = "tokenizer_config.json"
"""May contain the path of its vocabulary."""


def refuse_outside(folder: Path, files: Mapping[str, Path]) -> None:
    """Check the two descriptions that make libraries open other files.

    Args:
        folder: the folder, named in messages.
        files: all files in it, by relative path.

    Raises:
        UsageError: a description names a file outside the folder that a library would open.
    """
    for name, path in files.items():
        if name.endswith(SHARDS):
            outside = [f for f in _shards(path) if _leads_out(PurePosixPath(name).parent / f)]
        elif PurePosixPath(name).name == TOKENIZER:
            outside = [f for f in _vocabularies(path) if _is_elsewhere(f, folder)]
        else:
            continue
        if outside:
            raise UsageError(f"{path}: names {outside[0]}, which is outside of {folder}")


def _leads_out(relative: PurePosixPath) -> bool:
    inside = os.path.normpath(relative)
    return os.path.isabs(inside) or inside.split("/")[0] == ".."


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether a name is an existing file outside ``folder``; paths on the author's machine do not exist here."""
    return os.path.isfile(name) and not Path(os.path.abspath(name)).is_relative_to(folder.absolute())


def _shards(file: Path) -> Iterator[str]:
    table = _mapping(file).get("weight_map")
    if isinstance(table, dict):
        yield from (value for value in table.values() if isinstance(value, str))


def _vocabularies(file: Path) -> Iterator[str]:
    for name, value in _mapping(file).items():
        if name.endswith("_file") and isinstance(value, str):
            yield value


def _mapping(file: Path) -> dict[str, object]:
    """The file's content as a mapping; a damaged file gives an empty one and is left for its reader to refuse."""
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
"""Endings of files written by Python's pickle."""


def conversion(pickle: str, made: str) -> str:
    """The command that writes the tensors of a pickled file, or of its ``state_dict``, as safetensors.

    Args:
        pickle: the file; its name has no quotes.
        made: the file to write.
    """
    return (
        'python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{pickle}', map_location='cpu', weights_only=True); w = w.get('state_dict', w); "
        "s.save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in w.items() "
        f"if torch.is_tensor(v)}}, '{made}')\""
    )


def refusal(file: str, convert: str) -> str:
    """Why a pickle is not opened, and the command that converts it to safetensors."""
    return (
        f"{file} is a pickle, which can run code when it is opened; convert it where it is trusted: {convert}"
    )
