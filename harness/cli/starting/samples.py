"""Small samples in place of a user's own data: the same on every machine, up to how Pillow writes a PNG."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping

CLASSES = ("field", "forest", "water")
COLOURS = {"field": (176, 160, 92), "forest": (44, 88, 48), "water": (38, 74, 118)}
SIZE = 32
"""Width and height of the sample's images in pixels."""


def predictions() -> Mapping[str, bytes]:
    """``data/predictions.csv``: 1,200 items of three classes, of which four in five are predicted correctly."""
    draw = random.Random(1)
    lines = ["item,label,prediction"]
    for number in range(1200):
        label = CLASSES[number % len(CLASSES)]
        others = [name for name in CLASSES if name != label]
        predicted = label if draw.random() < 0.8 else others[draw.randrange(2)]
        lines.append(f"tile-{number:04d}.png,{label},{predicted}")
    return {"data/predictions.csv": _lines(lines)}


def tiles() -> Mapping[str, bytes]:
    """``data/tiles/<class>/``: 16 images of each of three classes."""
    return {f"data/tiles/{label}/{i:02d}.png": _tile(label, i) for label in CLASSES for i in range(16)}


def generated() -> Mapping[str, bytes]:
    """``data/real/<class>/`` and ``data/images/`` with ``metadata.jsonl``: 24 images each, the latter with prompts."""
    files = {f"data/real/{label}/{i:02d}.png": _tile(label, i) for label in CLASSES for i in range(8)}
    rows = []
    for number, label in enumerate(CLASSES * 8):
        name = f"{number:03d}.png"
        files[f"data/images/{name}"] = _tile(label, 100 + number)
        rows.append(json.dumps({"file_name": name, "prompt": f"a {label} from above", "class": label}))
    return {**files, "data/images/metadata.jsonl": _lines(rows)}


def texts() -> Mapping[str, bytes]:
    """``data/texts/``: 16 short texts on sensors."""
    return {f"data/texts/{number:02d}.md": _lines(list(_text(number))) for number in range(16)}


def _text(number: int) -> Iterator[str]:
    draw = random.Random(1000 + number)

    def one(*words: str) -> str:
        return words[draw.randrange(len(words))]

    sensor = f"{one('Aster', 'Boreas', 'Corvus', 'Delphin')} {number + 1}"
    yield f"# {sensor}"
    yield ""
    for band in range(1, 9):
        yield (
            f"Band {band} of {sensor} {one('measures', 'records', 'observes')} {one('red', 'green', 'infrared')} light "
            f"at {one('10', '20', '60')} metres. It is used to {one('map', 'monitor', 'classify')} "
            f"{one('forests', 'fields', 'lakes', 'towns')} in {one('spring', 'summer', 'autumn', 'winter')}, and is "
            f"{one('often', 'seldom', 'sometimes')} {one('covered by clouds', 'in shadow', 'saturated by snow')}."
        )


def _tile(label: str, number: int) -> bytes:
    """A picture of a class as PNG: its colour with noise, rows in fields, crowns in forests."""
    from PIL import Image

    draw = random.Random(f"{label} {number}")
    colour, shift = COLOURS[label], draw.randrange(-12, 13)
    pixels = bytearray()
    for y in range(SIZE):
        for x in range(SIZE):
            pattern = {"field": 18 * ((y // 3) % 2), "forest": 22 * ((x // 4 + y // 4) % 2), "water": 0}[
                label
            ]
            noise = draw.randrange(-10, 11)
            pixels += bytes(min(255, max(0, c + shift + pattern + noise)) for c in colour)
    out = io.BytesIO()
    Image.frombytes("RGB", (SIZE, SIZE), bytes(pixels)).save(out, format="PNG")
    return out.getvalue()


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
