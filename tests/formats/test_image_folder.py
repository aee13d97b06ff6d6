"""What we write is an image folder as the hub's own library reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import FolderJob
from PIL import Image

from harness.formats.image_folder import rows
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
