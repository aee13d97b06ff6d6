"""Files as people have them, through the command line: each ends right, or in one line. docs/data.md is their table."""

import shutil

import numpy as np
import pytest
from command_line import package
from image_files import class_folders, colour, png, source
from jobs import FolderJob
from readers import CASES, COUNTING, read

from harness.stages.systems.prompt_writer import from_file

S2 = "use: folders.geotiff, bands: [B4, B3, B2]"


@pytest.fixture
def reader(project, monkeypatch):
    monkeypatch.syspath_prepend(package(project.folder / "site", "counting", COUNTING))
    return lambda line: read(project, line)


def two_classes(root, **files):
    """Each file in a class's folder: ``a="06/old.tif"`` is a/old.tif."""
    for label, names in files.items():
        (root / label).mkdir(parents=True)
        for name in names.split():
            shutil.copy(CASES / name, root / label)
    return root


def test_splits_are_no_classes_and_the_error_says_what_to_write(reader, tmp_path):
    root = tmp_path / "splits"
    shutil.copytree(CASES / "04" / "splits", root)
    for stage in ("use: folders.images", f"{S2}, scale: [0, 1]"):
        if "geotiff" in stage:
            for file in root.rglob("*.png"):
                file.rename(file.with_suffix(".tif"))
        made = reader(f"{{{stage}, source: 'path:../splits'}}")
        assert made.code == 5
        assert (
            "test, train are splits of the data, not classes; write source: 'path:../splits/train'"
            in made.said
        )
        assert "level: 2 to pool them" in made.said


def test_what_the_error_about_splits_says_is_right(reader, tmp_path):
    shutil.copytree(CASES / "04" / "splits", tmp_path / "splits")
    one = reader("{use: folders.images, source: 'path:../splits/train'}")
    assert (one.facts["classes"], one.facts["count"]) == (["aa", "bb"], 6)
    pooled = reader("{use: folders.images, source: 'path:../splits', level: 2}")
    assert (pooled.facts["classes"], pooled.facts["count"]) == (["aa", "bb"], 12)


def test_a_picture_is_turned_as_its_camera_says_and_counted(reader, tmp_path):
    two_classes(tmp_path / "photos", a="05/rot.jpg", b="05/rot.jpg")
    made = reader("{use: folders.images, source: 'path:../photos'}")
    assert {image.shape for image in made.images.values()} == {(64, 32, 3)}
    assert made.facts["converted"] == {"turned": 2}
    shutil.copy(CASES / "05" / "train-00000-of-00001.parquet", tmp_path)
    packed = reader("{use: folders.hub, source: 'path:../train-00000-of-00001.parquet'}")
    assert {image.shape for image in packed.images.values()} == {(48, 32, 3)}
    assert packed.facts["converted"] == {"turned": 4}


def test_scale_and_offset_of_the_file_are_applied(reader, tmp_path):
    two_classes(tmp_path / "s2", a="06/old.tif", b="06/new.tif")
    made = reader(f"{{{S2}, scale: [0, 0.3], source: 'path:../s2'}}")
    old, new = made.images["a/old.png"], made.images["b/new.png"]
    assert abs(old.astype(int) - new).max() <= 1
    assert old.std() > 10
    assert made.facts["converted"] == {"scale and offset of the file": 2}


def test_numbers_as_stored_in_unlike_units_are_refused_with_both_files(reader, tmp_path):
    two_classes(tmp_path / "s2", a="06/old.tif", b="06/new.tif")
    made = reader(f"{{{S2}, scale: [0, 3000], units: raw, source: 'path:../s2'}}")
    assert made.code == 5
    assert "a/old.tif and " in made.said
    assert "b/new.tif are unlike in their own scale and offset: 0.0001 and 0, 0.0001 and -0.1" in made.said
    as_stored = reader(f"{{{S2}, scale: [0, 3000], source: 'path:../s2'}}")
    assert "every pixel becomes 0 by scale: [0, 3000]" in as_stored.said
    assert "units: raw" in as_stored.said


def test_images_whose_names_would_collide_stay_three(reader, tmp_path):
    two_classes(tmp_path / "own", a="07/t.jpg 07/t.tif 07/t.jpg.png", b="07/t.jpg")
    made = reader("{use: folders.images, source: 'path:../own'}")
    means = [
        tuple(image.reshape(-1, 3).mean(0).argsort()[-1:]) for n, image in made.images.items() if n[0] == "a"
    ]
    assert len(means) == len(set(means)) == 3
    assert len({name.casefold() for name in made.images}) == 4


def test_a_raster_stored_from_south_to_north_is_the_same_picture(reader, tmp_path):
    two_classes(tmp_path / "s2", a="08/north.tif", b="08/south.tif")
    made = reader(f"{{{S2}, scale: [0, 3000], source: 'path:../s2'}}")
    north, south = made.images.values()
    assert (north == south).all()
    assert (north[::-1] != south).any()
    assert made.facts["converted"] == {"turned": 1}


