"""A reader of data in a suite of its own, through the command line: what it made of a folder, or what it said."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from command_line import Project
from image_files import pixels

from harness.formats.strict_json import objects

CASES = Path(__file__).parent / "cases"
COUNTING = """\
from dataclasses import dataclass

from harness.artifact import Corpus, Images
from harness.formats.image_folder import rows
from harness.stage import Higher, Scores, stage


@dataclass(frozen=True, kw_only=True)
class CountScores(Scores):
    images: Higher


@stage(version=1)
def count(images: Images) -> CountScores:
    \"\"\"The number of images.\"\"\"
    return CountScores(images=float(len(list(rows(images)))))


@stage(version=1)
def pieces(corpus: Corpus) -> CountScores:
    \"\"\"The number of files of a corpus.\"\"\"
    return CountScores(images=float(len(list(corpus.path.iterdir()))))
"""
EUROSAT = ("Forest", "River")


def sentinel(index: int, high: int = 4000) -> np.ndarray:
    """Thirteen bands of eight by eight, uint16."""
    return np.random.default_rng(index).integers(1, high, (13, 8, 8)).astype(np.uint16)


def eurosat(folder: Path, high: int = 4000) -> Path:
    """EuroSAT's layout, as it is downloaded: an archive and lists of the splits. Returns its root."""
    root = folder / "eurosat"
    root.mkdir(parents=True)
    shape = {"driver": "GTiff", "count": 13, "height": 8, "width": 8, "dtype": "uint16"}
    with zipfile.ZipFile(root / "EuroSATallBands.zip", "w") as archive:
        for i, name in enumerate(EUROSAT * 2):
            file = folder / "one.tif"
            with rasterio.open(file, "w", **shape) as out:
                out.write(sentinel(i, high))
            inside = f"ds/images/remote_sensing/otherDatasets/sentinel_2/tif/{name}/{name}_{i}.tif"
            archive.write(file, inside)
    for split, indices in {"train": (0, 1), "val": (2, 3), "test": (0, 3)}.items():
        lines = [f"{EUROSAT[i % 2]}_{i}.jpg\n" for i in indices]
        (root / f"eurosat-{split}.txt").write_text("".join(lines))
    return root


class Read(NamedTuple):
    """What a reader ended with."""

    code: int
    said: str
    """The one line about the failed task; empty if it was read."""
    facts: Mapping[str, Any]
    images: Mapping[str, np.ndarray]
    labels: Mapping[str, str | None]


def read(project: Project, line: str) -> Read:
    """Run a suite with the stage ``line``, and take what it made out of the store.

    The package ``counting`` (see ``COUNTING``) must be importable.
    """
    (project.folder / "suites" / "reader.yaml").write_text(
        f"suite: reader\nabout: One reader.\nsubject: [mine]\nstages:\n  mine: {line}\n"
        "metrics:\n  number: {use: counting.count, images: mine}\ngate:\n  number.images: 1.0\n"
    )
    ran = project.harness("run", "suites/reader.yaml")
    assert "Traceback" not in ran.err + ran.out, ran.err
    if ran.code == 2:
        return Read(2, ran.error, {}, {}, {})
    (task,) = (task for task in project.latest["tasks"] if task["node"] == "mine")
    if task["state"] == "failed":
        assert "\n" not in task["error"], task["error"]
        assert str(project.folder / ".harness") not in task["error"]
        return Read(ran.code, task["error"], {}, {}, {})
    taken = project.folder / f"taken-{len(project.runs)}"
    assert project.harness("export", str(project.runs[-1]), "mine", "--to", taken).code == 0
    found = [row for _, row in objects(taken / "metadata.jsonl")]
    images = {row["file_name"]: pixels(taken / row["file_name"]) for row in found}
    return Read(ran.code, "", task["facts"], images, {row["file_name"]: row.get("label") for row in found})
