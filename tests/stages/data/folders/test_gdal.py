"""Files that GDAL would read other files for."""

import pytest

from harness.errors import StageError
from harness.stages.data.folders.rasters import refuse_references


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
def test_they_are_refused_by_what_is_in_them(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=name):
        refuse_references([tmp_path / name])


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_a_tiff_of_either_order_and_size_is_taken(tmp_path, magic):
    (tmp_path / "a.tif").write_bytes(magic + bytes(8))
    (tmp_path / "labels.csv").write_bytes(b"a,b")
    refuse_references([tmp_path / "a.tif", tmp_path / "labels.csv"])
