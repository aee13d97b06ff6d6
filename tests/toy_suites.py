"""A suite of toy stages (``toy_package/toy.py``), and how tests write suites."""

from __future__ import annotations

from pathlib import Path

TOY = """\
suite: toy/centre
about: A centre is learned from numbers and scored on others.
subject: [model]

stages:
  numbers: {use: toy.draw, count: 40, mean: 2.5, seed: 7}
  parts:   {use: toy.split, numbers: numbers, held_out: 0.25}
  model:   {use: toy.train, data: parts.train, epochs: 5}

metrics:
  fit: {use: toy.measure, model: model, data: parts.test}

matrix:
  model.loss: [square, absolute]
  model.rate: [0.1, 0.2]
seeds:
  model.seed: [0, 1, 2]
reference: {model.loss: square, model.rate: 0.1}
gate:
  fit: 0.1
  fit.within: 5%
"""


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
