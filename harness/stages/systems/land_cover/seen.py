"""Records which images a classifier has seen, by their pixels, so that test images can be checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Json

if TYPE_CHECKING:
    from harness.stages.systems.land_cover.loading import Item

SEEN = "seen.txt"
"""File next to a classifier's weights: digests of the images that it was trained and selected on, one per line."""
NAMED = 20
"""Maximum number of test images that are named."""


def write(folder: Path, items: Sequence[Item]) -> None:
    """Write the list of images that a classifier has seen."""
    digests = sorted({_digest(item) for item in items})
    (folder / SEEN).write_text("".join(f"{digest}\n" for digest in digests), encoding="utf-8")


def among(folder: Path, items: Sequence[Item]) -> dict[str, Json]:
    """Facts about test images that the classifier in ``folder`` has seen; empty if it has no list of seen images.

    ``seen`` counts them. If there are any, ``seen_images`` names the first ones and ``warnings`` has a sentence.
    """
    if not (folder / SEEN).is_file():
        return {}
    known = set((folder / SEEN).read_text(encoding="utf-8").split())
    found = [item.name for item in items if _digest(item) in known]
    facts: dict[str, Json] = {"seen": len(found)}
    if found:
        facts["seen_images"] = list(found[:NAMED])
        are = "image is" if len(found) == 1 else "images are"
        facts["warnings"] = [
            f"{len(found)} of {len(items)} test {are} among those that the classifier was trained or chosen on "
            f"(the same pixels): {found[0]}{', …' if len(found) > 1 else ''}"
        ]
    return facts


def _digest(item: Item) -> str:
    """Digest of size and pixels, not of the file: the same picture may be stored in two ways."""
    from harness.stages.systems.land_cover.loading import read

    pixels = read(item.path)
    return sha256(f"{tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).hexdigest()
