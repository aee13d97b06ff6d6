"""The scripts behind the figures of ``docs/trust.md``, with few rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts" / "trust"


def figures(name: str, *arguments: str) -> Any:
    command = [sys.executable, str(SCRIPTS / name), *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_acceptances_and_runs_at_once_leave_whole_files() -> None:
    found = figures("races.py", "--rounds", "2")
    assert (found["accepts"].pop("rounds"), found["accepts"].pop("accepts")) == (2, 8)
    assert (found["runs"].pop("rounds"), found["runs"].pop("runs")) == (1, 3)
    assert set(found["accepts"].values()) == set(found["runs"].values()) == {0}


def test_no_flipped_bit_changes_a_verdict_unnoticed() -> None:
    found = figures("bitflips.py", "--flips", "8")
    for place in ("store", "run", "baseline"):
        assert sum(found[place].values()) == 8
        assert found[place]["wrong"] == found[place]["crashed"] == 0
    assert found["baseline"]["refused"] == 8


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_the_old_or_the_new_baseline() -> None:
    found = figures("baseline_kills.py")
    for command in ("accept", "extend", "rescore"):
        counts = found[command]
        assert counts["kills"] == counts["old"] + counts["new"] > 20
        assert counts["old"] > 0
        assert counts["new"] > 0
        assert counts["torn"] == counts["left"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [(), ("--executor", "local"), ("--executor", "local", "--of", "worker")], ids=" ".join
)
def test_runs_that_are_killed_at_any_instant_go_on_to_the_same_values(way: tuple[str, ...]) -> None:
    """The instants are drawn with a fixed seed; what is asserted holds at every instant."""
    found = figures("kills.py", "--kills", "4", "--seed", "3", *way)
    assert found["problems"] == []
    assert (found["runs"], sum(found["ends"].values())) == (4, 4)
    assert found["signalled"] > 0
