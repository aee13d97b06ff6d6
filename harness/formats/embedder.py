"""``embedder.json``: what kind of embedder a folder holds, its digest, and the software it may depend on."""

from __future__ import annotations

import json
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import StageError

DESCRIPTION = "embedder.json"


def describe(folder: Path, kind: str, name: str, **settings: Json) -> None:
    """Write ``embedder.json``."""
    described = {"kind": kind, "name": name, **settings}
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Read what ``describe`` wrote.

    Raises:
        StageError: the file is missing, damaged or incomplete.
    """
    file = folder / DESCRIPTION
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise StageError(f"{file}: cannot be read as an embedder ({e})") from None
    if not isinstance(read, dict) or not {"kind", "name"} <= read.keys():
        raise StageError(f"{file}: no kind and name; expected what embeddings.local or embeddings.load wrote")
    return read


def digest_of(folder: Path) -> str:
    """Digest of the names and bytes of a folder's files: ``sha256:`` and 64 hex digits."""
    body = sha256(b"harness/embedder/1")
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            found = [file.relative_to(folder).as_posix(), file_digest(content, "sha256").hexdigest()]
        body.update(json.dumps(found).encode())
    return f"sha256:{body.hexdigest()}"


EMBEDDER = ("numpy", "scikit-learn", "scipy", "sentence-transformers", "tokenizers", "torch", "transformers")
