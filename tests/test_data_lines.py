"""The lines of README and the documents that read data are run, each on a small layout of what it names."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from command_line import Project, package
from image_files import class_folders, colour, parquet, png
from readers import COUNTING, eurosat
from reportlab.pdfgen import canvas
from test_documents import ALL

from harness.artifact import Corpus, Predictions
from harness.suite import registry

READERS = re.compile(
    r"(folders\.(images|captioned|hub|hub_captioned|geotiff|torchgeo)|rsicd\.\w+|text_to_image\.folder|predictions\.read"
    r"|likelihoods\.read|features\.read|prompt_writer\.from_file|corpus\.read(_pdfs)?)"
)
COMMIT = "0123456789" * 4


def lines() -> dict[str, dict[str, Any]]:
    """Every stage that reads data, in blocks of YAML that are no whole suites, by its document and name."""
    found = {}
    for block in ALL:
        body = yaml.safe_load(block.text) if block.language == "yaml" else None
        if not isinstance(body, dict) or "suite" in body:  # whole suites are run by test_documents
            continue
        inner = body.get("stages")
        for name, stage in {**body, **(inner if isinstance(inner, dict) else {})}.items():
            if isinstance(stage, dict) and READERS.fullmatch(str(stage.get("use"))):
                found[f"{block.document.stem}-{name}"] = stage
    return found


LINES = lines()


def rasters(root: Path, names: tuple[str, ...], high: int, units: tuple[float, float] | None = None) -> None:
    for i, label in enumerate(("lake", "town")):
        (root / label).mkdir(parents=True)
        values = np.random.default_rng(i).integers(1, high, (len(names) or 4, 8, 8))
        kind = "uint8" if high < 256 else "uint16"
        with rasterio.open(
            root / label / "0.tif", "w", driver="GTiff", count=len(values), height=8, width=8, dtype=kind
        ) as out:
            out.write(values.astype(kind))
            if names:
                out.descriptions = names
            if units:
                out.scales, out.offsets = ([number] * len(values) for number in units)


def listed(root: Path, name: str, **columns: str) -> None:
    root.mkdir(parents=True)
    rows = []
    for i, label in enumerate(("lake", "town")):
        (root / f"{i}.png").write_bytes(png(colour(i)))
        rows.append({"file_name": f"{i}.png", **{c: v.format(label) for c, v in columns.items()}})
    with (root / name).open("w", newline="") as file:
        if name.endswith(".csv"):
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def hub(project: Path) -> None:
    records = [{"img": png(colour(i)), "class": name} for i, name in enumerate(("lake", "town"))]
    parquet(project / "mirror" / "org" / "name" / "data" / "train-00000-of-00001.parquet", records)
    (project / "mirror" / "org" / "name" / ".revision").write_text(COMMIT)


def papers(project: Path) -> None:
    out = io.BytesIO()
    page = canvas.Canvas(out)
    page.drawString(50, 800, "Sentinel-2 has thirteen bands.")
    page.save()
    (project / "papers").mkdir()
    (project / "papers" / "one.pdf").write_bytes(out.getvalue())


def predictions(project: Path) -> None:
    (project / "out").mkdir()
    (project / "out" / "seed-0.csv").write_text("item,label,prediction\n0.png,a,a\n1.png,b,a\n")


S2 = ("B2", "B3", "B4")
LAYOUTS: dict[str, Callable[[Path], Any]] = {
    "data/tiles": lambda p: class_folders(p / "data" / "tiles"),
    "data/years": lambda p: [class_folders(p / "data" / "years" / year) for year in ("2019", "2020")],
    "data/listed": lambda p: listed(p / "data" / "listed", "metadata.csv", land_cover="{}"),
    "data/told": lambda p: listed(p / "data" / "told", "metadata.jsonl", text="a {} from above"),
    "data/s2": lambda p: rasters(p / "data" / "s2", S2, 3000),
    "data/boa": lambda p: rasters(p / "data" / "boa", S2, 3000, (0.0001, 0.0)),
    "data/naip": lambda p: rasters(p / "data" / "naip", (), 255),
    "data/eurosat": lambda p: eurosat(p / "data"),
    "images": lambda p: listed(p / "images", "metadata.jsonl", prompt="a {} from above"),
    "out/seed-{seed}.csv": predictions,
    "papers": papers,
    "org/name": hub,
}


def test_the_documents_have_lines_of_most_readers() -> None:
    used = {stage["use"] for stage in LINES.values()}
    assert used >= {
        *("folders.images", "folders.captioned", "folders.geotiff", "folders.hub", "folders.torchgeo"),
        *("text_to_image.folder", "predictions.read", "corpus.read_pdfs"),
    }


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(p, marks=[pytest.mark.slow] if s["use"] == "folders.torchgeo" else [])
        for p, s in LINES.items()
    ],
)
def test_a_line_reads_what_it_names(project: Project, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.syspath_prepend(package(project.folder / "site", "counting", COUNTING))
    stage = LINES[place]
    (project.folder / "mirror").mkdir()
    LAYOUTS[stage["source"].removeprefix("path:../").partition("@")[0]](project.folder)
    stage = {**stage, "source": stage["source"].replace("<commit>", COMMIT)}
    (output,) = registry.find(stage["use"]).outputs.values()
    metric = {"use": "counting.count", "images": "mine"}
    if issubclass(output, Predictions):
        metric = {"use": "classification.accuracies", "predictions": "mine"}
    elif issubclass(output, Corpus):
        metric = {"use": "counting.pieces", "corpus": "mine"}
    suite = {
        "suite": "line",
        "about": place,
        "subject": ["mine"],
        "stages": {"mine": stage},
        "metrics": {"m": metric},
    }
    (project.folder / "suites" / "line.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    said = project.harness("run", "line", "--mirror", project.folder / "mirror")
    assert said.code in (0, 4), said.err + said.out
    assert project.states() == {"mine": {"executed"}, "m": {"executed"}}
