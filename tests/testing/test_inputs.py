"""Small inputs: the same for equal arguments, and like what stages get in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import UsageError
from harness.formats.image_folder import rows
from harness.sources.content import DigestCache
from harness.sources.resolve import read_again
from harness.stages.data import folders
from harness.testing import FolderJob, content, image_folder, picture, source


def test_an_image_folder_has_classes_captions_and_pictures_that_differ(tmp_path: Path) -> None:
    images = image_folder(tmp_path / "a", ["lake", "town"], each=3, size=8)
    found = list(rows(images))
    assert [row.label for row in found] == ["lake", "town"] * 3
    assert all(row.captions == (f"a {row.label} from above",) for row in found)
    assert images.facts == {"classes": ["lake", "town"], "count": 6}
    assert len({row.path.read_bytes() for row in found}) == 6
    with Image.open(found[0].path) as image:
        assert (image.mode, image.size) == ("RGB", (8, 8))
    assert content(image_folder(tmp_path / "b", ["lake", "town"], each=3, size=8)) == content(images)
    assert content(image_folder(tmp_path / "c", ["lake", "town"], each=3, size=8, seed=1)) != content(images)
    with pytest.raises(FileExistsError):
        image_folder(tmp_path / "a")


def test_a_picture_is_noise_around_a_colour() -> None:
    pixels = np.asarray(picture(3, 32), dtype=float)
    assert pixels.std(axis=(0, 1)).min() > 15
    assert abs(pixels.mean() - np.asarray(picture(4, 32)).mean()) > 1


def test_a_source_is_what_a_stage_gets(tmp_path: Path) -> None:
    for label in ("lake", "town"):
        (tmp_path / "tiles" / label).mkdir(parents=True)
        picture(len(label)).save(tmp_path / "tiles" / label / "0.png")
    given = source(tmp_path / "tiles")
    images = folders.images(source=given, job=FolderJob(tmp_path / "job"))
    assert [row.label for row in rows(images)] == ["lake", "town"]
    assert read_again(given, DigestCache(tmp_path / "cache")) == given
    picture(9).save(tmp_path / "tiles" / "lake" / "1.png")
    assert source(tmp_path / "tiles").to_key() != given.to_key()
    with pytest.raises(UsageError, match="nowhere"):
        source(tmp_path / "nowhere")
