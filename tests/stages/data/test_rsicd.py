"""RSICD from its parquet files."""

import os
from pathlib import Path

import numpy as np
import pytest
from image_files import colour, everything, parquet, png, source
from jobs import FolderJob

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve
from harness.stages.data import rsicd

CLASSES = ("pond", "storage_tanks", "beach")


def record(name, index, size=16):
    captions = [f"sentence {k} about {name} ." for k in range(5)]
    return {
        "filename": f"rsicd_images/{name}.jpg",
        "captions": captions,
        "image": {"bytes": png(colour(index, size)), "path": None},
    }


def records(start, count):
    return [record(f"{CLASSES[i % 3]}_{i}", i) for i in range(start, start + count)]


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "rsicd"
    parquet(root / "data" / "train-00000-of-00002.parquet", records(0, 20))
    parquet(root / "data" / "train-00001-of-00002.parquet", records(20, 10))
    parquet(root / "data" / "valid-00000-of-00001.parquet", records(30, 6))
    parquet(root / "data" / "test-00000-of-00001.parquet", [*records(36, 6), record("00042", 42)])
    return root


def split(data, job_root, **parameters):
    parameters = {"size": 16, "held_out": 10, **parameters}
    return rsicd.split(source=source(data), job=FolderJob(job_root), **parameters)


def names(images):
    return [row.name for row in rows(images)]


def test_all_rows_are_pooled_and_the_asked_number_held_out(data, tmp_path):
    made = split(data, tmp_path / "job")
    assert len(names(made.test)) == 10
    assert len(names(made.train)) == 33
    assert not set(names(made.test)) & set(names(made.train))
    assert made.test.facts["count"] == 10


def test_pixels_captions_and_classes_are_those_of_the_row(data, tmp_path):
    made = split(data, tmp_path / "job")
    found = {row.name: row for side in made for row in rows(side)}
    row = found["storage_tanks_1.png"]
    assert row.path.read_bytes().startswith(b"\x89PNG")
    assert row.captions == tuple(record("storage_tanks_1", 1)["captions"])
    assert row.label == "storage_tanks"
    assert found["00042.png"].label is None
    assert sum(side.facts["unlabelled"] for side in made) == 1
    assert made.train.facts["classes"] == ["beach", "pond", "storage_tanks"]


def test_what_is_held_out_depends_on_seed_and_names_alone(data, tmp_path):
    golden = ["beach_29", "beach_5", "pond_27", "pond_33", "storage_tanks_28"]
    first = split(data, tmp_path / "a", held_out=5)
    assert sorted(n.removesuffix(".png") for n in names(first.test)) == golden
    merged = tmp_path / "merged"
    every = [*records(0, 42), record("00042", 42)]
    parquet(merged / "train-00000-of-00001.parquet", list(reversed(every)))
    assert set(names(split(merged, tmp_path / "b", held_out=5).test)) == set(names(first.test))


@pytest.mark.proves("rsicd.split", "size resize held_out seed")
@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"held_out": 11}, {"size": 12}, {"size": 12, "resize": "nearest"}], ids=str
)
def test_every_parameter_changes_the_output(data, tmp_path, change):
    before = {"size": 12} if "resize" in change else {}
    assert everything(split(data, tmp_path / "a", **before).test) != everything(
        split(data, tmp_path / "b", **change).test
    )


def test_the_published_splits_stay_as_they_are(data, tmp_path):
    made = rsicd.published(source=source(data), size=16, job=FolderJob(tmp_path / "job"))
    assert [side.facts["count"] for side in made] == [30, 6, 7]
    assert "00042.png" in names(made.test)
    smaller = rsicd.published(source=source(data), size=8, job=FolderJob(tmp_path / "small"))
    nearest = rsicd.published(
        source=source(data), size=8, resize="nearest", job=FolderJob(tmp_path / "nearest")
    )
    assert len({str(everything(m.test)) for m in (made, smaller, nearest)}) == 3


def test_an_image_that_comes_twice_is_kept_once_and_counted(data, tmp_path):
    parquet(data / "data" / "valid-00000-of-00001.parquet", [*records(30, 6), record("pond_0", 0)])
    made = split(data, tmp_path / "job")
    assert sum(len(names(side)) for side in made) == 43
    assert made.train.facts["repeated"] == 1
    with pytest.raises(StageError, match="pond_0 is in more than one published split"):
        rsicd.published(source=source(data), size=16, job=FolderJob(tmp_path / "published"))


def test_an_image_that_comes_twice_has_the_sentences_of_both_rows(data, tmp_path):
    again = {**record("pond_0", 0), "captions": ["sentence 0 about pond_0 .", "a pond .", "a pond ."]}
    parquet(data / "data" / "valid-00000-of-00001.parquet", [*records(30, 6), again])
    made = split(data, tmp_path / "job")
    (row,) = (row for side in made for row in rows(side) if row.name == "pond_0.png")
    assert row.captions == (*record("pond_0", 0)["captions"], "a pond .")
    assert made.train.facts["repeated"] == 1


