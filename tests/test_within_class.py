"""Captions that are shuffled among images of their class: planted in a folder, found through the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from command_line import Project
from tiny_alignment import COLOURS, FIELDS

from harness.errors import Exit
from harness.formats.image_folder import Writer

CLASSES = {"red": "warm", "white": "warm", "green": "cold", "blue": "cold"}
SUITE = """\
suite: toy/captions
subject: [images]
stages:
  seen:   {use: folders.captioned, source: "path:../seen", captions: prompt}
  words:  {use: text_to_image.train_tokenizer, captions: [seen], vocabulary: 600}
  judge:  {use: alignment.train, data: seen, tokenizer: words, epochs: 40, batch_size: 8, patch: 16, size: 32,
           width: 32, layers: 1}
  images: {use: text_to_image.folder, source: "path:../images", label: label}
metrics:
  within_class: {use: alignment.within_class, images: images, model: judge}
gate:
  within_class.margin: 0.2
"""


def painted(folder: Path, seed: int, *, label: bool = True) -> None:
    """Squares in four colours of two classes, with a sentence each."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    with Writer(folder) as out:
        for i in range(24):
            colour = list(COLOURS)[i % 4]
            pixels = rng.normal(COLOURS[colour], 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            columns = {"label": CLASSES[colour]} if label else {}
            out.add(pixels, f"{i:02d}.png", prompt=FIELDS[i // 8].format(colour), **columns)


def reshuffled(folder: Path) -> None:
    """Every sentence goes to another image of its class that has another."""
    file = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rng = random.Random(0)
    for name in set(CLASSES.values()):
        of_class = [row for row in rows if row["label"] == name]
        given = [row["prompt"] for row in of_class]
        rng.shuffle(given)
        for row, prompt in zip(of_class, given, strict=True):
            row["prompt"] = prompt
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def captions(project: Project) -> Project:
    (project.folder / "suites" / "captions.yaml").write_text(SUITE)
    painted(project.folder / "seen", 1)
    painted(project.folder / "images", 2)
    return project


def test_captions_shuffled_within_their_class_end_regressed(captions: Project) -> None:
    first = captions.harness("run", "suites/captions.yaml")
    assert first.code == Exit.INCOMPARABLE, first.err  # with nothing yet
    fitting = captions.latest["scores"][0]["repeats"][0]["values"]
    assert fitting["margin"] > 0.3
    captions.accept("toy/captions")
    reshuffled(captions.folder / "images")
    second = captions.harness("run", "suites/captions.yaml")
    shuffled = captions.latest["scores"][0]["repeats"][0]["values"]
    assert abs(shuffled["margin"]) < 0.2
    assert second.code == Exit.REGRESSED, second.out
    assert "regressed" in second.out


def test_images_without_classes_are_told_of_in_one_line(captions: Project) -> None:
    suite = captions.folder / "suites" / "captions.yaml"
    suite.write_text(SUITE.replace(", label: label}", "}"))
    said = captions.harness("run", "suites/captions.yaml")
    assert said.code == Exit.FAILED
    assert "image 00.png: no class, so that captions cannot be shuffled within classes" in said.out + said.err


def test_measuring_is_not_under_test_and_what_reads_the_subject_ends_incomparable(captions: Project) -> None:
    """Another tool's images, resized by the suite: the resize is no improvement of them."""
    assert captions.harness("run", "suites/captions.yaml").code == Exit.INCOMPARABLE  # with nothing yet
    captions.accept("toy/captions")
    said = captions.harness("run", "suites/captions.yaml", "--set", "images.size=16")
    assert said.code == Exit.INCOMPARABLE
    assert "images.size" in said.out
    assert "incomparable" in said.out
