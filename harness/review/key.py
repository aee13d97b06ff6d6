"""``review-key.json``: the meaning of a review's blinded names. It stays with the run; reviewers never get it."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.formats.strict_json import checked
from harness.review import digest
from harness.review.choosing import Showing


def read_json(file: Path, schema: str, what: str) -> dict[str, Any] | None:
    """Return the content of a file without its schema; None if the file does not exist.

    Args:
        file: file to read.
        schema: schema that the file must have.
        what: what the file should be, for messages.

    Raises:
        UsageError: the file cannot be read, or has another schema.
    """
    if not file.exists():
        return None
    body = strict_json.read(file)
    if not isinstance(body, dict) or body.pop("schema", None) != schema:
        raise UsageError(f"{file}: not {what} ({schema!r})")
    return body


FILE = "review-key.json"
SCHEMA = "harness.review-key/1"


@dataclass(frozen=True)
class Shown:
    """One position on the page, and the image behind it."""

    id: str
    """The blinded name; it reveals nothing without the secret."""
    picture: str
    """Blinded name of the picture, equal for both showings of one image."""
    again: bool
    system: str
    stage: str
    point: Mapping[str, Json]
    control: bool
    seeds: Mapping[str, int]
    item: str
    """The image's ``file_name``: its name in per-item rows."""
    label: str


@dataclass(frozen=True)
class Key:
    """A review: the images of its page in order."""

    review: str
    run: str
    secret: str
    settings: Mapping[str, Json]
    """Options it was made with; equal settings make the same page again."""
    questions: str
    """Digest of the questions."""
    asked: str
    page: str
    """Digest of the page's content."""
    showings: tuple[Shown, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Shown]:
        return {shown.id: shown for shown in self.showings}

    @property
    def images(self) -> int:
        """Number of different images."""
        return sum(not shown.again for shown in self.showings)


def new_secret() -> str:
    return secrets.token_hex(32)


def name(secret: str, text: str) -> str:
    """Return the blinded name of ``text``: 16 hex digits of its HMAC-SHA-256."""
    return hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()[:16]


def shown(showings: Sequence[Showing], secret: str) -> tuple[Shown, ...]:
    """Return the entries of the key, in page order."""
    return tuple(
        Shown(
            id=name(secret, f"{'again' if s.again else 'first'}:{s.picture.name}"),
            picture=name(secret, f"picture:{s.picture.name}"),
            again=s.again,
            system=s.picture.system.name,
            stage=s.picture.system.stage,
            point=s.picture.system.point,
            control=s.picture.system.control,
            seeds=s.picture.seeds,
            item=s.picture.row.name,
            label=s.picture.row.label or "",
        )
        for s in showings
    )


def write(folder: Path, key: Key) -> None:
    """Write the key next to ``run.json``.

    Raises:
        OSError: the file cannot be written.
    """
    body = {"schema": SCHEMA, **asdict(key)}
    files.write(folder / FILE, json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path) -> Key | None:
    """Read the key of the run's review; None if there is no review.

    Raises:
        UsageError: the file is damaged or of another version.
    """
    file = folder / FILE
    body = read_json(file, SCHEMA, "the key of a review")
    if body is None:
        return None
    try:
        fields = {k: v for k, v in body.items() if k != "showings"}
        key = Key(**fields, showings=tuple(Shown(**s) for s in body["showings"]))
        bytes.fromhex(key.secret)
    except (KeyError, TypeError, ValueError) as e:
        raise UsageError(f"{file}: damaged ({type(e).__name__}: {e})") from None
    checked(key, str(file))
    if key.questions != digest():
        raise UsageError(f"{file}: this review asks other questions than this version of the harness")
    return key
