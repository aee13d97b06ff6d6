"""Images of every sort become 8-bit RGB, counted, and never by dropping bits unasked."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import colour, png
from PIL import Image

from harness.errors import StageError
from harness.formats.pixels import Decoder, to_8_bit


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format=format, **options)
    return out.getvalue()


def decoded(content: bytes, **options):
    decoder = Decoder(**options)
    return np.asarray(decoder.decode(content, "it")), dict(decoder.converted)


def test_rgb_is_left_as_it_is():
    pixels, converted = decoded(png(colour(1)))
    assert (pixels == colour(1)).all()
    assert converted == {}


GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize(
    ("image", "format", "what"),
    [
        (Image.fromarray(GREY), "PNG", "grey"),
        (Image.fromarray(GREY).convert("1"), "PNG", "bilevel"),
        (Image.fromarray(colour(1)).quantize(16), "PNG", "palette"),
        (Image.fromarray(colour(1)).convert("RGBA"), "PNG", "alpha"),
        (Image.fromarray(GREY).convert("LA"), "PNG", "grey with alpha"),
        (Image.fromarray(colour(1)).convert("CMYK"), "TIFF", "CMYK"),
    ],
)
def test_other_modes_are_converted_and_counted(image, format, what):
    pixels, converted = decoded(encoded(image, format))
    assert converted == {what: 1}
    assert (pixels == np.asarray(image.convert("RGB"))).all()


def test_transparent_pixels_become_black():
    rgba = np.dstack([colour(1), np.full((8, 8), 255, np.uint8)])
    rgba[0, :, 3] = 0
    pixels, _ = decoded(png(rgba))
    assert (pixels[0] == 0).all()
    assert (pixels[1:] == colour(1)[1:]).all()


def test_a_transparent_colour_becomes_black():
    image = Image.fromarray(np.full((8, 8, 3), 9, np.uint8))
    pixels, converted = decoded(encoded(image, transparency=(9, 9, 9)))
    assert (pixels == 0).all()
    assert converted == {"alpha": 1}


def test_a_transparent_value_of_16_bits_becomes_black():
    values = np.array([[777, 3000], [1500, 777]], np.uint16)
    pixels, converted = decoded(encoded(Image.fromarray(values), transparency=777), scale=(0, 3000))
    assert (pixels[..., 0] == [[0, 255], [128, 0]]).all()
    assert converted == {"scaled": 1, "alpha": 1}


def test_16_bits_need_a_scale_and_the_message_shows_the_range():
    deep = png(np.linspace(100, 3000, 64).astype(np.uint16).reshape(8, 8))
    with pytest.raises(
        StageError, match=r"it: more than 8 bits per pixel, values 100 to 3000; .*scale: \[low"
    ):
        decoded(deep)
    pixels, converted = decoded(deep, scale=(100, 3000))
    assert (pixels.min(), pixels.max(), converted) == (0, 255, {"scaled": 1})
    assert (decoded(deep, scale=(0, 3000))[0] != pixels).any()


def test_16_bit_colour_is_not_silently_cut_to_8():
    import rasterio
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        shape = {"width": 8, "height": 8, "count": 3, "dtype": "uint16"}
        with rasterio.open(memory.name, "w", driver="PNG", **shape) as file:
            file.write(np.full((3, 8, 8), 4000, np.uint16))
        content = memory.read()
    with pytest.raises(StageError, match="more than 8 bits in each of several channels"):
        decoded(content)


def test_a_scale_that_nothing_needs_is_refused():
    decoder = Decoder(scale=(0, 1000))
    decoder.decode(png(colour(1)), "it")
    with pytest.raises(StageError, match="it changes nothing"):
        decoder.check_used()


def test_a_scale_must_ascend():
    with pytest.raises(StageError, match=r"scale: \[5, 5\] must ascend"):
        Decoder(scale=(5, 5))


def test_a_filter_without_a_size_is_refused():
    with pytest.raises(StageError, match="resize: nearest changes nothing without a size"):
        Decoder(resize="nearest")


def test_a_size_cuts_the_middle_square_and_resizes():
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200
    pixels, converted = decoded(png(wide), size=4)
    assert (pixels == 200).all()
    assert converted == {"cut to a square": 1, "resized": 1}


def test_making_smaller_is_antialiased():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 255
    assert decoded(png(stripes), size=4)[0].std() < 10
    assert decoded(png(stripes), size=4, resize="nearest")[0].std() in (0.0, 127.5)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", png(colour(1, 64))[:500], png(colour(1))[:40] + bytes(60) + png(colour(1))[100:]],
)
def test_damage_is_one_line(content):
    with pytest.raises(StageError, match=r"^it: not a readable image .+$"):
        decoded(content)


def test_several_frames_are_refused():
    frames = [Image.fromarray(colour(i)) for i in range(3)]
    with pytest.raises(StageError, match="3 frames"):
        decoded(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_scaling_keeps_the_order_and_ends_at_0_and_255(values, low, width):
    scaled = to_8_bit(np.sort(np.array([*values, low, low + width])), (low, low + width))
    assert (np.diff(scaled.astype(int)) >= 0).all()
    assert list(to_8_bit(np.array([low, low + width, np.nan]), (low, low + width))) == [0, 255, 0]


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("content", [EPS, b"P6 1 1 255 abc", b"<VRTDataset/>"])
def test_only_formats_that_are_documented_are_opened(tmp_path, content):
    """EPS, for one, is drawn by another program."""
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(StageError, match=r"not a readable image \(none of PNG, JPEG, "):
        Decoder().decode(tmp_path / "a.png", "a.png")


def test_a_picture_of_enormous_size_is_one_line(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixels)
    with pytest.raises(StageError, match=r"not a readable image .*decompression bomb"):
        Decoder().decode(tmp_path / "a.png", "a.png")