def test_labels_in_a_csv_are_read(reader, tmp_path):
    shutil.copytree(CASES / "09" / "metacsv", tmp_path / "own")
    made = reader("{use: folders.images, source: 'path:../own'}")
    assert made.facts["classes"] == ["aa", "bb"]
    assert made.labels["x/0.png"] == "bb"


@pytest.mark.parametrize(
    "name",
    [
        "labels.csv",
        "_annotations.coco.json",
        "_classes.csv",
        "classes.txt",
        "lake/0.txt",
        "train.txt",
        "tiles.tsv",
        "splits.json",
    ],
)
def test_a_label_file_in_another_format_is_named(reader, tmp_path, name):
    root = class_folders(tmp_path / "own")
    (root / name).write_text("lake\n")
    made = reader("{use: folders.images, source: 'path:../own'}")
    assert made.said.startswith(f"{root / name}: seems to name the classes, but is not read")
    ignored = reader("{use: folders.images, source: 'path:../own', level: 1}")
    assert ignored.facts["classes"] == ["lake", "town"]
    assert sum(ignored.facts["unread"].values()) == 1


def test_the_preview_in_a_photo_is_no_second_frame(reader, tmp_path):
    two_classes(tmp_path / "photos", a="11/dji.jpg", b="05/rot.jpg")
    made = reader("{use: folders.images, source: 'path:../photos'}")
    assert made.facts["converted"] == {"first of several pictures": 1, "turned": 1}


@pytest.mark.parametrize("second", ["./0.png", "x/../0.png"])
def test_one_image_in_two_spellings_is_refused_with_both_lines(reader, tmp_path, second):
    root = tmp_path / "own"
    root.mkdir()
    for i in range(6):
        (root / f"{i}.png").write_bytes(png(colour(i)))
    text = (CASES / "12" / "dup.metadata.jsonl").read_text()
    (root / "metadata.jsonl").write_text(text.replace("./0.png", second))
    made = reader("{use: folders.images, source: 'path:../own'}")
    assert f"metadata.jsonl:7: {second} a second time, first at" in made.said
    assert made.said.endswith("metadata.jsonl:1")
    shutil.copy(CASES / "12" / "blank.metadata.jsonl", root / "metadata.jsonl")
    assert reader("{use: folders.images, source: 'path:../own'}").facts["count"] == 6


def test_a_line_separator_in_a_text_ends_no_row(tmp_path):
    (tmp_path / "prompts").mkdir()
    shutil.copy(CASES / "12" / "u2028.jsonl", tmp_path / "prompts")
    made = from_file(source=source(tmp_path / "prompts"), job=FolderJob(tmp_path / "job"))
    assert made.facts["count"] == 2


def test_a_colour_table_is_read_as_its_colours_by_both_readers(reader, tmp_path):
    shutil.copytree(CASES / "23" / "palette", tmp_path / "maps")
    raster = reader("{use: folders.geotiff, bands: [R, G, B], scale: [0, 255], source: 'path:../maps'}")
    picture = reader("{use: folders.images, source: 'path:../maps'}")
    assert raster.facts["converted"] == picture.facts["converted"] == {"palette": 2}
    for name, image in raster.images.items():
        assert (image == picture.images[name]).all()
        assert len(np.unique(image.reshape(-1, 3), axis=0)) >= 3


def test_a_band_that_the_suite_names_is_data_whatever_its_tag(reader, tmp_path):
    shutil.copytree(CASES / "24" / "naip_nir", tmp_path / "naip")
    line = "{use: folders.geotiff, order: [r, g, b, %s], bands: [r, g, b], scale: [0, 255], source: 'path:../naip'}"
    named = reader(line % "n")
    assert named.facts["no-data pixels"] == 0
    assert min(image.max(axis=-1).min() for image in named.images.values()) > 0
    tagged = reader(line % "alpha")
    assert tagged.facts["no-data pixels"] == 1024


def test_what_systems_leave_behind_is_passed_over_and_counted(reader, tmp_path):
    root = class_folders(tmp_path / "own")
    before = reader("{use: folders.images, source: 'path:../own'}")
    (root / "__MACOSX" / "lake").mkdir(parents=True)
    (root / "__MACOSX" / "lake" / "._0.png").write_bytes(b"\0\5\26\7")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "lake/._0.png", "lake/.DS_Store"):
        (root / name).write_bytes(b"\0")
    shutil.rmtree(tmp_path / ".harness")  # nothing that counts has changed, so the key is the same
    after = reader("{use: folders.images, source: 'path:../own'}")
    assert after.images.keys() == before.images.keys()
    assert after.facts["unread"] == {}
    assert after.facts["passed over"] == {
        "._*": 1, ".DS_Store": 2, "Thumbs.db": 1, "__MACOSX": 1, "desktop.ini": 1,
    }  # fmt: skip
    assert "passed over" not in before.facts
