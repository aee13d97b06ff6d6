"""The JSON Schema takes the suites that the loader takes, and sees the mistakes that need no wiring."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from toy_suites import TOY, changed

from harness.suite.json_schema import json_schema
from harness.suite.located_yaml import List, Map, Scalar, Tree, parse

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def as_an_editor_sees_it(tree: Tree) -> Any:
    """YAML 1.2's core types."""
    if isinstance(tree, Map):
        return {k: as_an_editor_sees_it(e.value) for k, e in tree.entries.items()}
    if isinstance(tree, List):
        return [as_an_editor_sees_it(t) for t in tree.items]
    assert isinstance(tree, Scalar)
    if tree.quoted:
        return tree.text
    words = {"true": True, "false": False, "null": None, "~": None}
    if tree.text in words:
        return words[tree.text]
    if re.fullmatch(r"[-+]?[0-9]+", tree.text):
        return int(tree.text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", tree.text):
        return float(tree.text)
    return tree.text


def mistakes(text: str) -> list[str]:
    return [e.message for e in VALIDATOR.iter_errors(as_an_editor_sees_it(parse(text, "s.yaml")))]


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


EXTENDING = """\
suite: toy/short
extends: centre.yaml
stages:
  model: {epochs: 1, start: null}
  parts: null
matrix: {model.rate: null}
gate: {fit: null}
"""


@pytest.mark.parametrize(
    "text",
    [
        TOY,
        EXTENDING,
        changed(("fit: 0.1", "fit: [{margin: 1%, at: {model.rate: 0.1}, against: reference}, 0.1]")),
        changed(("subject: [model]", "subject: model.epochs")),
        changed(("count: 40", "count: 40, label: 5, shape: uniform")),
        changed(("epochs: 5", "epochs: 5, window: [2, 0.5], weights: {negative: 2}")),
    ],
)
def test_good_suites_pass(text: str) -> None:
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("suite: toy/centre\n", ""),
        ("gate:", "gates:"),
        ("toy.train", "toy.trian"),
        ("toy.draw", "toy.measure"),
        ("epochs: 5", "epoch: 5"),
        ("epochs: 5", "epochs: 0"),
        ("epochs: 5", "epochs: five"),
        ("epochs: 5", "epochs: 5, window: [1]"),
        ("epochs: 5", "epochs: 5, loss: cube"),
        ("data: parts.train, ", ""),
        ("count: 40, ", ""),
        ("[0, 1, 2]", "[0, -1]"),
        ("[0, 1, 2]", "[]"),
        ("model.rate: [", "rate: ["),
        ("fit: 0.1", "fit: -0.1"),
        ("fit: 0.1", "fit: {margin: 1, against: last}"),
        ("fit: 0.1", "fit: null"),
        ("  parts: ", "  9parts: "),
    ],
)
def test_mistakes_are_seen(old: str, new: str) -> None:
    assert mistakes(changed((old, new)))


def test_parameters_carry_what_the_docstring_says_of_them() -> None:
    train = SCHEMA["$defs"]["toy.train"]
    assert train["description"] == "Learn the centre of the numbers by gradient descent."
    assert train["properties"]["epochs"] == {
        "type": "integer",
        "minimum": 1,
        "description": "passes over the numbers.",
        "default": 3,
    }
    assert train["properties"]["start"]["description"] == "a model to go on from."
    assert train["required"] == ["use", "data"]
