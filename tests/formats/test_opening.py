"""Pictures are opened in one way: the first frame, upright, or one line."""

import io
import zlib

import numpy as np
import pytest
import rasterio
from image_files import colour, png
from PIL import Image, ImageOps
from rasterio.enums import Resampling

from harness.errors import StageError
from harness.formats.opening import opened, read_rgb, stored
from harness.formats.pixels import Decoder
from harness.formats.tiff import directory

PICTURE = Image.fromarray(colour(3, 16)[:, :10].copy())
FRAMES = [Image.fromarray(colour(i, 16)) for i in range(3)]


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def with_orientation(kind, orientation):
    if kind == "TIFF":
        return saved(PICTURE, kind, tiffinfo={274: orientation})
    return saved(PICTURE, kind, exif=exif(orientation), **({"lossless": True} if kind == "WEBP" else {}))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_every_orientation_of_every_format_is_turned_once_and_counted(tmp_path, kind, orientation):
    content = with_orientation(kind, orientation)
    plain = Image.open(io.BytesIO(with_orientation(kind, 1))).convert("RGB")
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain))
    decoder = Decoder()
    assert (np.asarray(decoder.decode(content, "a")) == expected).all()
    assert decoder.converted == ({"turned": 1} if orientation > 1 else {})
    file = tmp_path / f"a.{kind.lower()}"
    file.write_bytes(content)
    assert (np.asarray(read_rgb(file)) == expected).all()
    assert stored(file)[0] == orientation


@pytest.mark.parametrize("bad", [0, 9, 1000])
def test_an_orientation_that_is_none_is_none(bad):
    decoder = Decoder()
    assert decoder.decode(with_orientation("JPEG", bad), "a").size == (10, 16)
    assert not decoder.converted


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_no_picture(kind):
    with pytest.raises(StageError, match="a: 3 frames; one image was expected"):
        Decoder().decode(saved(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:]), "a")


def test_of_a_multi_picture_jpeg_the_first_is_taken_and_counted():
    decoder = Decoder()
    made = decoder.decode(saved(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:]), "a")
    assert (np.asarray(made) == np.asarray(Image.open(io.BytesIO(saved(FRAMES[0], "JPEG"))))).all()
    assert decoder.converted == {"first of several pictures": 1}


def geotiff(path, values, overviews=(), **options):
    shape = dict(zip(("count", "height", "width"), values.shape, strict=True))
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **shape, **options) as file:
        file.write(values)
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews(overviews, Resampling.nearest)
    return path


def test_overviews_are_no_frames(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    file = geotiff(tmp_path / "a.tif", values, (2, 4), photometric="RGB")
    assert Image.open(file).n_frames == 3  # what Pillow says by itself
    assert (np.asarray(Decoder().decode(file, file)) == values.transpose(1, 2, 0)).all()


def test_a_georeference_turns_a_picture_too(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 6, 9), dtype=np.uint8)
    south_up = rasterio.Affine(10, 0, 0, 0, 10, 0)
    file = geotiff(tmp_path / "a.tif", values, photometric="RGB", transform=south_up, crs="EPSG:32632")
    decoder = Decoder()
    assert (np.asarray(decoder.decode(file, file)) == values[:, ::-1].transpose(1, 2, 0)).all()
    assert decoder.converted == {"turned": 1}


def test_a_negative_width_of_pixels_mirrors_a_picture_too(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 6, 9), dtype=np.uint8)
    mirrored = rasterio.Affine(-10, 0, 0, 0, -10, 0)
    file = geotiff(tmp_path / "a.tif", values, photometric="RGB", transform=mirrored, crs="EPSG:32632")
    assert (np.asarray(Decoder().decode(file, file)) == values[:, :, ::-1].transpose(1, 2, 0)).all()


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_the_tags_of_a_tiff_of_either_order_and_size_are_read(tmp_path, order, big):
    values = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    south_up = {"transform": rasterio.Affine(10, 0, 0, 0, 10, 0), "crs": "EPSG:32632", "nodata": 7}
    file = geotiff(tmp_path / "a.tif", values, (2,), BIGTIFF=big, ENDIANNESS=order, **south_up)
    with file.open("rb") as content:
        tags = directory(content)
    assert (tags.pictures, tags.turn, tags.nodata) == (1, 4, 7.0)


