"""Thumbnails: small, the same every time, whatever sort of image they are made from."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.report.html.parts import SIDE, Thumbnail, thumbnail


def decoded(made: Thumbnail | None) -> Image.Image:
    assert made is not None
    kind, _, body = made.source.partition(",")
    assert kind == "data:image/webp;base64"
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    assert image.format == "WEBP"
    return image.convert("RGB")


def saved(folder: Path, image: Image.Image, name: str = "image.png") -> Path:
    image.save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("size", "kept", "shown"),
    [
        ((64, 64), (64, 64), (128, 128)),
        ((1, 1), (1, 1), (144, 144)),
        ((100, 100), (100, 100), (100, 100)),
        ((4000, 4000), (144, 144), (144, 144)),
        ((600, 300), (288, 144), (288, 144)),
        ((300, 600), (72, 144), (72, 144)),
        ((4000, 1), (288, 1), (288, 1)),
        ((132, 64), (132, 64), (264, 128)),
    ],
)
def test_small_images_are_kept_and_large_ones_reduced(
    tmp_path: Path, size: tuple[int, int], kept: tuple[int, int], shown: tuple[int, int]
) -> None:
    made = thumbnail(saved(tmp_path, Image.new("RGB", size, (200, 30, 30))), "red")
    assert decoded(made).size == kept
    assert made is not None
    assert (made.width, made.height) == shown


def test_a_picture_in_a_row_may_be_smaller(tmp_path: Path) -> None:
    made = thumbnail(saved(tmp_path, Image.new("RGB", (500, 500))), "black", side=96)
    assert decoded(made).size == (96, 96)


def test_equal_images_are_equal_bytes_and_carry_no_metadata(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x010E] = "somebody's name"
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", exif=exif, icc_profile=b"a profile" * 1000, pnginfo=None)
    one, two = thumbnail(tmp_path / "a.png", "noise"), thumbnail(tmp_path / "b.png", "noise")
    assert one == two
    assert one is not None
    assert len(one.source) < 25_000


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_greys_are_stretched(tmp_path: Path, dtype: type[np.generic]) -> None:
    ramp = np.linspace(1000, 3000, SIDE).astype(dtype)[None, :].repeat(SIDE, axis=0)
    shown = np.asarray(decoded(thumbnail(saved(tmp_path, Image.fromarray(ramp), "deep.tif"), "ramp")))
    assert shown[:, :5].mean() < 15
    assert shown[:, -5:].mean() > 240
    assert 110 < shown[:, SIDE // 2].mean() < 145


def test_a_deep_grey_of_one_value_is_shown(tmp_path: Path) -> None:
    flat = np.full((8, 8), 3000, dtype=np.uint16)
    assert decoded(thumbnail(saved(tmp_path, Image.fromarray(flat)), "flat")).size == (8, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_is_shown(tmp_path: Path, mode: str) -> None:
    made = thumbnail(saved(tmp_path, Image.new(mode, (20, 10)), "image.tif"), mode)
    assert decoded(made).size == (20, 10)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    assert decoded(thumbnail(saved(tmp_path, clear), "clear")).getpixel((16, 16)) == (255, 255, 255)


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_missing_or_broken_is_no_thumbnail(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "image.png").write_bytes(content)
    assert thumbnail(tmp_path / "image.png", "broken") is None


def test_half_an_image_is_no_thumbnail(tmp_path: Path) -> None:
    whole = saved(
        tmp_path, Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    )
    whole.write_bytes(whole.read_bytes()[:3000])
    assert thumbnail(whole, "half") is None
    assert thumbnail(None, "none") is None


def test_a_picture_too_large_to_be_meant_is_refused(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert thumbnail(tmp_path / "bomb.png", "bomb") is None
