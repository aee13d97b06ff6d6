"""A data set as the hub's own library reads it, and as ours does: the same pixels, classes and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from generated_images import CLASSES, generated, structure
from image_files import pixels, source
from jobs import FolderJob

from harness.artifact import DataSet, GeneratedImages, Images, Json, Scenes
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data import scenes
from harness.stages.data.folders import hub, hub_captioned
from harness.stages.data.synthetic import dataset, filter, join, read, size_category
from harness.stages.data.synthetic.joining import Copy, Labelled, copy

SAMPLING: Json = {"scheduler": "pndm", "steps": 50, "guidance": 7.5, "negative": "blurry | deformed"}


def packed(root: Path, images: Images, **changed: Any) -> DataSet:
    settings = {"name": "Scenes: a test", "licence": "cc-by-4.0"} | changed
    return dataset(images, **settings, job=FolderJob(root))


@pytest.fixture
def images(tmp_path: Path) -> GeneratedImages:
    return generated(tmp_path / "images", facts={"sampling": SAMPLING}, seed=11, writer="templates")


def test_our_own_reader_gives_back_pixels_classes_and_columns(
    images: GeneratedImages, tmp_path: Path
) -> None:
    made = packed(tmp_path / "set", images)
    back = read(made, job=FolderJob(tmp_path / "back"))
    before, after = list(rows(images)), list(rows(back))
    assert back.facts["classes"] == list(CLASSES)
    assert len(before) == len(after) == 9
    for ours, theirs in zip(before, after, strict=True):
        assert theirs.label == ours.label
        assert theirs.columns == {"prompt": ours.columns["prompt"], "seed": 11, "writer": "templates"}
        np.testing.assert_array_equal(pixels(theirs.path), pixels(ours.path))


def test_it_is_a_source_like_any_data_set_of_the_hub(images: GeneratedImages, tmp_path: Path) -> None:
    place = source(packed(tmp_path / "set", images).path)
    labelled = hub(source=place, job=FolderJob(tmp_path / "a"))
    assert [row.label for row in rows(labelled)] == [row.label for row in rows(images)]
    columns = {"image": "image", "captions": "prompt"}
    captioned = hub_captioned(source=place, columns=columns, job=FolderJob(tmp_path / "b"))
    assert [row.captions[0] for row in rows(captioned)] == [row.columns["prompt"] for row in rows(images)]


@pytest.mark.slow
def test_datasets_loads_the_folder_with_images_and_classes(
    images: GeneratedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets: Any = pytest.importorskip("datasets")
    made = packed(tmp_path / "set", images, shard_bytes=6000)
    assert int(str(made.facts["files"])) > 1
    data = datasets.load_dataset(str(made.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(data.features["image"], datasets.Image)
    assert data.features["label"].names == list(CLASSES)
    assert data.column_names == ["image", "label", "prompt", "seed", "writer"]
    assert len(data) == 9
    for theirs, ours in zip(data, rows(images), strict=True):
        assert data.features["label"].int2str(theirs["label"]) == ours.label
        assert (theirs["prompt"], theirs["seed"], theirs["writer"]) == (
            ours.columns["prompt"],
            11,
            "templates",
        )
        np.testing.assert_array_equal(np.asarray(theirs["image"]), pixels(ours.path))


@pytest.mark.proves("synthetic.dataset", "name licence about shard_bytes")
def test_every_parameter_changes_the_data_set(images: GeneratedImages, tmp_path: Path) -> None:
    def files(folder: str, **changed: Any) -> dict[str, bytes]:
        root = packed(tmp_path / folder, images, **changed).path
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    plain = files("plain")
    assert files("again") == plain
    assert set(plain) == {"README.md", "data/train-00000-of-00001.parquet"}
    for change in ({"name": "Another"}, {"licence": "mit"}, {"about": "Not for maps."}):
        other = files(next(iter(change)), **change)
        assert other["README.md"] != plain["README.md"], change
        assert other["data/train-00000-of-00001.parquet"] == plain["data/train-00000-of-00001.parquet"]
    assert set(files("sharded", shard_bytes=1)) == {
        "README.md",
        *(f"data/train-{i:05d}-of-00009.parquet" for i in range(9)),
    }


@pytest.mark.parametrize("images_in_a_file", [1, 2, 4, 20])
def test_a_file_is_as_full_as_it_may_be(
    images: GeneratedImages, tmp_path: Path, images_in_a_file: int
) -> None:
    sizes = [row.path.stat().st_size for row in rows(images)]
    most = images_in_a_file * max(sizes)
    files = sorted((packed(tmp_path / "set", images, shard_bytes=most).path / "data").iterdir())
    done = 0
    for file in files:
        count = pq.ParquetFile(file).metadata.num_rows
        assert 0 < sum(sizes[done : done + count]) <= most
        done += count
        assert done == len(sizes) or sum(sizes[done - count : done + 1]) > most
    assert done == len(sizes)


def test_the_card_says_what_the_hub_and_people_ask(images: GeneratedImages, tmp_path: Path) -> None:
    kept = filter(images, duplicate_distance=0, job=FolderJob(tmp_path / "kept")).kept
    card = (packed(tmp_path / "set", kept, about="Made for a test.").path / "README.md").read_text()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "pretty_name": "Scenes: a test",
        "license": "cc-by-4.0",
        "task_categories": ["image-classification"],
        "size_categories": ["n<1K"],
        "tags": ["synthetic"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}],
    }
    for line in (
        "# Scenes: a test",
        "9 images in 3 classes. Each was generated from the prompt beside it by a text-to-image model.",
        "Made for a test.",
        "| 1 | Crop Land | 3 |",
        "| scheduler | pndm |",
        "| guidance | 7.5 |",
        r"| negative | blurry \| deformed |",
        "| templates | 9 |",
        "| Crop Land | 0 |",
    ):
        assert line in body.splitlines(), line
    assert "by nobody" in body


def test_real_images_in_it_are_not_called_generated(images: GeneratedImages, tmp_path: Path) -> None:
    real = scenes.draw(per_class=1, size=32, job=FolderJob(tmp_path / "real"))
    some = [row for row in rows(real) if row.label in CLASSES]
    few = Scenes(tmp_path / "few", {"classes": list(CLASSES)})
    few.path.mkdir()
    copy([Copy(Labelled(row, str(row.label)), row.name, {}) for row in some], few.path)
    kept = filter(images, job=FolderJob(tmp_path / "kept")).kept
    both = join((few, kept), origins=("drawn", "generated"), job=FolderJob(tmp_path / "both"))
    made = packed(tmp_path / "set", both)
    assert made.facts["with_prompt"] == 9
    body = (made.path / "README.md").read_text().splitlines()
    assert (
        "12 images in 3 classes. 9 of them were generated from the prompt beside it by a text-to-image model."
        in body
    )
    assert "| drawn | 3 |" in body


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"seed": "seven"}, "00000.png: expected texts for prompt and writer and a whole number for seed"),
        ({"writer": 3}, "expected texts for prompt and writer"),
    ],
)
def test_columns_of_other_types_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(StageError, match=message):
        packed(tmp_path / "set", generated(tmp_path / "images", **columns))


def test_one_class_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="one class only"):
        packed(tmp_path / "set", generated(tmp_path / "images", [("Snow Ice", structure(0))]))


@pytest.mark.parametrize(
    ("count", "word"),
    [
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (388, "n<1K"),
        (10**6, "1M<n<10M"),
        (10**7, "10M<n<100M"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_are_the_hub_s_words(count: int, word: str) -> None:
    assert size_category(count) == word
