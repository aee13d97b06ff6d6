"""Images on the page: nothing but their pixels tells them apart."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import UsageError
from harness.review.making import encoded_picture


def file(folder: Path, name: str, size: tuple[int, int] = (64, 64), mode: str = "RGB", seed: int = 0) -> Path:
    """A noisy image; what it is called says in which format it is stored."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(folder / name)
    return folder / name


def opened(text: str) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(text.strip())))
    picture.load()
    return picture


def test_a_small_image_keeps_every_pixel(tmp_path: Path) -> None:
    path = file(tmp_path, "a.png")
    width, height, (text,) = encoded_picture([path])
    assert (width, height) == (64, 64)
    assert (np.asarray(opened(text)) == np.asarray(Image.open(path))).all()


def test_all_are_equally_large_encoded_alike_and_equally_long(tmp_path: Path) -> None:
    flat = tmp_path / "flat.jpg"
    Image.new("RGB", (300, 200), (9, 99, 9)).save(flat, exif=Image.Exif(), dpi=(300, 300), comment=b"real")
    files = [file(tmp_path, "noisy.png", (64, 80)), flat, file(tmp_path, "grey.png", (128, 128), "L", 1)]
    width, height, texts = encoded_picture(files)
    assert (width, height) == (64, 80)
    assert len({len(text) for text in texts}) == 1
    found = [opened(text) for text in texts]
    assert {(p.format, p.mode, p.size) for p in found} == {("WEBP", "RGB", (64, 80))}
    kinds = {base64.b64decode(text.strip())[12:16] for text in texts}
    assert kinds == {b"VP8L"}
    assert all(set(p.info) <= {"loop", "background", "timestamp", "duration"} for p in found)


def test_large_ones_are_reduced_and_none_is_enlarged(tmp_path: Path) -> None:
    width, height, (text, _) = encoded_picture(
        [file(tmp_path, "a.png", (2000, 1600)), file(tmp_path, "b.png", (700, 900))]
    )
    assert (width, height) == (512, 512)
    assert opened(text).size == (512, 512)
    assert base64.b64decode(text.strip())[12:16] == b"VP8 "


def test_one_pixel_sixteen_bits_and_transparency_are_images_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40000, dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    width, height, texts = encoded_picture([tmp_path / "deep.png", tmp_path / "clear.png"])
    assert (width, height, len(texts)) == (8, 8, 2)
    assert encoded_picture([file(tmp_path, "dot.png", (1, 1))])[:2] == (1, 1)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"broken\.png: not a readable image"):
        encoded_picture([tmp_path / "broken.png"])
    with pytest.raises(UsageError, match=r"gone\.png: missing"):
        encoded_picture([tmp_path / "gone.png"])


def test_an_image_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = file(tmp_path, "half.png")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"half\.png: not a readable image"):
        encoded_picture([path])
