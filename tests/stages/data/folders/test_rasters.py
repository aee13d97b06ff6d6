"""GeoTIFFs with named bands, no data, and a scale; files that GDAL would read other files for."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from image_files import everything, pixels, source
from jobs import FolderJob
from PIL import Image
from rasterio.enums import ColorInterp

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import geotiff
from harness.stages.data.folders.rasters import refuse_references

NORTH_UP = Affine(10, 0, 5e5, 0, -10, 5e6)
NAMES = ("B02", "B03", "B04", "B08")


def write(file, values, names=NAMES, nodata=None, transform=NORTH_UP, units=(), **more):
    """Values: (bands, H, W). Units: scale and offset of all bands."""
    file.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype, "nodata": nodata}
    place = {"crs": "EPSG:32632", "transform": transform}
    with rasterio.open(file, "w", driver="GTiff", **shape, **place, **more) as out:
        out.write(values)
        if units:
            out.scales, out.offsets = ([number] * count for number in units)
        if names:
            out.descriptions = names


def values(index, dtype=np.uint16):
    return np.random.default_rng(index).integers(1, 4000, (4, 8, 8)).astype(dtype)


@pytest.fixture
def data(tmp_path):
    for i, name in enumerate(["lake", "lake", "town", "town"]):
        write(tmp_path / "rasters" / name / f"{i}.tif", values(i))
    return tmp_path / "rasters"


def read(root, job_root, **parameters):
    parameters = {"bands": ("B04", "B03", "B02"), "scale": (0.0, 3000.0), **parameters}
    return geotiff(source=source(root), **parameters, job=FolderJob(job_root))


def test_named_bands_become_red_green_blue_scaled_to_8_bits(data, tmp_path):
    made = read(data, tmp_path / "job")
    found = {row.name: row for row in rows(made)}
    expected = np.rint(np.clip(values(2)[[2, 1, 0]] / 3000 * 255, 0, 255)).astype(np.uint8)
    assert (pixels(found["town/2.png"].path) == expected.transpose(1, 2, 0)).all()
    assert found["town/2.png"].label == "town"
    assert made.facts["classes"] == ["lake", "town"]
    clipped = sum(int((values(i)[:3] > 3000).sum()) for i in range(4))
    assert made.facts["clipped values"] == clipped > 0


@pytest.mark.proves("folders.geotiff", "level")
def test_the_level_chooses_the_folder(data, tmp_path):
    for folder in ("lake", "town"):
        (data / folder).rename(tmp_path / folder)
    for year in ("2019", "2020"):
        write(data / year / "lake" / "0.tif", values(0))
        write(data / year / "town" / "0.tif", values(1))
    with pytest.raises(StageError, match="folders in folders, such as 2019/lake"):
        read(data, tmp_path / "none")
    one, two = (read(data, tmp_path / str(n), level=n) for n in (1, 2))
    assert (one.facts["classes"], two.facts["classes"]) == (["2019", "2020"], ["lake", "town"])


@pytest.mark.proves("folders.geotiff", "units")
def test_the_files_scale_and_offset_are_applied_unless_raw_numbers_are_asked_for(data, tmp_path):
    for file in data.rglob("*.tif"):
        write(file, values(0), units=(0.0001, -0.1))
    made = read(data, tmp_path / "file", scale=(0.0, 0.3))
    expected = np.rint(np.clip((values(0)[[2, 1, 0]] * 0.0001 - 0.1) / 0.3 * 255, 0, 255)).astype(np.uint8)
    assert (pixels(made.path / "town" / "2.png") == expected.transpose(1, 2, 0)).all()
    assert made.facts["converted"] == {"scale and offset of the file": 4}
    raw = read(data, tmp_path / "raw", units="raw")
    plain = np.rint(np.clip(values(0)[[2, 1, 0]] / 3000 * 255, 0, 255)).astype(np.uint8)
    assert (pixels(raw.path / "town" / "2.png") == plain.transpose(1, 2, 0)).all()


def test_a_set_in_which_only_some_files_have_a_scale_is_refused_with_two_files(data, tmp_path):
    write(data / "town" / "3.tif", values(3), units=(0.0001, 0.0))
    with pytest.raises(StageError, match=r"town/3\.tif: has a scale of its own, and .*lake/0\.tif has none"):
        read(data, tmp_path / "job")


def test_a_scale_of_some_bands_only_is_refused(data, tmp_path):
    with rasterio.open(data / "lake" / "0.tif", "r+") as file:
        file.scales = (0.0001, 1.0, 0.0001, 1.0)
    with pytest.raises(
        StageError, match=r"lake/0\.tif: some of its bands have a scale of their own and others"
    ):
        read(data, tmp_path / "job")


def test_an_order_that_contradicts_the_names_in_the_files_is_followed_and_told(data, tmp_path):
    assert "warnings" not in read(data, tmp_path / "agreed", order=NAMES).facts
    turned = tuple(NAMES[i] for i in (2, 1, 0, 3))
    told = read(data, tmp_path / "told", order=turned).facts["warnings"]
    assert told == [f"the files call their bands {', '.join(NAMES)}; order is followed instead"]
    write(data / "town" / "3.tif", values(3)[[2, 1, 0, 3]], names=turned)
    assert read(data, tmp_path / "own").facts["count"] == 4
    with pytest.raises(
        StageError, match=r"lake/0\.tif and .*town/3\.tif are unlike in the names of their bands"
    ):
        read(data, tmp_path / "unlike", order=NAMES)


def test_reflectances_beside_counts_are_refused_with_two_files(data, tmp_path):
    write(data / "town" / "3.tif", (values(3) / 10_000).astype(np.float32))
    with pytest.raises(
        StageError, match=r"lake/0\.tif has whole numbers up to .*3\.tif floats up to 0\.\d+: unlike"
    ):
        read(data, tmp_path / "job")


def test_units_that_are_named_must_be_the_same(data, tmp_path):
    for name, unit in (("lake/0.tif", "K"), ("town/3.tif", "degC")):
        with rasterio.open(data / name, "r+") as file:
            file.units = [unit] * 4
    with pytest.raises(StageError, match=r"lake/0\.tif and .*town/3\.tif are unlike in units: K, degC"):
        read(data, tmp_path / "job")


@pytest.mark.parametrize(
    ("transform", "restored"),
    [
        (Affine(10, 0, 0, 0, 10, 0), lambda a: a[:, ::-1]),
        (Affine(-10, 0, 0, 0, -10, 0), lambda a: a[:, :, ::-1]),
        (Affine(0, 10, 0, -10, 0, 0), lambda a: a.swapaxes(1, 2)),
    ],
    ids=["south up", "west right", "on its side"],
)
def test_rasters_are_turned_so_that_north_is_up(data, tmp_path, transform, restored):
    before = pixels(read(data, tmp_path / "before").path / "lake" / "0.png")
    holed = values(0)
    write(data / "lake" / "0.tif", np.ascontiguousarray(restored(holed)), transform=transform)
    made = read(data, tmp_path / "after")
    assert (pixels(made.path / "lake" / "0.png") == before).all()
    assert made.facts["converted"] == {"turned": 1}


def test_a_raster_at_an_angle_to_north_is_refused(data, tmp_path):
    write(data / "lake" / "0.tif", values(0), transform=Affine(10, 3, 0, 3, -10, 0))
    with pytest.raises(StageError, match=r"lake/0\.tif: rows at an angle to north; warp it first"):
        read(data, tmp_path / "job")


def test_several_pictures_in_a_file_are_refused(data, tmp_path):
    frames = [Image.fromarray(np.full((8, 8), i, np.uint8)) for i in range(3)]
    frames[0].save(data / "lake" / "0.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(StageError, match=r"lake/0\.tif: 3 pictures in one file"):
        read(data, tmp_path / "job", order=("B02",))


def test_a_scale_that_leaves_nothing_but_black_is_refused(data, tmp_path):
    with pytest.raises(StageError, match=r"every pixel becomes 255 by scale: \[0, 0\.5\]"):
        read(data, tmp_path / "job", scale=(0.0, 0.5))
    for file in data.rglob("*.tif"):
        write(file, values(0), units=(0.0001, 0.0))
    with pytest.raises(StageError, match=r"every pixel becomes 0 by .*\(units: raw takes them as stored\)"):
        read(data, tmp_path / "black")


def bytes_with_alpha(index):
    found = values(index, np.uint8)
    found[3, :4], found[3, 4:] = 0, 255
    return found


@pytest.mark.parametrize(
    ("names", "hidden"), [(NAMES, 0), (("B02", "B03", "B04", "alpha"), 128), (None, 0)], ids=str
)
def test_a_band_with_a_name_is_data_even_if_its_tag_is_transparency(data, tmp_path, names, hidden):
    for index, file in enumerate(sorted(data.rglob("*.tif"))):
        write(file, bytes_with_alpha(index), names=names, photometric="RGB", alpha="YES")
        with rasterio.open(file) as opened:
            assert opened.colorinterp[3] == ColorInterp.alpha
    made = read(data, tmp_path / "job", order=None if names else NAMES, scale=(0.0, 255.0))
    assert made.facts["no-data pixels"] == hidden


def test_colours_and_values_in_one_set_are_refused(data, tmp_path):
    with rasterio.open(
        data / "lake" / "0.tif", "w", driver="GTiff", count=1, height=8, width=8, dtype="uint8"
    ) as out:
        out.write(np.zeros((1, 8, 8), np.uint8))
        out.write_colormap(1, {0: (9, 8, 7, 255)})
    with pytest.raises(
        StageError, match=r"lake/0\.tif and .*lake/1\.tif are unlike in kind: colour table, values"
    ):
        read(data, tmp_path / "job")


@pytest.mark.proves("folders.geotiff", "bands scale order size resize")
@pytest.mark.parametrize(
    "change",
    [
        {"bands": ("B08", "B04", "B03")},
        {"scale": (0.0, 2000.0)},
        {"order": ("B04", "B03", "B02", "B08")},
        {"size": 6},
        {"size": 6, "resize": "nearest"},
    ],
    ids=str,
)
def test_every_parameter_changes_the_output(data, tmp_path, change):
    before = {"size": 6} if "resize" in change else {}
    assert everything(read(data, tmp_path / "a", **before)) != everything(
        read(data, tmp_path / "b", **change)
    )


def test_pixels_without_data_are_black_and_counted(data, tmp_path):
    holed = values(0)
    holed[1, :2] = 0
    write(data / "lake" / "0.tif", holed, nodata=0)
    made = read(data, tmp_path / "job")
    assert (made.facts["images with no-data pixels"], made.facts["no-data pixels"]) == (1, 16)
    picture = pixels(made.path / "lake" / "0.png")
    assert (picture[:2] == 0).all()
    assert (picture[2:] > 0).any()


def test_nan_is_no_data(data, tmp_path):
    holed = values(0, np.float32)
    holed[0, 0, 0] = np.nan
    write(data / "lake" / "0.tif", holed)
    assert read(data, tmp_path / "job").facts["no-data pixels"] == 1


def test_a_raster_without_any_data_is_refused(data, tmp_path):
    write(data / "lake" / "0.tif", np.zeros((4, 8, 8), np.uint16), nodata=0)
    with pytest.raises(StageError, match=r"lake/0\.tif: no pixel has data in all of B04, B03, B02"):
        read(data, tmp_path / "job")


def test_unnamed_bands_need_an_order(data, tmp_path):
    write(data / "lake" / "0.tif", values(0), names=None)
    with pytest.raises(StageError, match=r"lake/0\.tif: its 4 bands have no names; list them: order"):
        read(data, tmp_path / "job")
    assert everything(read(data, tmp_path / "ordered", order=NAMES))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bands": ("B4", "B03", "B02")}, "no band 'B4' among B02, B03, B04, B08; did you mean 'B04'"),
        ({"order": ("B02", "B03")}, "4 bands, but order names 2"),
        ({"order": ("B02", "B03", "B03", "B04")}, "more than one band 'B03'"),
        ({"scale": (3000.0, 0.0)}, "must ascend"),
    ],
)
def test_what_does_not_fit_is_refused(data, tmp_path, parameters, message):
    with pytest.raises(StageError, match=message):
        read(data, tmp_path / "job", **parameters)


def test_a_truncated_raster_is_named(data, tmp_path):
    file = data / "town" / "3.tif"
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(StageError, match=r"town/3\.tif: not a readable raster"):
        read(data, tmp_path / "job")


def vrt(target):
    """A raster that is a text, and reads another file."""
    band = (
        '<VRTRasterBand dataType="UInt16" band="{0}"><Description>{1}</Description><SimpleSource>'
        '<SourceFilename relativeToVRT="0">{2}</SourceFilename><SourceBand>{0}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )
    bands = "".join(band.format(i, name, target) for i, name in enumerate(NAMES, start=1))
    return f'<VRTDataset rasterXSize="8" rasterYSize="8">{bands}</VRTDataset>'


@pytest.mark.parametrize("target", ["outside.tif", "/vsicurl/http://127.0.0.1:9/a.tif"])
def test_a_text_that_refers_to_another_raster_is_no_tif(data, tmp_path, target):
    write(tmp_path / "outside.tif", values(9))
    place = target if target.startswith("/vsi") else tmp_path / target
    (data / "town" / "2.tif").write_text(vrt(place))
    if not target.startswith("/vsi"):
        with rasterio.open(data / "town" / "2.tif") as opened:  # what GDAL does unless it is kept from it
            assert (opened.read() == values(9)).all()
    with pytest.raises(StageError, match=r"town/2\.tif: not a readable raster"):
        read(data, tmp_path / "job")


def test_what_lies_beside_a_raster_is_not_read(data, tmp_path):
    before = everything(read(data, tmp_path / "before"))
    file = data / "town" / "2.tif"
    shape = {"driver": "GTiff", "count": 1, "height": 8, "width": 8, "dtype": "uint8"}
    with rasterio.open(f"{file}.msk", "w", **shape) as mask:
        mask.update_tags(INTERNAL_MASK_FLAGS_1="2")
        mask.write(np.zeros((1, 8, 8), np.uint8))
    with rasterio.open(file) as opened:  # what GDAL does unless it is kept from it
        assert not opened.read_masks(1).any()
    (data / "town" / "2.tif.ovr").write_text(vrt(tmp_path / "outside.tif"))
    (data / "town" / "2.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    made = read(data, tmp_path / "after")
    assert everything(made) == before
    assert made.facts["unread"] == {".msk": 1, ".ovr": 1, ".xml": 1}
    assert sorted(p.name for p in (data / "town").iterdir()) == [
        "2.tif", "2.tif.aux.xml", "2.tif.msk", "2.tif.ovr", "3.tif",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", b"<VRTDataset/>"),
        ("a.TIFF", b"\x89PNG\r\n"),
        ("a.vrt", b"anything"),
        ("a.jp2", b'<?xml version="1.0"?>\n<VRTDataset rasterXSize="1">'),
        ("a.png", b'<GDAL_WMS><Service name="TMS">'),
    ],
)
def test_files_for_which_gdal_would_read_others_are_refused_by_what_is_in_them(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=name):
        refuse_references([tmp_path / name])


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_a_tiff_of_either_order_and_size_is_taken(tmp_path, magic):
    (tmp_path / "a.tif").write_bytes(magic + bytes(8))
    (tmp_path / "labels.csv").write_bytes(b"a,b")
    refuse_references([tmp_path / "a.tif", tmp_path / "labels.csv"])
