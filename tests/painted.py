"""Runs of the toy painter (``toy_package/toy_images.py``): what pictures in a report are drawn from."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console
from toy_suites import write_suite

from harness.evaluation.preparing import Request, prepare
from harness.evaluation.session import execute
from harness.report.files import write_run
from harness.store.artifacts import Store
from harness.store.record import Run

GALLERY = """\
suite: toy/gallery
about: Coloured squares.
subject: [images]
stages:
  real:    {use: toy_images.scenes, per_class: 6, seed: 3}
  seen:    {use: toy_images.scenes, per_class: 6, seed: 4}
  painter: {use: toy_images.train}
  drawn:   {use: toy_images.encode, painter: painter, captions: real, count: 9}
  images:  {use: toy_images.paint, painter: painter, prompts: drawn, learnt: seen}
metrics:
  like: {use: toy_images.likeness, images: images, real: real}
"""
"""One point, one repeat. The training images have the names of the real ones."""

SWEEP = (
    GALLERY.replace("toy/gallery", "toy/sweep")
    + """\
  cost: {use: toy_images.cost, images: images}
matrix:
  images.scheduler: [pndm, dpmsolver++]
  images.steps: [10, 50]
seeds:
  drawn.seed: [0, 1, 2]
  images.seed: [0, 1, 2]
reference: {images.scheduler: pndm, images.steps: 50}
gate: {like: 10%}
"""
)
"""Four points, three repeats."""


def ran(folder: Path, text: str = GALLERY) -> tuple[Run, Store]:
    """The suite's run in a project of its own; nothing of it is written but its artifacts."""
    prepared = prepare(Request(write_suite(folder, text), store=folder / "store"), download=False)
    run, _ = execute(prepared, Console(file=StringIO()))
    assert run.is_complete, run.failures
    return run, prepared.store


def written(folder: Path, text: str = GALLERY) -> tuple[Run, Store, Path]:
    """The run, its store, and its folder with record and pictures."""
    run, store = ran(folder, text)
    out = folder / "out"
    write_run(run, out, store, {})
    return run, store, out
