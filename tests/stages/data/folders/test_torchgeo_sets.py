"""TorchGeo's classification data sets. Importing TorchGeo takes seconds, so what needs it is marked slow."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
from image_files import everything, pixels, source
from jobs import FolderJob
from readers import EUROSAT, eurosat, sentinel

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import torchgeo
from harness.stages.data.folders.torchgeo_sets import DatasetName
from harness.suite.typed import to_json


def test_a_name_is_known_without_importing_torchgeo():
    code = (
        "import sys; from harness.stages.data.folders.torchgeo_sets import DatasetName; "
        "DatasetName.from_text('EuroSAT'); sys.exit('torchgeo' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert to_json(DatasetName.from_text("EuroSAT")) == "EuroSAT"


@pytest.mark.parametrize("text", ["EuroSat", "stack_samples", ""])
def test_an_unknown_name_is_refused_with_the_nearest(text):
    with pytest.raises(ValueError, match=r"torchgeo\.datasets has no"):
        DatasetName.from_text(text)


def test_the_nearest_name_is_proposed():
    with pytest.raises(ValueError, match="did you mean 'EuroSAT'"):
        DatasetName.from_text("EuroSat")


@pytest.fixture
def sat(tmp_path):
    return eurosat(tmp_path)


def read(root, job_root, name="EuroSAT", **parameters):
    base = {"split": "train", "bands": ("B04", "B03", "B02"), "scale": (0.0, 3000.0)}
    parameters = {k: v for k, v in {**base, **parameters}.items() if v is not None}
    return torchgeo(
        dataset=DatasetName.from_text(name), source=source(root), **parameters, job=FolderJob(job_root)
    )


@pytest.mark.proves("folders.torchgeo", "split bands scale size resize")
@pytest.mark.slow
def test_eurosat_is_read_where_it_lies_and_every_parameter_changes_the_output(sat, tmp_path):
    made = read(sat, tmp_path / "job")
    assert made.facts["classes"] == list(EUROSAT)
    found = {row.label: row for row in rows(made)}
    expected = np.rint(np.clip(sentinel(0)[[3, 2, 1]] / 3000 * 255, 0, 255)).astype(np.uint8)
    assert (pixels(found["Forest"].path) == expected.transpose(1, 2, 0)).all()
    assert {p.name for p in sat.iterdir()} == {
        "EuroSATallBands.zip",
        *(f"eurosat-{s}.txt" for s in ("train", "val", "test")),
    }
    changes = [
        {"split": "val"},
        {"bands": ("B08", "B04", "B03")},
        {"scale": (0.0, 2000.0)},
        {"size": 6},
        {"size": 6, "resize": "nearest"},
    ]
    outputs = [everything(read(sat, tmp_path / f"change{i}", **c)) for i, c in enumerate(changes)]
    assert len({str(o) for o in [everything(made), *outputs]}) == len(changes) + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scale": None}, r"EuroSAT item 0: values [0-9]+ to [0-9]+; say which become 0 and 255"),
        ({"split": "trian"}, "EuroSAT refuses split=trian; it has train, val, test; did you mean 'train'"),
        (
            {"bands": ("B4", "B03", "B02")},
            "bands: EuroSAT has no band 'B4', only B01, B02, .*did you mean 'B04'",
        ),
        (
            {"bands": None},
            r"item 0: shape \(13, 8, 8\), expected three bands; bands: \[B04, B03, B02\], out of B01",
        ),
        (
            {"bands": None, "scale": None},
            r"out of B01, .*; and, as values reach 39\d\d, scale: \[low, high\]$",
        ),
        ({"name": "UCMerced"}, "bands: UCMerced has no such option, only root, split"),
        ({"name": "NAIP"}, "NAIP is no data set of single images"),
    ],
)
def test_what_does_not_fit_is_one_line(sat, tmp_path, parameters, message):
    with pytest.raises(StageError, match=message) as e:
        read(sat, tmp_path / "job", **parameters)
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.slow
def test_values_that_would_all_be_black_are_refused(tmp_path):
    with pytest.raises(StageError, match=r"no value is above 1, all black in 8 bits; scale: \[0, 1\]\?"):
        read(eurosat(tmp_path, 2), tmp_path / "job", scale=None)


@pytest.mark.slow
def test_a_folder_without_the_data_set_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StageError, match="EuroSAT is not in the source"):
        read(tmp_path / "empty", tmp_path / "job")


@pytest.mark.slow
def test_a_raster_in_the_archive_that_refers_to_another_file_is_refused(sat, tmp_path):
    text = f'<VRTDataset rasterXSize="8" rasterYSize="8"><Source>{tmp_path}/one.tif</Source></VRTDataset>'
    inside = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif/Forest/Forest_9.tif"
    with zipfile.ZipFile(sat / "EuroSATallBands.zip", "a") as archive:
        archive.writestr(inside, text)
    with pytest.raises(StageError, match=r"Forest_9\.tif: no TIFF"):
        read(sat, tmp_path / "job")
