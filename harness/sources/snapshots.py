"""The parts of the model hub that sources need: its local cache, the files of a commit, downloads.

A commit belongs to one repository, so it need not be stated whether ``org/name`` is a model or a data set: both are
tried. Every failure is one line. After an interrupted download, complete files are kept.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from harness.errors import UsageError, nearest

T = TypeVar("T")

KINDS = ("model", "dataset")

_OTHER_FORMATS = frozenset(
    {".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pkl", ".pt", ".pth", ".tflite"}
)
"""Formats in which weights may exist next to safetensors."""
_UNUSED = frozenset({"safety_checker", "feature_extractor"})
"""Folders of a diffusers pipeline that no stage reads."""


class UnreachableError(Exception):
    """There is no network, or the hub does not answer."""


def cached(repo: str, commit: str, inside: str) -> Path | None:
    """The local cache's folder of a commit, if it has all files that would be downloaded. Uses no network."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

    for kind in KINDS:
        try:
            names = [f.path for f in get_cached_repo_tree(repo, repo_type=kind, revision=commit)]
            patterns: list[str] | None = _patterns(needed(names, inside))
        except CachedRepoTreeNotFoundError:
            patterns = None  # the folder is from an older version of the library, which kept no list of files
        try:
            folder = snapshot_download(
                repo, repo_type=kind, revision=commit, allow_patterns=patterns, local_files_only=True
            )
        except LocalEntryNotFoundError:
            continue
        if (Path(folder) / inside).exists():
            return Path(folder)
    return None


class Listing(NamedTuple):
    """The files of a commit."""

    repo: str
    kind: str
    """``model`` or ``dataset``."""
    commit: str
    names: list[str]


def listing(repo: str, commit: str) -> Listing:
    """List the files of a commit of a repository.

    Raises:
        UnreachableError: no network.
        UsageError: the hub has no such repository or commit, or a file's name leads out of the folder.
    """
    from huggingface_hub import HfApi

    def names(kind: str) -> list[str]:
        info = HfApi().repo_info(repo, revision=commit, repo_type=kind)
        return [file.rfilename for file in info.siblings]

    kind, found = _first(repo, f"{repo}@{commit}", names)
    for name in found:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"{repo}@{commit}: refused, since its file {name!r} would leave the folder")
    return Listing(repo, kind, commit, found)


def download(held: Listing, names: Sequence[str], *, to: Path | None = None) -> Path:
    """Download files of a commit into the local cache, or into the folder ``to``; returns the folder.

    Raises:
        UnreachableError: no network.
        UsageError: the download was interrupted.
    """
    from huggingface_hub import snapshot_download

    fetch = partial(snapshot_download, held.repo, repo_type=held.kind, revision=held.commit, local_dir=to)
    folder = Path(_ask(f"{held.repo}@{held.commit}", partial(fetch, allow_patterns=_patterns(names))))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UnreachableError(f"{len(missing)} of {len(names)} files are missing")
    return folder


def current_commit(repo: str) -> str:
    """The current commit of the repository's main branch.

    Raises:
        UnreachableError: no network.
        UsageError: the hub has no such repository.
    """
    from huggingface_hub import HfApi

    def head(kind: str) -> str:
        return str(HfApi().repo_info(repo, repo_type=kind).sha)

    return _first(repo, repo, head)[1]


def wanted(held: Listing, inside: str) -> list[str]:
    """As ``needed``, but an empty result is an error.

    Raises:
        UsageError: ``inside`` is not among the repository's files and folders.
    """
    found = needed(held.names, inside)
    if not found:
        what = f"{held.repo}@{held.commit}"
        raise UsageError(f"{what}: no {inside or 'file'!r} in it{nearest(inside, held.names)}")
    return found


def needed(names: Iterable[str], inside: str = "") -> list[str]:
    """The files of a repository to download: those inside ``inside``, or all except second copies.

    Second copies are weights in another format next to safetensors. In a diffusers pipeline they are also single-file
    versions at the root, variants (``….fp16.safetensors``) next to the plain weights, and the safety checker: nine
    tenths of the bytes of Stable Diffusion v1.5. In a language model they are also other formats in their own folders
    (``onnx/``, ``original/``) and Mistral's ``consolidated.safetensors``.
    """
    names = sorted(names)
    if inside:
        return [n for n in names if n == inside or n.startswith(f"{inside.rstrip('/')}/")]
    weights = {PurePosixPath(n) for n in names if n.endswith(".safetensors")}
    safe = {w.parent for w in weights}
    root, pipeline = PurePosixPath(), "model_index.json" in names
    plain = any(w.parent == root and w.name.startswith("model") for w in weights)
    model = plain and "config.json" in names and not pipeline

    def is_copy(name: str) -> bool:
        path = PurePosixPath(name)
        other_format = path.suffix in _OTHER_FORMATS
        if pipeline and path.parent == root:
            return other_format or path.suffix == ".safetensors"
        if pipeline and path.parts[0] in _UNUSED:
            return True
        if pipeline and path in weights and path.name.count(".") > 1:
            return path.parent / f"{path.name.partition('.')[0]}.safetensors" in weights
        if model and path in weights and path.parent == root:
            return path.name.startswith("consolidated")
        return other_format and (model or path.parent in safe)

    return [n for n in names if not is_copy(n)]


def _patterns(names: Iterable[str]) -> list[str]:
    return [glob.escape(name) for name in names]


def _first(repo: str, what: str, call: Callable[[str], T]) -> tuple[str, T]:
    """The result of ``call`` for the first kind of repository that exists, with the kind."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    for kind in KINDS:
        try:
            return kind, _ask(what, partial(call, kind))
        except GatedRepoError:
            raise UsageError(
                f"{repo}: gated; accept its terms on the hub and log in ('hf auth login')"
            ) from None
        except RepositoryNotFoundError:
            continue
    raise UsageError(f"{repo}: the hub has no such repository, or it is private ('hf auth login')")


def _ask(what: str, call: Callable[[], T]) -> T:
    """Run ``call`` and turn the hub's exceptions into three cases: a wrong name, no network, a broken download."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return call()
    except RepositoryNotFoundError:
        raise
    except RevisionNotFoundError:
        raise UsageError(f"{what}: the hub has the repository, but not this commit") from None
    except HfHubHTTPError as e:
        raise UnreachableError(f"it answered {e.response.status_code}") from None
    except OfflineModeIsEnabled:
        raise UnreachableError("HF_HUB_OFFLINE is set") from None
    except LocalEntryNotFoundError as e:  # how the library wraps the error that stopped it
        raise UnreachableError(_first_line(e.__cause__ or e)) from None
    except HTTPError as e:  # from the HTTP library: it cannot connect, or the connection broke
        raise UnreachableError(_first_line(e)) from None
    except OSError as e:
        raise UsageError(
            f"{what}: the download broke off ({_first_line(e)}); the same command goes on"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def malformed() -> type[Exception]:
    """What the library raises for a configuration file with a value of another type."""
    from huggingface_hub.errors import StrictDataclassError

    kind: type[Exception] = StrictDataclassError
    return kind
