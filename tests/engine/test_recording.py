"""What is recorded of an invocation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.engine.recording import command_line


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["run", "suites/a.yaml", "--set", "x.y=1"], ["run", "suites/a.yaml", "--set", "x.y=1"]),
        (["run", "a.yaml", "--out", "/home/me/run", "--strict"], ["run", "a.yaml", "--strict"]),
        (["run", "a.yaml", "--store=/big/store"], ["run", "a.yaml"]),
        (["run", "a.yaml", "--mirror", "/data/hub"], ["run", "a.yaml", "--mirror", "DIR"]),
        (["run", "/home/me/project/suites/a.yaml"], ["run", "suites/a.yaml"]),
        (["run", "/elsewhere/a.yaml"], ["run", "/elsewhere/a.yaml"]),
    ],
)
def test_a_recorded_command_names_no_place_that_only_this_machine_has(
    given: list[str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["harness", *given])
    assert command_line(Path("/home/me/project")) == ["harness", *told]
