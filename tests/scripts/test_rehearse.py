"""The rehearsal of the published suites: each to its verdict, with stand-ins for models and data."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "rehearsal"))

import rehearse

PAPER = [part for part in rehearse.PARTS if part.suite.startswith("paper/")]
"""Those of ``micro/`` have networks of their full size, which take 5 GB: ``make rehearse`` runs them, too."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> rehearse.Stage:
    made = rehearse.Stage(tmp_path_factory.mktemp("rehearsal"))
    made.set_up()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("part", PAPER, ids=lambda part: part.suite)
def test_a_published_suite_runs_to_its_verdict(stage: rehearse.Stage, part: rehearse.Part) -> None:
    assert f"gates {part.again}" in stage.rehearse(part)


def test_every_published_suite_has_a_part() -> None:
    assert {part.suite for part in rehearse.PARTS} == rehearse.suites()


@pytest.mark.slow
def test_a_command_that_ends_otherwise_is_told_with_its_last_lines(stage: rehearse.Stage) -> None:
    broken = rehearse.Part("paper/land-cover", ("classifier.epoch=1",))
    with pytest.raises(
        rehearse.UnexpectedError, match=r"(?s)plan ended with 2, not 0:.*did you mean 'epochs'"
    ):
        stage.rehearse(broken)
