"""Text from outside does nothing but be read."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.escapes import visible, visible_in_json, without_commands

HARNESS = Path(__file__).parents[2] / "harness"
PRINTS = {"report/streams.py", "stages/systems/text_to_image/training.py"}
"""Who may write to the process's streams: one module, and the process of a training, which a stage reads."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\nc", r"a\x0db\x0ac"),
        ("\u202etxt", r"\u202etxt"),
        ("caf\udce9.png", r"caf\xe9.png"),
        ("Zürich → 5 µm", "Zürich → 5 µm"),
    ],
)
def test_what_is_no_letter_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_visible_text_is_one_line_of_utf8(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_json_stays_the_same_json(text: str) -> None:
    shown = visible_in_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::set-output name=x::y", "a\n  \\x3a:set-output name=x::y"),
        ("a ::error::x", "a ::error::x"),
        ("a ##[error]x", r"a #\x23[error]x"),
        ("##vso[task.setvariable variable=x]y", r"#\x23vso[task.setvariable variable=x]y"),
        ("## heading", "## heading"),
    ],
)
def test_no_line_is_a_command(text: str, shown: str) -> None:
    assert without_commands(text) == shown


def test_one_module_prints() -> None:
    """No other calls ``print`` or takes ``sys.stdout`` or ``sys.stderr``; only annotations are commands."""
    found, commands = set(), set()
    for file in HARNESS.rglob("*.py"):
        name = file.relative_to(HARNESS).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and node.id == "print":
                found.add(name)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "sys" and node.attr in ("stdout", "stderr", "__stdout__", "__stderr__"):
                    found.add(name)
                if (node.value.id, node.attr) == ("streams", "workflow"):
                    commands.add(name)
    assert found == PRINTS
    assert commands == {"report/ci.py"}
