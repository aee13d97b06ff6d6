"""A JSON Schema (Draft 2020-12) of suite files, made from the signatures of the stages that are installed.

With it an editor completes and checks names, types, choices and ranges while a suite is written. What depends on the
whole suite (wiring, kinds, axes) is checked only by the loader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.stage import REQUIRED, Input, Stage
from harness.suite.registry import all_stages
from harness.suite.typed import json_schema as value_schema
from harness.suite.typed import to_json

NAME = "^[a-z][a-z0-9_]*$"
FIELD = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"
OUTPUT = r"^[a-z][a-z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)?$"
GATE = r"^[a-z][a-z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)?$"

IMAGE = {
    "type": ["string", "null"],
    "minLength": 1,
    "description": "The container image that tasks run in: HOST/NAME@sha256:…, or a name of images.lock.",
}

_ARGUMENTS = re.compile(r"^Args:\n((?:[ \t].*\n?|\n)*)", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (\w+): ((?:.*)(?:\n {5,}.*)*)", re.MULTILINE)


def json_schema() -> dict[str, Any]:
    """The schema of a suite file.

    Raises:
        UsageError: a module of stages cannot be imported.
    """
    stages = all_stages(skipped=[])  # the schema covers only what can be used
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An evaluation suite",
        "type": "object",
        "properties": _properties(stages),
        "additionalProperties": False,
        "anyOf": [{"required": ["extends"]}, {"$ref": "#/$defs/whole"}],
        "required": ["suite"],
        "$defs": {"whole": _whole(), "margin": _margin(), "gate": _gate()}
        | {s.name: _stage(s) for s in stages},
    }


def _properties(stages: Sequence[Stage]) -> dict[str, Any]:
    by_field = {"propertyNames": {"pattern": FIELD}}
    seeds = {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}, "minItems": 1}
    values = {"type": ["array", "null"], "minItems": 1}
    names = {"type": "string", "minLength": 1}
    return {
        "suite": _about(names, "Its name, as in baselines/<suite>/."),
        "about": _about(names, "One sentence on what is evaluated."),
        "extends": _about(names, "A suite file, relative to this one, that this one changes."),
        "image": IMAGE,
        "subject": _about(
            {"anyOf": [names, {"type": "array", "items": names, "minItems": 1, "uniqueItems": True}]},
            "The stages, or stage.field, under test.",
        ),
        "stages": _about(
            _named([s for s in stages if not s.is_metric]), "Name → the function it uses, wired and set."
        ),
        "metrics": _about(_named([s for s in stages if s.is_metric]), "Stages that return scores."),
        "matrix": _section(
            by_field | {"additionalProperties": values}, "node.field → values, every combination."
        ),
        "exclude": {
            "type": ["array", "null"],
            "items": {"type": "object", "minProperties": 1, **by_field},
            "description": "Points of the matrix to leave out.",
        },
        "seeds": _section(
            by_field | {"additionalProperties": seeds},
            "node.seed → one seed for each repeat; repeat i takes the i-th of each list.",
        ),
        "reference": _section(by_field, "axis → the value that the others are compared with."),
        "gate": _section(
            {"propertyNames": {"pattern": GATE}, "additionalProperties": {"$ref": "#/$defs/gate"}},
            "metric or metric.field → how much worse is too much.",
        ),
    }


def _about(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _section(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": ["object", "null"], **schema, "description": description}


def _named(stages: Sequence[Stage]) -> dict[str, Any]:
    """Nodes by name; the allowed fields of each depend on its ``use``."""
    choose = [
        {
            "if": {"type": "object", "properties": {"use": {"const": s.name}}, "required": ["use"]},
            "then": {"$ref": f"#/$defs/{s.name}"},
        }
        for s in stages
    ]
    node = {
        "type": ["object", "null"],
        "properties": {"use": {"enum": [s.name for s in stages]}, "image": IMAGE},
        "allOf": choose,
    }
    return {
        "type": ["object", "null"],
        "propertyNames": {"pattern": NAME},
        "additionalProperties": node,
    }


def _whole() -> dict[str, Any]:
    """Rules for a suite that extends nothing: required sections, and no null, since there is nothing to remove."""
    node = {"type": "object", "required": ["use"]}
    nodes = {"type": "object", "additionalProperties": node, "minProperties": 1}
    lists = {"type": "object", "additionalProperties": {"type": "array"}}
    some = {"type": "object", "additionalProperties": {"not": {"type": "null"}}}
    return {
        "required": ["suite", "stages", "metrics"],
        "properties": {
            "stages": nodes,
            "metrics": nodes,
            "matrix": lists,
            "exclude": {"type": "array"},
            "seeds": lists,
            "reference": {"type": "object"},
            "gate": some,
        },
    }


def _stage(stage: Stage) -> dict[str, Any]:
    described = _described(stage.about)
    properties: dict[str, Any] = {"use": {"const": stage.name}, "image": IMAGE}
    for name, given in stage.inputs.items():
        properties[name] = _about(_input(given), described.get(name, given.kind.__name__))
    for name, parameter in stage.parameters.items():
        properties[name] = value_schema(parameter.type)
        if name in described:
            mark = f" [{parameter.mark.value}]" if parameter.mark else ""
            properties[name]["description"] = described[name] + mark
        if parameter.default is not REQUIRED:
            properties[name]["default"] = to_json(parameter.default)
    required = [n for n, i in stage.inputs.items() if not i.optional]
    required += [n for n, p in stage.parameters.items() if p.default is REQUIRED]
    return {
        "description": stage.about.partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": ["use", *required],
        "additionalProperties": False,
    }


def _input(given: Input) -> dict[str, Any]:
    one = {"type": "string", "pattern": OUTPUT}
    forms: list[dict[str, Any]] = [one]
    if given.many:
        forms.append({"type": "array", "items": one, "minItems": 1})
    if given.optional:
        forms.append({"type": "null"})
    return {"anyOf": forms} if len(forms) > 1 else one


def _described(docstring: str) -> dict[str, str]:
    """Parameter → its description, from the ``Args:`` of a Google docstring."""
    arguments = _ARGUMENTS.search(docstring)
    if arguments is None:
        return {}
    return {m[1]: " ".join(m[2].split()) for m in _ARGUMENT.finditer(arguments[1])}


def _margin() -> dict[str, Any]:
    relative = {"type": "string", "pattern": r"^[0-9.]+([eE][+-]?[0-9]+)?%$"}
    return {"anyOf": [{"type": "number", "minimum": 0}, relative]}


def _gate() -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {
            "margin": {"$ref": "#/$defs/margin"},
            "at": {"type": "object", "propertyNames": {"pattern": FIELD}},
            "against": {"enum": ["baseline", "reference"]},
        },
        "required": ["margin"],
        "additionalProperties": False,
    }
    single = [{"$ref": "#/$defs/margin"}, one]
    return {
        "anyOf": [*single, {"type": "array", "items": {"anyOf": single}, "minItems": 1}, {"type": "null"}]
    }
