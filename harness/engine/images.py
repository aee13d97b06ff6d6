"""The container images of a project: what their names stand for (``images.lock``), and which code they hold.

``images.lock`` is a JSON file in the project: name → the reference by digest under which a registry has the image (null
if it was only built here) and the digest of its configuration, by which an engine finds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.engine.executors.engines import Container, Engine, answers, driver, said
from harness.errors import UsageError, nearest
from harness.formats import files, strict_json
from harness.formats.strict_json import checked
from harness.store.artifacts import Store
from harness.suite.images import DIGEST, ImageName

LOCK = "images.lock"
SCHEMA = 1


@dataclass(frozen=True)
class Image:
    """An image that is pinned."""

    reference: str | None
    """``HOST/NAME@sha256:…``; None if no registry has it."""
    config: str | None
    """Digest of its configuration (``sha256:…``); None if unknown."""

    @property
    def runs_as(self) -> str:
        """The image as an engine is asked for it."""
        return self.reference or self.config or ""

    @property
    def digest(self) -> str | None:
        """Digest of its manifest in a registry."""
        return self.reference.partition("@")[2] if self.reference else None


def lock(project: Path) -> dict[str, Image]:
    """The project's ``images.lock``; empty if there is none.

    Raises:
        UsageError: it is damaged.
    """
    file = project / LOCK
    if not file.exists():
        return {}
    body: Any = strict_json.read(file)
    try:
        if body["schema"] != SCHEMA:
            raise UsageError(f"{file}: schema {body['schema']}, expected {SCHEMA}")
        found = {name: checked(Image(**image), f"{file}: {name}") for name, image in body["images"].items()}
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"{file}: not as 'harness image lock' writes it") from None
    for name, image in found.items():
        _check_pinned(image, f"{file}: {name}")
    return found


def _check_pinned(image: Image, where: str) -> None:
    """Check that digests say which image is meant: a tag can be moved.

    Raises:
        UsageError: they do not.
    """
    if not image.runs_as:
        raise UsageError(f"{where}: neither a reference nor a configuration")
    if image.config is not None and not DIGEST.fullmatch(image.config):
        raise UsageError(f"{where}: {image.config!r} is not sha256: and 64 hex digits")
    try:
        is_full = image.reference is None or ImageName.from_text(image.reference).digest is not None
    except ValueError as e:
        raise UsageError(f"{where}: {e}") from None
    if not is_full:
        raise UsageError(f"{where}: {image.reference!r} is not HOST/NAME@sha256:<64 hex digits>")


def write_lock(project: Path, images: Mapping[str, Image]) -> None:
    """Write ``images.lock``.

    Raises:
        OSError: it cannot be written.
    """
    body = {"schema": SCHEMA, "images": {name: asdict(image) for name, image in sorted(images.items())}}
    files.write(project / LOCK, json.dumps(body, indent=2) + "\n")


def find(name: ImageName, locked: Mapping[str, Image]) -> Image:
    """The image that a suite names.

    Raises:
        UsageError: a short name that is not in ``images.lock``.
    """
    if name.digest is not None:
        return Image(name.text, None)
    if name.text not in locked:
        hint = nearest(name.text, locked) or "; 'harness image lock' writes it"
        raise UsageError(f"image {name.text!r} is not in {LOCK}{hint}")
    return locked[name.text]


def check_there(image: Image, engine: Engine) -> None:
    """Check that an image is on this machine; a run fetches none.

    Raises:
        UsageError: it is not.
    """
    if not answers(engine.has(image.runs_as)):
        raise UsageError(
            f"image {image.runs_as} is not on this machine ({engine.name}); 'harness pull SUITE' fetches it"
        )


def described(reference: str, engine: Engine) -> Image:
    """The image of any name that the engine knows, with its digests.

    Raises:
        UsageError: the engine does not know it.
    """
    if reference.startswith("-"):
        raise UsageError(f"image {reference}: not the name of an image")
    config, *references = said(engine.describe(reference), f"image {reference}").split()
    own = [
        r
        for r in references
        if r.partition("@")[0].startswith(reference.partition("@")[0].rpartition(":")[0] or reference)
    ]
    is_built_here = all(r.startswith("localhost/") for r in references)
    image = Image(
        None if is_built_here else (own or references)[0], f"sha256:{config.removeprefix('sha256:')}"
    )
    _check_pinned(image, f"image {reference}")
    return image


def identities(image: Image, engine: Engine, store: Store) -> Mapping[str, Mapping[str, Json]]:
    """Stage → its part of the keys in an image, as ``harness identify`` prints it there; kept in the store by digest.

    Raises:
        UsageError: the image holds no harness of this version.
    """
    file = store.root / "images" / f"{image.runs_as.rpartition(':')[2]}.json"
    if file.exists():
        body: Any = strict_json.read(file)
    else:
        check_there(image, engine)
        probe = Container(
            image.runs_as, ("harness", "identify"), f"harness-identify-{driver().replace('/', '-')}", driver()
        )
        text = said(engine.run(probe), f"image {image.runs_as}: 'harness identify' failed in it")
        body = strict_json.loads(text, f"image {image.runs_as}")
        with store.errors():
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, text)
    if not isinstance(body, dict) or not isinstance(body.get("stages"), dict):
        raise UsageError(f"image {image.runs_as}: 'harness identify' printed no stages")
    stages: Mapping[str, Mapping[str, Json]] = body["stages"]
    return stages
