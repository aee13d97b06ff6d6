"""A stage's signature is its contract, checked when it is declared; all it says of parameters is in the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import toy
from toy_plans import declared

from harness.artifact import Captions, Images, LabelledImages
from harness.engine.plan import make
from harness.errors import SuiteError, Where
from harness.formats.strict_json import canonical
from harness.stage import (
    REQUIRED,
    Count,
    Direction,
    Execution,
    Fraction,
    Higher,
    Input,
    Job,
    Lower,
    Mark,
    Parameter,
    Scores,
    Seed,
    Stage,
    stage,
)
from harness.suite import Node, Ref, Suite, registry
from harness.suite.located_yaml import parse as parse_text
from harness.suite.typed import describe, json_schema, parse, to_json


class Parts(NamedTuple):
    train: Images
    test: Captions


class Mixed(NamedTuple):
    train: Images
    count: int


@dataclass(frozen=True, kw_only=True)
class Quality(Scores):
    accuracy: Higher
    error: Annotated[float, Direction("lower", floor=0.1)]
    bias: float


class Unfrozen(Scores):
    error: Lower


@dataclass(frozen=True, kw_only=True)
class Empty(Scores):
    pass


@dataclass(frozen=True, kw_only=True)
class Worded(Scores):
    grade: str


@stage(version=3, software=("torch",))
def make_parts(
    images: Images,
    others: tuple[LabelledImages, ...],
    start: Captions | None = None,
    *,
    size: Count,
    seed: Seed,
    batch_size: Execution[Count] = 8,
    job: Job,
) -> Parts:
    """Make parts.

    The rest.
    """
    raise NotImplementedError


def test_the_signature_says_it_all() -> None:
    made = declared(make_parts)
    assert (made.name, made.version, made.software) == ("test_stage.make_parts", 3, ("torch",))
    assert made.inputs == {
        "images": Input(Images),
        "others": Input(LabelledImages, many=True),
        "start": Input(Captions, optional=True),
    }
    assert made.parameters["size"] == Parameter(Count, REQUIRED)
    assert made.parameters["batch_size"].mark is Mark.EXECUTION
    assert describe(made.parameters["batch_size"].type) == "whole number, at least 1"
    assert made.outputs == {"train": Images, "test": Captions}
    assert made.takes_job
    assert not made.is_metric
    assert made.about == "Make parts.\n\nThe rest."


def test_a_seed_that_nobody_gives_is_0() -> None:
    seed = declared(make_parts).parameters["seed"]
    assert (seed.default, seed.mark) == (0, Mark.SEED)


def test_a_metric_says_which_way_is_better() -> None:
    def judge(images: Images) -> Quality:
        raise NotImplementedError

    judged = declared(stage(version=1)(judge))
    assert judged.is_metric
    assert judged.outputs == {}
    assert judged.scores == {
        "accuracy": Direction("higher"),
        "error": Direction("lower", floor=0.1),
        "bias": None,
    }


def test_a_declared_function_is_still_the_function() -> None:
    def only(*, size: int) -> Images:
        raise NotImplementedError

    assert stage(version=1)(only) is only
    single = declared(only)
    assert single.outputs == {"": Images}
    assert not single.takes_job


def no_type(*, size) -> Images:  # type: ignore[no-untyped-def]
    raise NotImplementedError


def positional_literal(size: int) -> Images:
    raise NotImplementedError


def two_kinds(images: Images | Captions) -> Images:
    raise NotImplementedError


def whatever(**options: int) -> Images:
    raise NotImplementedError


def several(*images: Images) -> Images:
    raise NotImplementedError


def marked_inside(*, size: Execution[int] | None = None) -> Images:
    raise NotImplementedError


def reserved(*, use: str) -> Images:
    raise NotImplementedError


def returns_nothing() -> None:
    raise NotImplementedError


def returns_mixed() -> Mixed:
    raise NotImplementedError


def returns_plain_scores() -> Unfrozen:
    raise NotImplementedError


def returns_no_value() -> Empty:
    raise NotImplementedError


def returns_words() -> Worded:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_type, "parameter 'size' has no type"),
        (positional_literal, "input 'size' must be a kind of artifact (literals go after *)"),
        (two_kinds, "input 'images' must be a kind of artifact (literals go after *)"),
        (whatever, "'options' must be a named parameter"),
        (several, "'images' must be a named parameter"),
        (
            marked_inside,
            "'size': Seed, Execution and Reading mark a whole parameter, as in Execution[int | None]",
        ),
        (reserved, "'use' is a word of the suite file, not a parameter name"),
        (returns_nothing, "must return an artifact, a NamedTuple of artifacts, or Scores"),
        (returns_mixed, "must return an artifact, a NamedTuple of artifacts, or Scores"),
        (returns_no_value, "Empty has no value"),
        (returns_words, "score field 'grade' must be a float (the rest: details)"),
    ],
    ids=lambda x: x.__name__ if callable(x) else "",
)
def test_a_broken_contract_is_refused_when_it_is_declared(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError) as refusal:
        stage(version=1)(function)
    assert str(refusal.value) == f"stage test_stage.{function.__name__}: {message}"


@pytest.mark.parametrize(
    ("hint", "default", "read"),
    [
        (float, 1, 1.0),
        (Fraction, 0, 0.0),
        (float, -0.0, 0.0),
        (float | None, 2, 2.0),
        (float | None, None, None),
        (Count | Fraction, 1, 1),
        (int, 3, 3),
        (bool, True, True),
        (Literal[1, 2], 1, 1),
        (tuple[float, ...], (1, 2.5), (1.0, 2.5)),
        (tuple[int, float], (1, 1), (1, 1.0)),
        (tuple[float, float] | None, (0, 255), (0.0, 255.0)),
        (list[float], [1], [1.0]),
        (Mapping[str, Fraction], {"a": 1}, {"a": 1.0}),
        (Execution[float], 1, 1.0),
    ],
)
def test_a_default_is_what_the_suite_s_text_would_be_read_as(hint: Any, default: Any, read: Any) -> None:
    def make_images(*, value=default) -> Images:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    make_images.__annotations__["value"] = hint
    spec = declared(stage(version=1)(make_images)).parameters["value"]
    assert canonical(to_json(spec.default)) == canonical(to_json(read))
    spelled = canonical(to_json(default)).replace("-0.0", "0.0")
    assert canonical(to_json(parse(spec.type, parse_text(spelled, "suites/s.yaml")))) == canonical(
        to_json(read)
    )


SAMPLES = """\
true | false | null | 0 | 1 | 2 | 40 | 41 | 0.25 | 0.5 | 1.5 | one | two | path:one.json | path:two.json
[one] | [one, two] | [1, 1.5] | [2, 1.5] | [0.0, 1.0] | [0.0, 255.0] | [red, green, blue] | [nir, red, green]
{image: a, label: b, captions: c} | {image: d, label: b, captions: c} | {a: [b]} | {a: [c]} | {a: 1} | {a: 2}
{one: 1} | {one: 2} | a {class} | the {class} | "{passages} {class}" | [a {class}] | ["a {class}"] | ["the {class}"]
EuroSAT | UCMerced | SENTINEL2_RGB_MOCO | 700 | 800 | torchvision:resnet18 | timm:resnet18 | inception-v3
http://one:8000 | http://two:8000 | resnet18 | resnet34 | [0, 0, 0] | [1, 1, 1]
""".replace("\n", " | ").split(" | ")
"""Texts of which every type of parameter reads at least two as different values."""


def choices(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from map(str, schema.get("enum", ()))
    for member in schema.get("anyOf", ()):
        yield from choices(member)


def two_values(spec: Parameter) -> tuple[Any, Any]:
    """Two different valid values of a parameter, read as a suite reads them."""
    found: dict[str, Any] = {}
    for text in filter(None, [*choices(json_schema(spec.type)), *SAMPLES]):
        try:
            value = parse(spec.type, parse_text(text, "suites/s.yaml"))
        except SuiteError:
            continue
        found.setdefault(canonical(to_json(value)), value)
        if len(found) == 2:
            first, second = found.values()
            return first, second
    raise AssertionError(f"no two values known for {spec.type}: add to SAMPLES")


def key(stage: Stage, parameters: Mapping[str, Any]) -> str:
    """The key of a stage with nothing upstream, in a suite of its own."""
    here = Where("suites/s.yaml", 1)
    nodes = {"probe": Node("probe", stage, {}, parameters, frozenset(), here)}
    if not stage.is_metric:
        output = Ref("probe", next(iter(stage.outputs)))
        nodes["metric"] = Node("metric", declared(toy.size), {"data": (output,)}, {}, frozenset(), here)
    metric = list(nodes)[-1]
    plan = make(Suite("s", "", Path("s.yaml"), Path(), (), nodes, (metric,), (), (), (), {}, ()))
    return plan.keys[0]


EVERY = [(s, p) for s in registry.all_stages() for p in s.parameters]


@pytest.mark.parametrize(("stage", "name"), EVERY, ids=[f"{s.name}.{p}" for s, p in EVERY])
def test_every_parameter_of_every_stage_is_in_its_key(stage: Stage, name: str) -> None:
    bound = {
        p: two_values(spec)[0] if spec.default is REQUIRED else spec.default
        for p, spec in stage.parameters.items()
    }
    first, second = two_values(stage.parameters[name])
    assert key(stage, {**bound, name: first}) != key(stage, {**bound, name: second})


@stage(version=1)
def _whole(*, share: float = 1, limits: tuple[float, float] | None = (0, 255)) -> Images:
    raise NotImplementedError


def test_a_default_written_as_a_whole_number_has_the_key_of_the_number() -> None:
    whole = declared(_whole)
    said = {"share": "1.0", "limits": "[0, 255.0]"}
    given = {p: parse(whole.parameters[p].type, parse_text(t, "suites/s.yaml")) for p, t in said.items()}
    assert key(whole, {p: spec.default for p, spec in whole.parameters.items()}) == key(whole, given)
