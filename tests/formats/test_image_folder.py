"""What we write is an image folder as the hub's own library reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import FolderJob
from PIL import Image

from harness.artifact import Images
from harness.errors import StageError
from harness.formats.image_folder import Writer, rows
from harness.stages.data import scenes


@pytest.mark.slow
def test_datasets_reads_pixels_labels_and_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets: Any = pytest.importorskip("datasets")
    drawn = scenes.draw(per_class=2, size=32, job=FolderJob(tmp_path / "job"))
    read = datasets.load_dataset(
        "imagefolder", data_dir=str(drawn.path), split="train", cache_dir=str(tmp_path / "cache")
    )
    ours = {row.captions: row for row in rows(drawn)}
    assert len(read) == len(ours) == 14
    for theirs in read:
        row = ours[tuple(theirs["captions"])]
        assert theirs["label"] == row.label
        np.testing.assert_array_equal(np.asarray(theirs["image"]), np.asarray(Image.open(row.path)))


def test_a_copied_image_keeps_its_bytes_and_a_column_may_have_any_name(tmp_path: Path) -> None:
    columns: Any = {"label": "lake", "captions": ["a lake"], "image": 3, "name": "x", "self": None}
    for folder in ("made", "copied"):
        (tmp_path / folder).mkdir()
    with Writer(tmp_path / "made") as out:
        out.add(np.full((4, 4, 3), 7, np.uint8), "lake/0.png", **columns)
    (made,) = rows(Images(tmp_path / "made"))
    with Writer(tmp_path / "copied") as out:
        out.copy(made.path, "1.png", **columns)
        assert out.count == 1
    (copied,) = rows(Images(tmp_path / "copied"))
    assert copied.path.read_bytes() == made.path.read_bytes()
    assert (copied.name, copied.label, copied.captions) == ("1.png", "lake", ("a lake",))
    assert copied.columns == made.columns == {"image": 3, "name": "x", "self": None}


def test_no_image_is_written_over_another(tmp_path: Path) -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    with Writer(tmp_path) as out:
        out.add(picture, "a/t.png", label="a")
        out.add(picture, "b/t.png", label="b")
        before = (tmp_path / "a" / "t.png").read_bytes()
        with pytest.raises(StageError, match=r"t\.png: two images have this name"):
            out.add(picture + 1, "a/t.png", label="a")
        with pytest.raises(StageError, match=r"t\.png: two images have this name"):
            out.copy(tmp_path / "b" / "t.png", "a/../a/t.png", label="a")
    assert (tmp_path / "a" / "t.png").read_bytes() == before
    assert out.count == 2
