"""Sources of an unexpected kind, and odd files in them: every reader reads them right or says one line about them."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from command_line import package
from image_files import class_folders, colour, parquet, pixels, png, source
from jobs import FolderJob
from PIL import Image
from readers import COUNTING, eurosat, read

from harness.errors import HarnessError, StageError
from harness.formats.image_folder import rows
from harness.stages.data import rsicd
from harness.stages.data.corpus import read as read_corpus
from harness.stages.data.corpus.texts import LinePattern
from harness.stages.data.folders import captioned, geotiff, hub, hub_captioned, images, torchgeo
from harness.stages.data.folders.torchgeo_sets import DatasetName
from harness.stages.data.likelihoods import read as read_likelihoods
from harness.stages.data.predictions import read as read_predictions
from harness.stages.metrics.features.reading import read as read_features
from harness.stages.systems.prompt_writer import from_file
from harness.stages.systems.text_to_image import folder as generated

BANDS = {"bands": ("r", "g", "b"), "scale": (0.0, 255.0)}
READERS = {
    "images": (images, {}),
    "captioned": (captioned, {}),
    "geotiff": (geotiff, BANDS),
    "hub": (hub, {}),
    "hub_captioned": (hub_captioned, {}),
    "rsicd": (rsicd.load, {}),
    "generated": (generated, {}),
    "predictions": (read_predictions, {}),
    "likelihoods": (read_likelihoods, {}),
    "features": (read_features, {"extractor": "x"}),
    "prompts": (from_file, {}),
}
EUROSAT = {"dataset": DatasetName.from_text("EuroSAT")}


def a_text(place):
    place.write_text("words")


def a_zip(place):
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("lake/0.png", png(colour(0)))


def an_empty_file(place):
    place.write_bytes(b"")


def a_folder_of_binaries(place):
    place.mkdir()
    (place / "a.bin").write_bytes(bytes(range(256)))


def a_folder_with_a_zip(place):
    place.mkdir()
    a_zip(place / "a.zip")


def a_parquet_without_the_columns(place):
    place.mkdir()
    parquet(place / "train-00000-of-00001.parquet", [{"x": 1}])


def a_parquet_without_rows(place):
    place.mkdir()
    table = pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.string())})
    pq.write_table(table, place / "train-00000-of-00001.parquet")


def a_folder_named_as_a_list(place):
    (place / "metadata.jsonl").mkdir(parents=True)
    (place / "metadata.jsonl" / "a.txt").write_text("x")


KINDS = [
    a_text, a_zip, an_empty_file, a_folder_of_binaries, a_folder_with_a_zip, a_parquet_without_the_columns,
    a_parquet_without_rows, a_folder_named_as_a_list,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_a_source_of_another_kind_is_one_line_that_names_it(tmp_path, name, kind):
    stage, parameters = READERS[name]
    place = tmp_path / "mine"
    kind(place)
    with pytest.raises(HarnessError) as e:
        stage(source=source(place), **parameters, job=FolderJob(tmp_path / "job"))
    told = str(e.value)
    assert "\n" not in told
    assert "mine" in told or "train-00000-of-00001.parquet" in told
    assert str(tmp_path / "job") not in told


@pytest.mark.slow  # imports TorchGeo
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dataset", ["EuroSAT", "UCMerced"])
def test_torchgeo_says_what_is_missing_and_where(tmp_path, dataset, kind):
    kind(tmp_path / "mine")
    with pytest.raises(StageError) as e:
        torchgeo(
            dataset=DatasetName.from_text(dataset),
            source=source(tmp_path / "mine"),
            job=FolderJob(tmp_path / "job"),
        )
    told = str(e.value)
    assert "\n" not in told
    assert str(tmp_path / "mine") in told
    assert str(tmp_path / "job") not in told
    assert "download=True" not in told


@pytest.mark.slow
def test_a_damaged_file_of_torchgeo_is_named_as_the_source_names_it(tmp_path):
    root = eurosat(tmp_path)
    (root / "EuroSATallBands.zip").write_bytes(b"PK\3\4")
    with pytest.raises(StageError, match=r"^EuroSAT refuses its defaults \(BadZipFile: ") as e:
        torchgeo(**EUROSAT, source=source(root), job=FolderJob(tmp_path / "job"))
    assert "\n" not in str(e.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transform": rasterio.Affine(10, 0, 0, 0, 10, 0)}, r"Forest_7\.tif: its rows are stored turned"),
        ({"scales": [0.1] * 13}, r"Forest_\d\.tif and .*Forest_7\.tif: unlike in scale and offset"),
    ],
    ids=["turned", "scaled"],
)
def test_what_torchgeo_would_not_see_is_refused(tmp_path, change, message):
    root, file = eurosat(tmp_path), tmp_path / "one.tif"
    shape = {"driver": "GTiff", "count": 13, "height": 8, "width": 8, "dtype": "uint16"}
    with rasterio.open(file, "w", **shape, transform=change.get("transform")) as out:
        out.write(np.ones((13, 8, 8), np.uint16))
        if "scales" in change:
            out.scales = change["scales"]
    with zipfile.ZipFile(root / "EuroSATallBands.zip", "a") as archive:
        archive.write(file, "ds/images/remote_sensing/otherDatasets/sentinel_2/tif/Forest/Forest_7.tif")
    with pytest.raises(StageError, match=message):
        torchgeo(**EUROSAT, source=source(root), job=FolderJob(tmp_path / "job"))


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


RGB = Image.fromarray(colour(1, 12))
READ = {
    "bilevel": (encoded(RGB.convert("1"), "PNG"), {"bilevel": 1}),
    "grey": (encoded(RGB.convert("L"), "PNG"), {"grey": 1}),
    "grey with alpha": (encoded(RGB.convert("LA"), "PNG"), {"grey with alpha": 1}),
    "palette": (encoded(RGB.quantize(8), "PNG"), {"palette": 1}),
    "palette with a hole": (encoded(RGB.quantize(8), "PNG", transparency=0), {"palette": 1}),
    "CMYK": (encoded(RGB.convert("CMYK"), "JPEG"), {"CMYK": 1}),
    "JPEG under another name": (encoded(RGB, "JPEG"), {}),
    "GIF of one frame": (encoded(RGB, "GIF"), {"palette": 1}),
    "damaged notes": (encoded(RGB, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), {}),
}


@pytest.mark.parametrize(("content", "converted"), READ.values(), ids=READ.keys())
def test_an_odd_picture_is_read_and_counted(tmp_path, content, converted):
    root = class_folders(tmp_path / "own")
    (root / "lake" / "odd.png").write_bytes(content)
    made = images(source=source(root), job=FolderJob(tmp_path / "job"))
    assert made.facts["converted"] == converted
    assert pixels(made.path / "lake" / "odd.png").shape == (12, 12, 3)


def test_sixteen_bits_and_floats_need_a_scale_and_not_a_number_is_black(tmp_path):
    root = class_folders(tmp_path / "own")
    deep = np.linspace(0, 1, 144, dtype=np.float32).reshape(12, 12)
    deep[3] = np.nan
    (root / "lake" / "odd.tif").write_bytes(encoded(Image.fromarray(deep), "TIFF"))
    with pytest.raises(
        StageError, match=r"lake/odd\.tif: more than 8 bits per pixel, values 0 to 1; say which"
    ):
        images(source=source(root), job=FolderJob(tmp_path / "none"))
    made = images(source=source(root), scale=(0.0, 1.0), job=FolderJob(tmp_path / "job"))
    picture = pixels(made.path / "lake" / "odd.png")
    assert (picture[3] == 0).all()
    assert picture[11].min() > 200


def test_a_mask_in_a_picture_is_left_to_the_reader_that_has_one(tmp_path):
    root = class_folders(tmp_path / "own")
    shape = {"driver": "GTiff", "count": 3, "height": 12, "width": 12, "dtype": "uint8", "photometric": "RGB"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(root / "lake" / "odd.tif", "w", **shape) as out,
    ):
        out.write(colour(1, 12).transpose(2, 0, 1))
        out.write_mask(np.eye(12, dtype=bool))
    with pytest.raises(
        StageError, match=r"lake/odd\.tif: has a mask of its own, which folders\.geotiff reads"
    ):
        images(source=source(root), job=FolderJob(tmp_path / "none"))
    for file in root.rglob("*.png"):
        file.unlink()
    (root / "town" / "odd.tif").write_bytes((root / "lake" / "odd.tif").read_bytes())
    made = geotiff(source=source(root), order=("r", "g", "b"), **BANDS, job=FolderJob(tmp_path / "job"))
    assert made.facts["no-data pixels"] == 2 * (144 - 12)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"path": "x.png", "bytes": None}, r"row 1: the image is only a path \('x.png'\)"),
        (None, "row 1: the image has no bytes"),
        ({"path": "x.png", "bytes": b"words"}, "row 1: not a readable image"),
    ],
    ids=["path", "null", "words"],
)
def test_an_odd_image_in_parquet_is_named_by_its_row(tmp_path, value, message):
    good = {"image": {"path": None, "bytes": png(colour(0))}, "label": "a"}
    parquet(tmp_path / "own.parquet", [good, {"image": value, "label": "b"}])
    with pytest.raises(StageError, match=message):
        hub(source=source(tmp_path / "own.parquet"), job=FolderJob(tmp_path / "job"))


def test_images_in_folders_are_sent_to_their_reader(tmp_path):
    with pytest.raises(
        StageError, match=r"no parquet files, only 6 \.png; folders\.images reads folders of images"
    ):
        hub(source=source(class_folders(tmp_path / "own")), job=FolderJob(tmp_path / "job"))


@pytest.mark.parametrize("head", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_a_list_in_csv_from_a_spreadsheet(tmp_path, head):
    root = tmp_path / "own"
    root.mkdir()
    for i in range(2):
        (root / f"{i}.png").write_bytes(png(colour(i)))
    (root / "metadata.csv").write_bytes(
        f"{head}file_name,text\r\n0.png,a lake\r\n\r\n1.png,a town\r\n  \r\n".encode()
    )
    made = generated(source=source(root), prompt="text", job=FolderJob(tmp_path / "job"))
    assert [row.captions for row in rows(made)] == [("a lake",), ("a town",)]
    (root / "metadata.csv").write_bytes("file_name,text\n0.png,a lake\n".encode("utf-16"))
    with pytest.raises(StageError, match=r"metadata\.csv:1: not UTF-8 \(byte 0xff\); convert it"):
        generated(source=source(root), prompt="text", job=FolderJob(tmp_path / "again"))


TABLES = {
    "predictions": (read_predictions, '{{"item": "{}", "label": "a", "prediction": "b"}}'),
    "likelihoods": (read_likelihoods, '{{"item": "{}", "tokens": 1, "bytes": 4, "nll": 1.5}}'),
}


@pytest.mark.parametrize("name", TABLES)
def test_blank_lines_are_no_rows_and_equal_names_are_one_item(tmp_path, name):
    stage, line = TABLES[name]
    file = tmp_path / "own.jsonl"
    file.write_text(f"{line.format('0.png')}\n{line.format('é.png')}\n\n   \t\n\n")
    made = stage(source=source(file), job=FolderJob(tmp_path / "job"))
    assert 2 in made.facts.values()
    for again in ("./0.png", "e\u0301.png", " 0.png"):
        file.write_text(f"{line.format('0.png')}\n{line.format('é.png')}\n{line.format(again)}\n")
        with pytest.raises(
            StageError, match=r"own\.jsonl:3: the item .* a second time, first at .*own\.jsonl:[12]$"
        ):
            stage(source=source(file), job=FolderJob(tmp_path / f"twice {again[0]}"))


def test_items_that_differ_in_case_are_two(tmp_path):
    line = TABLES["predictions"][1]
    (tmp_path / "own.jsonl").write_text(f"{line.format('aB')}\n{line.format('Ab')}\n")
    made = read_predictions(source=source(tmp_path / "own.jsonl"), job=FolderJob(tmp_path / "job"))
    assert made.facts["count"] == 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/a.jsonl", "test/a.jsonl"), "test, train are splits; name the folder of one as the source"),
        (("lake/0.txt", "town/0.txt"), r"0\.txt: its class would be '0', and lake is not read"),
    ],
)
def test_folders_of_prompts_that_would_not_be_read_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / "own" / name).parent.mkdir(parents=True)
        (tmp_path / "own" / name).write_text('{"prompt": "a lake", "label": "a"}\n')
    with pytest.raises(StageError, match=message):
        from_file(source=source(tmp_path / "own"), job=FolderJob(tmp_path / "job"))


def test_a_line_separator_begins_no_document(tmp_path):
    (tmp_path / "own.txt").write_text("# one\na\u2028# two\nb\f# three\n# four\nc\n")
    heading = LinePattern.from_text("# .*")
    made = read_corpus(source=source(tmp_path / "own.txt"), heading=heading, job=FolderJob(tmp_path / "job"))
    assert made.facts["documents"] == 2


def test_every_reader_of_folders_counts_what_it_passes_over(tmp_path):
    line = TABLES["predictions"][1]
    (tmp_path / "own" / "__MACOSX").mkdir(parents=True)
    (tmp_path / "own" / "a.jsonl").write_text(f"{line.format('0')}\n")
    (tmp_path / "own" / "__MACOSX" / "b.jsonl").write_text("x")
    (tmp_path / "own" / "._a.jsonl").write_text("x")
    made = read_predictions(source=source(tmp_path / "own"), job=FolderJob(tmp_path / "job"))
    assert made.facts["passed over"] == {"._*": 1, "__MACOSX": 1}
    parquet(
        tmp_path / "hub" / "train-00000-of-00001.parquet",
        [{"image": png(colour(i)), "label": n} for i, n in enumerate("ab")],
    )
    (tmp_path / "hub" / "Thumbs.db").write_text("x")
    (tmp_path / "hub" / ".gitattributes").write_text("x")
    made = hub(source=source(tmp_path / "hub"), job=FolderJob(tmp_path / "hub job"))
    assert made.facts["passed over"] == {"Thumbs.db": 1}


def test_through_the_command_line_a_failed_reader_is_one_line_and_exit_code_5(project, monkeypatch):
    monkeypatch.syspath_prepend(package(project.folder / "site", "counting", COUNTING))
    root = class_folders(project.folder / "own")
    (root / "lake" / "cut.png").write_bytes(png(colour(1))[:60])
    made = read(project, "{use: folders.images, source: 'path:../own'}")
    assert made.code == 5
    assert made.said.startswith(f"{root / 'lake' / 'cut.png'}: not a readable image (")
    missing = read(project, "{use: folders.images, source: 'path:../nothing'}")
    assert missing.code == 2
