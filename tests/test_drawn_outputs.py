"""What stages with a seed left is told apart by its content, not by whether it was executed or came from the store."""

from __future__ import annotations

from command_line import Project

SUITE = """\
suite: test/parts
about: A stage with a seed and two outputs, behind a metric.
subject: [learnt]
stages:
  images: {use: scenes.draw, per_class: 4, size: 32}
  parts:  {use: folders.split, images: images, held_out: 0.5, seed: 1}
  learnt: {use: land_cover.train, train: parts.train, validation: parts.held_out, weights: null, epochs: 1, crop: 32}
  tested: {use: land_cover.predict, classifier: learnt, images: parts.held_out}
metrics:
  classes: {use: classification.scores, predictions: tested}
gate:
  classes.overall_accuracy: 0.1
"""


def test_a_cached_stage_of_two_outputs_left_what_it_left_when_it_was_executed(project: Project) -> None:
    (project.folder / "suites" / "parts.yaml").write_text(SUITE)
    drawn = []
    for state in ("executed", "cached"):
        said = project.harness("run", "suites/parts.yaml")
        assert project.states()["parts"] == {state}, said.out + said.err
        drawn.append(project.latest["drawn"])
    assert drawn[0] == drawn[1]
    assert any("parts" in made for made in drawn[0].values())