def test_a_picture_at_an_angle_to_north_is_refused(tmp_path):
    values = np.zeros((3, 6, 9), np.uint8)
    leaning = rasterio.Affine(10, 3, 0, 3, -10, 0)
    file = geotiff(tmp_path / "a.tif", values, photometric="RGB", transform=leaning, crs="EPSG:32632")
    with pytest.raises(StageError, match=r"a\.tif: rows at an angle to north; warp it first"):
        Decoder().decode(file, file)


def test_no_data_of_a_picture_is_black_and_counted(tmp_path):
    values = np.full((3, 4, 4), 200, np.uint8)
    values[:, 0] = 255
    values[0, 2] = 255  # bright red is data
    file = geotiff(tmp_path / "a.tif", values, photometric="RGB", nodata=255)
    decoder = Decoder()
    made = np.asarray(decoder.decode(file, file))
    assert (made[0] == 0).all()
    assert (made[1:, :, 1:] == 200).all()
    assert decoder.converted == {"no data": 1}


def test_scale_and_offset_of_one_deep_channel_are_applied(tmp_path):
    values = np.arange(16, dtype=np.uint16).reshape(1, 4, 4) * 100
    file = geotiff(tmp_path / "a.tif", values)
    with rasterio.open(file, "r+") as opened_file:
        opened_file.scales, opened_file.offsets = (0.001,), (-0.1,)
    decoder = Decoder(scale=(0.0, 1.0))
    expected = np.rint(np.clip(values[0] * 0.001 - 0.1, 0, 1) * 255).astype(np.uint8)
    assert (np.asarray(decoder.decode(file, "first"))[..., 0] == expected).all()
    with pytest.raises(StageError, match="first: has a scale of its own, and second has none"):
        decoder.decode(png(values[0]), "second")


@pytest.mark.parametrize("photometric", [None, "PALETTE"])
def test_a_colour_table_is_looked_up_however_it_is_tagged(tmp_path, photometric):
    indices = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) % 3
    table = {0: (255, 0, 9, 255), 1: (0, 128, 0, 255), 2: (7, 8, 200, 255)}
    tag = {} if photometric is None else {"photometric": photometric}
    shape = {"count": 1, "height": 4, "width": 4, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape, **tag) as file:
        if photometric:
            file.write_colormap(1, table)
        file.write(indices)
        if not photometric:
            file.write_colormap(1, table)
    decoder = Decoder()
    expected = np.array([table[i][:3] for i in indices.ravel()], np.uint8).reshape(4, 4, 3)
    assert (np.asarray(decoder.decode(tmp_path / "a.tif", "a")) == expected).all()
    assert decoder.converted == {"palette": 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 4), np.uint16), "folders.geotiff reads"),
        (np.zeros((1, 4, 4), np.int8), "has bytes with a sign, which folders.geotiff reads"),
        (np.zeros((13, 4, 4), np.uint8), "a kind that folders.geotiff reads"),
    ],
    ids=["16 bits", "signs", "13 bands"],
)
def test_a_raster_that_is_no_picture_is_sent_to_its_reader(tmp_path, values, message):
    with pytest.raises(StageError, match=message):
        Decoder().decode(geotiff(tmp_path / "a.tif", values), "a")


DAMAGED = {
    "nothing": b"",
    "text": b"<html>404</html>",
    "cut png": png(colour(0, 64))[:400],
    "cut jpeg": saved(FRAMES[0], "JPEG")[:300],
    "cut tiff": saved(FRAMES[0], "TIFF")[:60],
    "head of a tiff": b"II*\0",
    "circle of directories": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "heif": b"\0\0\0\x18ftypheic" + bytes(50),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_picture_is_one_line(content):
    with pytest.raises(StageError, match=r"^here: not a readable image \(.*\)$"):
        Decoder().decode(content, "here")


def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded():
    head = png(np.zeros((1, 1, 3), np.uint8))
    size = (60_000).to_bytes(4, "big") * 2
    huge = head[:16] + size + head[24:29]
    content = huge + zlib.crc32(huge[12:]).to_bytes(4, "big") + head[33:]
    with pytest.raises(StageError, match="exceeds limit"), opened(content, "here"):
        pass
