"""Fine-tuning on a region brings the embedded pipeline nearer to it: through the command line, on one long training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Project

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.numeric, pytest.mark.slow]

TUNED = f"""\
suite: test/tuned
about: Does fine-tuning bring the embedded pipeline nearer to a region of another palette?
extends: {ROOT}/suites/smoke/text-to-image.yaml
subject: [model]
stages:
  unseen:  {{per_class: 15}}
  looked:  {{use: scenes.draw, per_class: 2, region: arid, seed: 4}}   # a look costs several passes for each image
  model:   {{epochs: 2, validation: looked}}
  drawn:   {{count: 42, pipeline: base}}
  images:  {{steps: 6}}
  predictions: null
  closest: null
  words:   null
  judge:   null
metrics:
  classes: null
  sinkhorn: null
  memorisation: null
  alignment: null
  within_class: null
matrix:
  images.pipeline: [base, model]
reference: {{images.pipeline: base}}
seeds:
  model.seed:  [0, 1, 2]
  drawn.seed:  [0, 1, 2]
  images.seed: [0, 1, 2]
gate:
  kid.distance: {{margin: 0.02, at: {{images.pipeline: model}}, against: reference}}
  within_class.margin: null
  memorisation.copies: null
  classes.overall_accuracy: null
"""


def test_fine_tuning_brings_the_generator_nearer_to_its_region(project: Project) -> None:
    (project.folder / "suites" / "tuned.yaml").write_text(TUNED)
    said = project.harness("run", "suites/tuned.yaml")
    assert said.code == 0, said.out + said.err  # its gates are against the reference: no baseline is needed
    (finding,) = (f for f in project.latest["comparison"]["findings"] if f["gated"])
    assert finding["verdict"] == "improved"
    losses = [row["validation_loss"] for row in next(history(project.latest)) if row["validation_loss"]]
    assert losses[-1] < losses[0]


def history(run: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    return (t["facts"]["history"] for t in run["tasks"] if t["node"] == "model")