def test_sentences_of_one_row_stay_as_they_are(data, tmp_path):
    twice = {**record("pond_77", 77), "captions": ["a pond .", "a pond .", "water ."]}
    parquet(data / "data" / "valid-00000-of-00001.parquet", [twice])
    (row,) = (
        row for side in split(data, tmp_path / "job") for row in rows(side) if row.name == "pond_77.png"
    )
    assert row.captions == ("a pond .", "a pond .", "water .")


@pytest.mark.parametrize("bits", [8, 16])
def test_more_than_8_bits_are_refused_without_advice_that_nobody_can_follow(data, tmp_path, bits):
    values = np.arange(256, dtype=np.uint16 if bits == 16 else np.uint8).reshape(16, 16)
    grey = {**record("pond_77", 77), "image": {"bytes": png(values)}}
    parquet(data / "data" / "valid-00000-of-00001.parquet", [grey])
    if bits == 8:
        assert split(data, tmp_path / "job").train.facts["converted"] == {"grey": 1}
        return
    with pytest.raises(
        StageError, match=r"pond_77\.jpg: more than 8 bits per pixel, which RSICD.* have not"
    ) as e:
        split(data, tmp_path / "job")
    assert "say which become" not in str(e.value)


def test_one_name_for_two_images_is_refused(data, tmp_path):
    parquet(data / "data" / "valid-00000-of-00001.parquet", [*records(30, 6), record("pond_0", 99)])
    with pytest.raises(StageError, match=r"row 6: rsicd_images/pond_0\.jpg comes a second time"):
        split(data, tmp_path / "job")


def test_progress_reaches_its_total(data, tmp_path):
    job = FolderJob(tmp_path / "job")
    rsicd.split(source=source(data), held_out=5, job=job)
    assert job.reports[-1] == (43, 43, "images")


def test_holding_out_everything_is_refused(data, tmp_path):
    with pytest.raises(StageError, match="held_out: 43 of 43 images"):
        split(data, tmp_path / "job", held_out=43)


def test_a_truncated_file_is_named(data, tmp_path):
    file = data / "data" / "train-00001-of-00002.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StageError, match=r"train-00001-of-00002\.parquet: cut short"):
        split(data, tmp_path / "job")


def test_damage_in_the_middle_of_a_file_is_named(data, tmp_path):
    file = data / "data" / "train-00000-of-00002.parquet"
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    file.write_bytes(content)
    with pytest.raises(StageError, match=r"train-00000-of-00002\.parquet: damaged after row"):
        split(data, tmp_path / "job")


def test_a_missing_file_of_a_split_is_named(data, tmp_path):
    (data / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(StageError, match="train file 00000 of 00002 is missing"):
        split(data, tmp_path / "job")


def test_flipped_bytes_in_an_image_are_named_by_file_and_row(data, tmp_path):
    bad = record("pond_7", 7)
    content = bytearray(bad["image"]["bytes"])
    content[60:90] = bytes(b ^ 0xFF for b in content[60:90])
    bad["image"]["bytes"] = bytes(content)
    parquet(data / "data" / "valid-00000-of-00001.parquet", [record("pond_6", 6), bad])
    with pytest.raises(
        StageError, match=r"valid-00000-of-00001\.parquet row 1, rsicd_images/pond_7\.jpg: not a"
    ):
        split(data, tmp_path / "job")


def without(column):
    return {k: v for k, v in record("pond_77", 77).items() if k != column}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (without("captions"), "no column 'captions', only filename, image"),
        ({**without("filename"), "file_name": "a"}, "no column 'filename'.*did you mean 'file_name'"),
        ({**record("pond_77", 77), "captions": None}, "row 0: captions must be sentences, not None"),
        ({**record("pond_77", 77), "captions": [1, 2]}, "row 0: captions must be sentences"),
        ({**record("pond_77", 77), "captions": ["a", " "]}, r"row 0: a blank caption of .*pond_77\.jpg"),
        ({**record("pond_77", 77), "captions": ""}, "row 0: a blank caption"),
        ({**record("pond_77", 77), "image": {"path": "a.jpg"}}, "row 0: the image is only a path"),
        ({**record("pond_77", 77), "filename": 3}, "row 0: filename is 3, not a file name"),
    ],
)
def test_another_schema_is_refused_naming_what_is_there(data, tmp_path, row, message):
    parquet(data / "data" / "valid-00000-of-00001.parquet", [row])
    with pytest.raises(StageError, match=message):
        split(data, tmp_path / "job")


def test_no_parquet_at_all_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StageError, match="no parquet files"):
        split(tmp_path / "empty", tmp_path / "job")


@pytest.mark.skipif("HARNESS_MIRROR" not in os.environ, reason="needs a mirror with arampacha/rsicd")
def test_the_real_data_set_is_read_whole(tmp_path):
    place = Source.from_text("arampacha/rsicd@unpinned")
    mirror, cache = Path(os.environ["HARNESS_MIRROR"]), DigestCache(tmp_path / "digests")
    real = resolve(place, mirror=mirror, cache=cache, download=False)
    made = rsicd.published(source=real, size=32, job=FolderJob(tmp_path / "job"))
    assert all(side.facts["count"] > 0 and side.facts["repeated"] == 0 for side in made)
    assert len(made.train.facts["classes"]) == 30
    assert all(len(row.captions) == 5 for row in rows(made.test))
