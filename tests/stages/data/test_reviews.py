"""Collected ratings become an artifact, or a line that says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_files import source
from jobs import FolderJob
from rated import invented

from harness.errors import StageError
from harness.review import rating_table
from harness.stages.data import reviews

GIVEN = {"Ann": {"one": [4, 5], "real": [5, 5]}, "Bob": {"one": [3, 3], "real": [4, 5]}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run" / rating_table.FILE
    path.parent.mkdir()
    rating_table.write(path, invented(GIVEN))
    return path


@pytest.mark.proves("reviews.read", "source")
def test_another_source_is_another_set_of_ratings(file: Path, tmp_path: Path) -> None:
    made = reviews.read(source=source(file), job=FolderJob(tmp_path))
    assert rating_table.read(made.path / rating_table.FILE) == invented(GIVEN)
    assert made.facts == {
        "raters": 2,
        "images": 4,
        "ratings": 8,
        "systems": ["real", "one"],
        "asked": "class",
    }
    rating_table.write(file, invented({"Ann": GIVEN["Ann"]}))
    other = reviews.read(source=source(file.parent), job=FolderJob(tmp_path / "other"))
    assert other.facts["raters"] == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(schema="harness.ratings/1"),
        lambda body: body.pop("review"),
        lambda body: body["ratings"][0]["scales"].update(realism=9),
        lambda body: body["ratings"][0]["scales"].update(realism=2.7),
        lambda body: body["ratings"][0].update(scales=[4]),
        lambda body: body["ratings"][0].update(rater=None),
        lambda body: body["ratings"].append(body["ratings"][0]),
        lambda body: body["ratings"][0].pop("picture"),
        lambda body: body.update(ratings=[]),
    ],
)
def test_what_is_no_ratings_file_is_refused_in_a_line(file: Path, tmp_path: Path, spoil) -> None:
    body = json.loads(file.read_text())
    spoil(body)
    file.write_text(json.dumps(body))
    with pytest.raises(StageError, match=r"ratings\.json: ") as refused:
        reviews.read(source=source(file), job=FolderJob(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_folder_without_ratings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"ratings\.json: cannot be read"):
        reviews.read(source=source(tmp_path), job=FolderJob(tmp_path))
