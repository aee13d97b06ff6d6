"""The suite of toy stages (``toy_package/toy.yaml``), and how tests write suites."""

from __future__ import annotations

from pathlib import Path

TOY = (Path(__file__).parent / "toy_package" / "toy.yaml").read_text(encoding="utf-8")

BY_SEED = """\
suite: own
about: A classifier that was trained elsewhere, three times.
subject: [predictions]
stages:
  predictions: {use: predictions.read, source: "path:../out/seed-{seed}.csv"}
metrics:
  accuracy: {use: classification.accuracies, predictions: predictions}
seeds:
  predictions.seed: [0, 1, 2]
gate:
  accuracy.overall_accuracy: 0.2
"""
"""Predictions that another tool left, a file for each seed."""


def write_suite(folder: Path, text: str = TOY, name: str = "suite.yaml") -> Path:
    """A suite file in ``folder``, which becomes a project of its own."""
    (folder / "suites").mkdir(exist_ok=True)
    path = folder / "suites" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(*replacements: tuple[str, str], text: str = TOY) -> str:
    """The toy suite with pieces of its text replaced; every piece must be there."""
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text
