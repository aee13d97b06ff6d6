"""Small inputs for stages: image folders and sources."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Scenes
from harness.formats.image_folder import Writer
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve

if TYPE_CHECKING:
    from PIL.Image import Image

CLASSES = ("field", "forest", "water")


def picture(seed: int, size: int = 16) -> Image:
    """RGB noise around a colour; the same for equal arguments, on any machine.

    Args:
        seed: decides the colour and the noise.
        size: width and height in pixels.
    """
    from PIL import Image

    draw = random.Random(seed)
    colour = [draw.randrange(40, 216) for _ in range(3)]
    values = bytes(c + draw.randrange(-40, 40) for _ in range(size * size) for c in colour)
    return Image.frombytes("RGB", (size, size), values)


def image_folder(
    folder: Path, classes: Sequence[str] = CLASSES, *, each: int = 3, size: int = 16, seed: int = 0
) -> Scenes:
    """An image folder with a class and a caption for each image: an input for any stage that takes images.

    Args:
        folder: where it goes; it must not exist.
        classes: names of the classes; consecutive rows cycle through them.
        each: images of each class, named ``000.png``, ``001.png``, …
        size: width and height in pixels.
        seed: another seed gives other pictures.

    Raises:
        FileExistsError: the folder is there.
    """
    folder.mkdir(parents=True)
    labels = list(classes) * each
    with Writer(folder) as out:
        for index, label in enumerate(labels):
            pixels = picture(seed * 100_000 + index, size)
            out.add(pixels, f"{index:03d}.png", label=label, captions=[f"a {label} from above"])
    return Scenes(folder, {"classes": list(classes), "count": out.count})


def source(place: Path) -> Source:
    """A file or a folder as a stage gets it for ``source: "path:…"``: resolved, and known by its content.

    Raises:
        UsageError: there is nothing at ``place``, or it cannot be read.
    """
    named = Source.from_text(f"path:{place.absolute()}")
    return resolve(named, mirror=None, cache=DigestCache(Path(os.devnull)), download=False)
